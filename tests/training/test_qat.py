"""Fine-tuning, stopping and resuming on the first blocks of V3-Small: tracing a twin costs time a layer."""

import dataclasses
import shutil
import types

import keras
import numpy as np
import pytest

from kerasseg import files, int8, training
from kerasseg.data.datasets import load_for_run
from kerasseg.int8 import quantization, twin
from kerasseg.lite import interpreter
from kerasseg.run import checkpoint, open_run
from kerasseg.score import evaluate_together
from kerasseg.training import qat

pytestmark = pytest.mark.slow

SETTINGS = int8.QuantizationSettings(4, 0, "random", epochs=2, learning_rate=1e-4)


@pytest.fixture(scope="module")
def run(short_run):
    return open_run(short_run)


@pytest.fixture(scope="module")
def splits(run):
    dataset = load_for_run(run.config)
    return dataset.split("train"), dataset.split("val")


@pytest.fixture(scope="module")
def prepared(run, splits):
    return int8.prepare(run, splits[0], SETTINGS)


def _tuned(run, splits, folder, *, prepared=None, **options):
    """QAT in a copy of the run: of what is prepared anew there, or of a copy of `prepared`, which is the same to the bit."""
    shutil.copytree(run.directory.path, folder, ignore=shutil.ignore_patterns("qat"), dirs_exist_ok=True)
    lines: list[str] = []
    copied = open_run(folder)
    if prepared is None:
        fresh = int8.prepare(copied, splits[0], SETTINGS)
    else:
        checkpoint.make_deterministic(run.config.seed)  # as `prepare` does
        fresh = dataclasses.replace(prepared, model=keras.models.clone_model(prepared.model))
        fresh.model.set_weights(prepared.model.get_weights())
    return training.fine_tune(copied, fresh, splits, SETTINGS, log=lines.append, **options), lines


def _weights(prepared):
    return {variable.path: np.array(variable) for variable in prepared.model.weights}


@pytest.fixture(scope="module")
def tuned(run, splits, prepared, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(qat, "evaluate", _scoring(0.1, 0.2, 0.3))
        return _tuned(run, splits, tmp_path_factory.mktemp("qat") / "whole", prepared=prepared)


def test_fine_tuning_changes_weights_and_the_twin_agrees_with_the_file(run, splits, prepared, tuned):
    tuned, lines = tuned
    assert len(lines) == 3
    assert "QAT begins at int8 val mIoU" in lines[0]
    assert "QAT epoch 2/2" in lines[2]
    before, after = _weights(prepared), _weights(tuned)
    assert any((value != before[path]).any() for path, value in after.items())
    content = int8.quantize(tuned)
    predicts = [
        twin.predictor(quantization.twin(tuned, size=run.eval_size, batch_size=1)),
        interpreter.predictor(interpreter.LoadedModel(content)),
    ]
    _, agreement = evaluate_together(predicts, splits[1], class_names=run.class_names, size=run.eval_size)
    assert agreement[1] == 1.0


def test_stopped_and_resumed_it_ends_the_same_to_the_bit(run, splits, prepared, tuned, tmp_path):
    # As if the process had been killed in the second epoch: go back to the checkpoint of the first.
    first = tmp_path / "again"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(qat, "evaluate", _scoring(0.1, 0.2))
        with pytest.raises(KeyboardInterrupt):
            _tuned(run, splits, first, prepared=prepared)
        patch.setattr(qat, "evaluate", _scoring(0.3))
        resumed, lines = _tuned(run, splits, first)
    assert lines[0] == "resuming QAT after epoch 1 of 2"
    weights = _weights(resumed)
    for path, value in _weights(tuned[0]).items():
        np.testing.assert_array_equal(weights[path], value)


def _scoring(*scores):
    """An `evaluate` that gives these scores in turn, and is interrupted where they end."""
    left = iter(scores)

    def evaluate(*arguments, **options):
        try:
            return types.SimpleNamespace(miou=next(left))
        except StopIteration:
            raise KeyboardInterrupt from None

    return evaluate


def test_what_makes_the_file_worse_is_not_taken(run, splits, prepared, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(qat, "evaluate", _scoring(0.5, 0.4))
        kept, lines = _tuned(run, splits, tmp_path / "worse", prepared=prepared, patience=1)
    assert lines[-2].endswith("best 50.00 % (epoch 0)")
    assert lines[-1] == "QAT ends after epoch 1: 1 in a row were no better"
    assert int8.quantize(kept) == int8.quantize(prepared)


def test_other_settings_and_a_broken_checkpoint_are_refused(run, splits, tuned, tmp_path):
    shutil.copytree(run.directory.path, tmp_path / "run", ignore=shutil.ignore_patterns("qat"))
    copied = open_run(tmp_path / "run")
    story = dataclasses.asdict(SETTINGS) | {"weights_sha256": files.sha256(copied.directory.best_weights)}
    files.write_json(tmp_path / "run" / "qat" / "settings.json", story)
    other = dataclasses.replace(SETTINGS, epochs=5)
    with pytest.raises(ValueError, match=r"holds QAT with other settings: epochs \(2 there, 5 asked\).*or remove that folder"):
        training.fine_tune(copied, tuned[0], splits, other)
    (tmp_path / "run" / "qat" / "checkpoint.npz").write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match=r"checkpoint.npz cannot be resumed from .*restore it or remove its folder"):
        training.fine_tune(copied, tuned[0], splits, SETTINGS)
