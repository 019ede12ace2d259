import pytest

from kerasseg import files
from tests.conftest import command

pytestmark = pytest.mark.slow


def test_the_command_writes_report_and_figures(tiny_run):
    result = command("-m", "kerasseg.evaluate", f"--workdir={tiny_run}")
    assert result.returncode == 0, result.stderr
    output = tiny_run / "evaluate_val"
    assert sorted(path.name for path in output.iterdir()) == ["confusion.png", "examples.png", "report.json"]
    scores = files.read_json(output / "report.json")["scores"]
    assert scores["pictures"] == 4  # as many as the run was told to use
    assert scores == files.read_json(tiny_run / "report.json")["scores"]
    assert "mIoU" in result.stdout
