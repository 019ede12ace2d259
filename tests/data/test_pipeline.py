import dataclasses
import time

import keras
import numpy as np

from kerasseg.config import TrainConfig
from kerasseg.data import pipeline, shapes
from kerasseg.run import checkpoint

CONFIG = TrainConfig(size=(64, 64), batch_size=4, seed=3)


def _epoch(config, epoch):
    split = shapes.load()["train"].first(10)
    return [[np.asarray(part) for part in batch] for batch in pipeline.train_batches(split, config, epoch=epoch)]


def _assert_same(first, second):
    for (images, labels), (other_images, other_labels) in zip(first, second, strict=True):
        np.testing.assert_array_equal(images, other_images)
        np.testing.assert_array_equal(labels, other_labels)


def test_epoch_e_of_seed_s_is_always_the_same():
    first = _epoch(CONFIG, 2)
    assert len(first) == 2  # 10 examples, batches of 4, the rest left out
    for images, labels in first:
        assert images.shape == (4, 64, 64, 3)
        assert labels.shape == (4, 64, 64)
        assert (images.dtype, labels.dtype) == (np.float32, np.uint8)
    _assert_same(first, _epoch(CONFIG, 2))


def test_other_epochs_and_seeds_differ():
    first = _epoch(CONFIG, 0)[0][0]
    assert not np.array_equal(first, _epoch(CONFIG, 1)[0][0])
    assert not np.array_equal(first, _epoch(dataclasses.replace(CONFIG, seed=4), 0)[0][0])


def test_every_backend_gets_the_same_batches(monkeypatch):
    by_tf_data = _epoch(CONFIG, 1)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    _assert_same(by_tf_data, _epoch(CONFIG, 1))


def test_no_thread_of_tf_data_tunes_what_is_settled():
    """`fit` would wait for it at the end of some epochs."""
    batches = pipeline.train_batches(shapes.load()["train"].first(10), CONFIG, epoch=0)
    assert batches.options().autotune.enabled is False


def test_batches_are_read_ahead_while_a_step_runs(monkeypatch):
    """tf.data, asked for determinism, reads nothing ahead of an operation that may have a state."""
    checkpoint.make_deterministic(0)
    read, crop = [], pipeline.crop
    monkeypatch.setattr(pipeline, "crop", lambda *args, **kwargs: read.append(1) or crop(*args, **kwargs))
    batches = iter(pipeline.train_batches(shapes.load()["train"].first(40), CONFIG, epoch=0))
    next(batches)
    patience = time.monotonic() + 60
    while len(read) < 12 and time.monotonic() < patience:
        time.sleep(0.01)
    assert len(read) >= 12  # two more batches of four, which nobody has asked for
