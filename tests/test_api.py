"""What the commands do, called from Python: the packages' public names, and the main job without a command line."""

import importlib
from importlib import metadata

import numpy as np
import pytest

import kerasseg
from kerasseg.jobs import CheckSettings, ConversionSettings, ExportSettings
from tests.conftest import command

PACKAGES = ("data", "int8", "jobs", "lite", "mcu", "models", "reports", "run", "score", "training")


@pytest.mark.parametrize("name", ["kerasseg", *(f"kerasseg.{package}" for package in PACKAGES)])
def test_every_public_name_is_there_and_shown(name):
    package = importlib.import_module(name)
    assert package.__doc__
    for public in package.__all__:
        assert getattr(package, public) is not None
        assert public in dir(package)
    with pytest.raises(AttributeError, match="nothing_of_that_name"):
        _ = package.nothing_of_that_name


def test_importing_the_packages_loads_nothing_heavy():
    names = ", ".join(f"kerasseg.{package}" for package in PACKAGES)
    program = f"import sys, kerasseg, {names}; print(sorted({{'keras', 'tensorflow', 'numpy', 'PIL'}} & sys.modules.keys()))"
    result = command("-c", program)
    assert result.stdout == "[]\n", result.stderr


@pytest.mark.slow
def test_the_main_job_without_a_command_line(short_run, tmp_path, capsys):
    """Train (in `short_run`), evaluate, quantize, check, export; nothing is printed."""
    from kerasseg import int8, jobs, score
    from kerasseg.data import load_for_run
    from kerasseg.run import load_trained, open_run, predictor

    run = open_run(short_run)
    dataset = load_for_run(run.config)
    predict = predictor(load_trained(run))
    scores = score.evaluate(predict, dataset.split("val"), class_names=run.class_names, size=run.eval_size)
    images = np.zeros((2, *run.eval_size, 3), np.uint8)
    for wrong, words in ((images, "2 pictures were given to a network of 1"), (images[:1] / 255, "float64 .*; give uint8")):
        with pytest.raises(ValueError, match=words):
            predict(wrong)
    assert jobs.evaluate(short_run, output_dir=tmp_path / "evaluate").miou == scores.miou

    settings = ConversionSettings(calibration_examples=4, metadata=False)
    path = tmp_path / "int8.tflite"
    assert jobs.convert(short_run, output=path, settings=settings).file == "int8.tflite"
    prepared = int8.prepare(run, dataset.split("train"), int8.QuantizationSettings(calibration_examples=4))
    assert int8.quantize(prepared) == path.read_bytes()  # the command has no other way

    report = jobs.check([path], workdir=short_run, settings=CheckSettings(max_miou_drop=100.0))
    assert report["keras"]["miou"] == scores.miou
    assert report["failures"] == []
    predictor_of_file = jobs.load_predictor(tflite=path)
    assert predictor_of_file.class_names == run.class_names
    assert predictor_of_file.predict(np.zeros((1, *run.eval_size, 3), np.uint8)).shape == (1, *run.eval_size)
    with pytest.raises(ValueError, match="float32 .*; give uint8 of 0 to 255"):
        predictor_of_file.predict(np.zeros((1, *run.eval_size, 3), np.float32))
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_the_export_without_a_command_line(short_run, short_int8, tmp_path):
    pytest.importorskip("tflite_micro")
    from kerasseg import jobs

    report = jobs.export(short_int8, output_dir=tmp_path, workdir=short_run, settings=ExportSettings(pictures=2))
    assert report["exactness"]["runs"] == 2
    assert (tmp_path / "main.cc").is_file()


def test_settings_that_cannot_be_are_refused_before_anything_runs(short_int8):
    from kerasseg import jobs

    with pytest.raises(ValueError, match="--threads names no number of threads"):
        CheckSettings(threads=())
    with pytest.raises(ValueError, match="--pictures=-1 is too small"):
        ExportSettings(pictures=-1)
    with pytest.raises(ValueError, match="--sample and --per_layer need --workdir"):
        jobs.check([short_int8], settings=CheckSettings(sample=2))


def test_the_version_is_one():
    assert metadata.version("kerasseg") == kerasseg.__version__
