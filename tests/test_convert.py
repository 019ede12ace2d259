import hashlib
import shutil

import keras
import pytest

from kerasseg import files
from tests.conftest import WITH_SHORT, assert_one_line, command, kerasseg

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("recipe", ["int8", "float16"])
def test_a_file_and_its_story(short_run, tmp_path, recipe):
    output = tmp_path / "m.tflite"
    result = kerasseg(
        "convert", f"--workdir={short_run}", f"--recipe={recipe}", f"--output={output}", "--calibration_examples=4"
    )
    assert result.returncode == 0, result.stderr
    assert len((result.stdout + result.stderr).splitlines()) < 10
    report = files.read_json(tmp_path / "m.tflite.json")
    assert report["sha256"] == hashlib.sha256(output.read_bytes()).hexdigest()
    assert report["bytes"] == output.stat().st_size
    assert report["class_names"][1] == "disc"
    assert report["versions"]["tensorflow"]
    idle = "--calibration_examples: of no use for float16, which measures nothing"
    assert (idle in result.stdout) == (recipe == "float16")
    if recipe == "int8":
        assert len(report["calibration"]["names"]) == 4
        assert report["input"][:5] == [1, 96, 96, 3, "int8"]
        assert [finding["rule"] for finding in report["lint"]] == ["odd_resize"]
    else:
        assert report["calibration"] is None


def test_of_an_unfinished_run_file_and_scores_say_so(short_run, tmp_path):
    run = shutil.copytree(short_run, tmp_path / "run")
    stored = files.read_json(run / "config.json")
    done = stored["config"]["epochs"]
    stored["config"]["epochs"] += 5
    files.write_json(run / "config.json", stored)
    said = f"Not finished: epoch {done} of {done + 5} is done."
    for verb in (("convert", "--recipe=float32"), ("evaluate",)):
        assert said in kerasseg(*verb, f"--workdir={run}").stdout
    assert said in (run / "float32.tflite.md").read_text(encoding="utf-8")


def test_int16_activations_run_in_every_engine(short_run, tmp_path):
    output, of_run = tmp_path / "m.tflite", f"--workdir={short_run}"
    result = kerasseg("convert", of_run, "--recipe=int16x8", f"--output={output}", "--calibration_examples=4")
    assert result.returncode == 0, result.stderr
    report = files.read_json(tmp_path / "m.tflite.json")
    assert report["input"][:5] == [1, 96, 96, 3, "int16"]
    assert report["recipe"] == "int16x8"
    result = kerasseg("check", of_run, f"--tflite={output}", "--examples=4", "--sample=1", f"--report={tmp_path / 'c.json'}")
    assert result.returncode == 0, result.stdout + result.stderr
    engines = files.read_json(tmp_path / "c.json")["sample"]["engines"]
    assert {one["kernels"] for one in engines if "refused" not in one} >= {"xnnpack", "reference", "micro"}
    result = kerasseg("micro", of_run, f"--tflite={output}", f"--output_dir={tmp_path / 'mcu'}", "--pictures=2")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "bit-exact         2 of 2" in result.stdout
    assert "no estimate: published measurements are of undilated int8 convolutions" in result.stdout


def test_qat_and_strict(short_run, tmp_path):
    """With the means of whole pictures as poolings, which file and twin compute alike."""
    shutil.copytree(short_run, tmp_path / "run")
    result = kerasseg("convert", f"--workdir={tmp_path / 'run'}", "--recipe=int8_qat", "--epochs=1", "--calibration_examples=4",
        "--strict", "--means=pool",
    )  # fmt: skip
    assert result.returncode == 1, result.stderr  # the linter finds the last resize, which is 4x
    assert "QAT epoch 1/1" in result.stdout
    assert "agrees with the fake-quantized model on" in result.stdout
    report = files.read_json(tmp_path / "run" / "int8_qat.tflite.json")
    assert report["calibration"]["epochs"] == 1
    assert report["twin_agreement"] > 0.995

    run = tmp_path / "run"
    weights = run / "qat" / "best.weights.h5"
    assert report["calibration"]["qat_sha256"] == files.sha256(weights)
    other = kerasseg("convert", f"--workdir={run}", "--recipe=int8_qat", "--epochs=2", "--means=pool")
    assert "calibrating" not in other.stdout  # refused before what takes long
    assert_one_line(other, "holds QAT with other settings: ", "epochs (1 there, 2 asked)")
    shutil.copy(run / "best.weights.h5", weights)  # as another QAT would leave it
    checked = kerasseg(
        "check", f"--workdir={run}", f"--tflite={run / 'int8_qat.tflite'}", "--examples=2", "--per_layer",
        "--max_miou_drop=100", f"--report={tmp_path / 'check.json'}",
    )  # fmt: skip
    assert_one_line(checked, "the file was made from other weights than", "best.weights.h5 are now; convert it again")


def test_keras_settings_of_others_change_no_byte(short_run, short_int8, tmp_path):
    keras.config.set_floatx("float16")
    keras.config.set_image_data_format("channels_first")
    try:
        result = kerasseg("convert", f"--workdir={short_run}", "--calibration_examples=4", f"--output={tmp_path / 'm.tflite'}")
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_image_data_format("channels_last")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "m.tflite").read_bytes() == short_int8.read_bytes()
    classes = files.read_json(tmp_path / "m.tflite.json")["pixel_agreement"]["classes"]
    assert ("Keras sees one class in all 8 pictures" in result.stdout) == (classes == 1)


def test_another_backend_makes_way_for_tensorflow(short_run, tmp_path):
    flags = (f"--workdir={short_run}", "--recipe=float32", f"--output={tmp_path / 'm.tflite'}")
    result = command("-c", WITH_SHORT, "convert", *flags, KERAS_BACKEND="torch")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("on TensorFlow, which TFLite's converter needs, not torch\n")
    assert (tmp_path / "m.tflite").is_file()
