import shutil

import pytest

from kerasseg import files
from tests.conftest import assert_one_line, command, kerasseg

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


def test_bad_run_directories_are_one_line(tiny_run, tmp_path):
    assert_one_line(kerasseg("evaluate"), "--workdir is missing")
    assert_one_line(kerasseg("evaluate", f"--workdir={tmp_path}"), "is no run directory")
    shutil.copy(tiny_run / "config.json", tmp_path)
    assert_one_line(kerasseg("evaluate", f"--workdir={tmp_path}"), "has no trained weights", "kerasseg train")
    (tmp_path / "best.weights.h5").write_bytes((tiny_run / "best.weights.h5").read_bytes()[:3000])
    assert_one_line(kerasseg("evaluate", f"--workdir={tmp_path}"), "best.weights.h5 cannot be read")
    assert_one_line(kerasseg("evaluate", f"--workdir={tiny_run}", "--split=test"), "no split 'test'; it has train, val")
