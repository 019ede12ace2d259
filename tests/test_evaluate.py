import pytest

from kerasseg import files
from tests.conftest import WITH_SHORT, command

pytestmark = pytest.mark.slow


def test_the_command_writes_report_and_figures(short_run):
    result = command("-c", WITH_SHORT, "evaluate", f"--workdir={short_run}")
    assert result.returncode == 0, result.stderr
    output = short_run / "evaluate_val"
    assert sorted(path.name for path in output.iterdir()) == ["confusion.png", "examples.png", "report.json"]
    scores = files.read_json(output / "report.json")["scores"]
    assert scores["pictures"] == 4  # as many as the run was told to use
    assert scores == files.read_json(short_run / "report.json")["scores"]
    assert "mIoU" in result.stdout
