import hashlib
import shutil

import pytest

from kerasseg import files
from tests.conftest import assert_one_line, kerasseg

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("recipe", ["int8", "float16"])
def test_a_file_and_its_story(tiny_run, tmp_path, recipe):
    output = tmp_path / "m.tflite"
    result = kerasseg(
        "convert", f"--workdir={tiny_run}", f"--recipe={recipe}", f"--output={output}", "--calibration_examples=4"
    )
    assert result.returncode == 0, result.stderr
    assert len((result.stdout + result.stderr).splitlines()) < 10
    report = files.read_json(tmp_path / "m.tflite.json")
    assert report["sha256"] == hashlib.sha256(output.read_bytes()).hexdigest()
    assert report["bytes"] == output.stat().st_size
    assert report["class_names"][1] == "disc"
    assert report["versions"]["tensorflow"]
    if recipe == "int8":
        assert len(report["calibration"]["names"]) == 4
        assert report["input"][:5] == [1, 96, 96, 3, "int8"]
        assert [finding["rule"] for finding in report["lint"]] == ["odd_resize"]
    else:
        assert report["calibration"] is None


def test_qat_and_strict(short_run, tmp_path):
    shutil.copytree(short_run, tmp_path / "run")
    result = kerasseg("convert", f"--workdir={tmp_path / 'run'}", "--recipe=int8_qat", "--epochs=1", "--calibration_examples=4",
        "--strict",
    )  # fmt: skip
    assert result.returncode == 1, result.stderr  # the linter finds the last resize, which is 4x
    assert "QAT epoch 1/1" in result.stdout
    assert "agrees with the fake-quantized model on" in result.stdout
    report = files.read_json(tmp_path / "run" / "int8_qat.tflite.json")
    assert report["calibration"]["epochs"] == 1
    assert report["twin_agreement"] > 0.995


def test_bad_input_is_one_line(tiny_run, tmp_path):
    run = ["convert", f"--workdir={tiny_run}", f"--output={tmp_path / 'm.tflite'}"]
    assert_one_line(kerasseg("convert"), "--workdir is missing")
    assert_one_line(kerasseg(*run, "--recipe=int4"), "unknown recipe 'int4'", "int8")
    assert_one_line(kerasseg(*run, "--io_type=int16"), "io_type 'int16' is unknown")
    assert_one_line(kerasseg(*run, "--calibration_examples=5000"), "5000 calibration examples asked")
    assert_one_line(kerasseg(*run, "--recipe=int8_qat", "--epochs=0"), "--epochs=0", "trains nothing")
    assert_one_line(kerasseg(*run, "--recipe=float16", "--float_layers=conv"), "--float_layers and --resizes are for int8")
    assert_one_line(
        kerasseg(*run, "--calibration_examples=2", "--float_layers=conv_99"), "there is no layer 'conv_99' to leave in float"
    )
    shutil.copy(tiny_run / "config.json", tmp_path)
    assert_one_line(kerasseg("convert", f"--workdir={tmp_path}"), "has no trained weights")
    assert not (tmp_path / "m.tflite").exists()
