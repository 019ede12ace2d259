"""The whole path on `tiny`: prepare, quantize, fine-tune, resume, leave layers in float."""

import dataclasses
import json
import shutil
import sys

import numpy as np
import pytest

from kerasseg import files, lite, qat_training, quantization, rundir
from kerasseg.data.datasets import load_for_run
from kerasseg.evaluate import evaluate_together
from kerasseg.lite import interpreter, qat
from kerasseg.lite.flatbuffer import Graph

SETTINGS = quantization.QuantizationSettings(4, 0, "random", epochs=2, learning_rate=1e-4)


@pytest.fixture(scope="module")
def run(tiny_run):
    directory = rundir.RunDir(tiny_run)
    return directory, rundir.read(directory)


@pytest.fixture(scope="module")
def splits(run):
    dataset = load_for_run(run[1].config)
    return dataset.split("train"), dataset.split("val")


@pytest.fixture(scope="module")
def prepared(run, splits):
    return quantization.prepare(*run, splits[0], SETTINGS)


def _tuned(run, splits, folder):
    shutil.copytree(run[0].path, folder, ignore=shutil.ignore_patterns("qat"), dirs_exist_ok=True)
    directory = rundir.RunDir(folder)
    lines = []
    fresh = quantization.prepare(directory, run[1], splits[0], SETTINGS)
    return qat_training.fine_tune(directory, run[1], fresh, splits, SETTINGS, lines.append), lines


def _weights(prepared):
    return {variable.path: np.array(variable) for variable in prepared.model.weights}


@pytest.fixture(scope="module")
def tuned(run, splits, tmp_path_factory):
    return _tuned(run, splits, tmp_path_factory.mktemp("qat") / "whole")


def test_fine_tuning_changes_weights_and_the_twin_agrees_with_the_file(run, splits, prepared, tuned):
    tuned, lines = tuned
    assert len(lines) == 2
    assert "QAT epoch 2/2" in lines[1]
    before, after = _weights(prepared), _weights(tuned)
    assert any((value != before[path]).any() for path, value in after.items())
    content = quantization.quantize(tuned)
    predicts = [
        qat.predictor(tuned.twin(size=run[1].eval_size, batch_size=1)),
        interpreter.predictor(interpreter.LoadedModel(content)),
    ]
    _, agreement = evaluate_together(predicts, splits[1], class_names=run[1].class_names, size=run[1].eval_size)
    assert agreement[1] > 0.995


def test_stopped_and_resumed_it_ends_the_same_to_the_bit(run, splits, tuned, tmp_path):
    # As if the process had been killed after the first epoch: go back to its checkpoint.
    first = tmp_path / "again"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(qat_training, "evaluate", _stop_at_second(qat_training.evaluate))
        with pytest.raises(KeyboardInterrupt):
            _tuned(run, splits, first)
    resumed, lines = _tuned(run, splits, first)
    assert lines[0] == "resuming QAT after epoch 1 of 2"
    weights = _weights(resumed)
    for path, value in _weights(tuned[0]).items():
        np.testing.assert_array_equal(weights[path], value)


def _stop_at_second(evaluate):
    calls = []

    def stopping(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return evaluate(*arguments, **options)

    return stopping


def test_other_settings_are_refused_by_name(run, splits, tuned, tmp_path):
    shutil.copytree(run[0].path, tmp_path / "run", ignore=shutil.ignore_patterns("qat"))
    files.write_json(tmp_path / "run" / "qat" / "settings.json", dataclasses.asdict(SETTINGS))
    directory = rundir.RunDir(tmp_path / "run")
    other = dataclasses.replace(SETTINGS, epochs=5)
    with pytest.raises(ValueError, match=r"holds QAT with other settings: epochs \(2 there, 5 asked\)"):
        qat_training.fine_tune(directory, run[1], tuned[0], splits, other, print)


def test_what_a_file_was_made_from_can_be_made_again(run, splits, prepared):
    story = json.loads(json.dumps(dataclasses.asdict(dataclasses.replace(SETTINGS, epochs=0)) | {"names": prepared.names}))
    again = quantization.again(*run, splits[0], story)
    assert quantization.quantize(again) == quantization.quantize(prepared)


def test_without_the_extra_the_command_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "kerasseg.lite.qat", None)
    monkeypatch.delattr(lite, "qat", raising=False)
    with pytest.raises(ValueError, match=r"int8_qat needs tensorflow-model-optimization .*pip install 'kerasseg\[qat\]'"):
        quantization.load_qat()


def test_an_unknown_choice_of_pictures_is_refused(run, splits):
    with pytest.raises(ValueError, match="calibration_choice 'best' is unknown; give one of random, covering"):
        quantization.prepare(*run, splits[0], dataclasses.replace(SETTINGS, calibration_choice="best"))


def test_float_layers_by_name_and_by_loss(prepared):
    layers, tensors = quantization.choose_float_layers("aspp_project", prepared, [prepared.image])
    assert layers == ["aspp_project"]
    content = quantization.quantize(prepared, float_layers=tensors)
    types = {one.operator for one in quantization.where_it_hurts(prepared, content, [prepared.image])}
    assert "CONV_2D" in types
    assert "DEQUANTIZE" in {operator.name for operator in Graph(content).operators}
    worst, tensors = quantization.choose_float_layers("auto:3", prepared, [prepared.image])
    assert len(worst) == len(tensors) == 3
    found = quantization.where_it_hurts(prepared, quantization.quantize(prepared), [prepared.image])
    assert worst[0] == max(found, key=lambda one: one.lost_db).layer
    with pytest.raises(ValueError, match="unknown layer 'conv_99'; those with weights are conv, "):
        quantization.choose_float_layers("conv_99", prepared, [prepared.image])
    for asked in ("auto:0", "auto:x", "auto:5000"):
        with pytest.raises(ValueError, match=f"--float_layers={asked} is not accepted; write auto:K with K from 1 to"):
            quantization.choose_float_layers(asked, prepared, [prepared.image])
