import time

import keras
import numpy as np

from kerasseg.training.timing import InputWatch, Pace


class _Slow(keras.utils.PyDataset):
    """Four batches, the threads of Keras off, a quarter of a second for each."""

    def __len__(self):
        return 4

    def __getitem__(self, i):
        time.sleep(0.25)
        return np.ones((2, 1), np.float32), np.ones((2, 1), np.float32)


def test_time_without_a_batch_is_counted():
    """Four batches of a quarter of a second each, and steps of nothing: a second of waiting, at most what `fit` took."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    watch = InputWatch(model)
    batches = np.ones((8, 1), np.float32)
    model.fit(batches, batches, batch_size=2, verbose=0)  # compiles
    watch.start()
    start = time.perf_counter()
    model.fit(_Slow(), verbose=0)
    assert 0.9 < watch.waited <= time.perf_counter() - start


def test_the_step_is_kerass_own():
    """The same weights, to the bit, as without the watch."""
    batches = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    found = []
    for watched in (False, True):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3), keras.layers.BatchNormalization()])
        model.compile("adam", "mse")
        if watched:
            InputWatch(model)
        model.fit(batches, batches, batch_size=4, epochs=2, shuffle=False, verbose=0)
        found.append(model.get_weights())
    for with_it, without in zip(*found, strict=True):
        np.testing.assert_array_equal(with_it, without)


def test_the_line_after_an_epoch(monkeypatch):
    """Of four epochs of five steps: without 18 s of the first step, 32 images in 2 s, and three more of 12 s; then as it is."""
    clock = iter([100.0, 130.0, 150.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    pace = Pace(batch_size=8, steps=5, epochs=4)
    first = pace.line(1, seconds=20.0, waited=1.0, first_step=18.0)
    assert first == "epoch 1/4: 16.0 images/s, 5 % waiting for input, 36 s left"
    assert (
        pace.line(2, seconds=10.0, waited=2.5, first_step=18.0) == "epoch 2/4: 4.0 images/s, 25 % waiting for input, 40 s left"
    )


def test_the_last_epoch_has_nothing_left():
    pace = Pace(batch_size=40, steps=1, epochs=1)  # of the first step alone
    assert pace.line(1, seconds=10.0, waited=0.0, first_step=9.0) == "epoch 1/1: 4.0 images/s, 0 % waiting for input"
