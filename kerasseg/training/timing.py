"""What a training tells about its speed: pictures a second, the share of time without input, the time that is left."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import keras

from kerasseg.terminal import duration


class InputWatch:
    """Counts the seconds in which a training step could not begin because its batch was not there.

    It is the time that the process spends asking for batches. Where steps run on a device of their own, that still may
    have work then: the true share is at most this one.

    Attributes:
        waited: Seconds, since `start`.
    """

    def __init__(self, model: keras.Model):
        """Takes a compiled model, and has its `fit` go through this."""
        self.waited, self._since = 0.0, 0.0
        backend = keras.backend.backend()
        if backend == "tensorflow":
            model.train_function = self._tensorflow(model)
        else:
            model.make_train_function()
            model.train_function = {"jax": self._jax, "torch": self._torch}[backend](model.train_function)

    def start(self) -> None:
        """Begins to count anew, before a `fit`."""
        self.waited, self._since = 0.0, time.perf_counter()

    def ask(self, batches: Iterator) -> Any:
        """The next batch."""
        start = time.perf_counter()
        try:
            return next(batches)
        finally:
            self.waited += time.perf_counter() - start

    def _tensorflow(self, model: keras.Model) -> Callable:
        # Keras takes the batch inside its compiled function, where nobody sees how long that takes.
        import tensorflow as tf

        unconverted = tf.autograph.experimental.do_not_convert(model.train_step)  # as Keras has its own
        step = tf.function(unconverted, reduce_retracing=True, jit_compile=model.jit_compile)
        return lambda batches: step(self.ask(batches))

    def _jax(self, step: Callable) -> Callable:
        def timed(state, batches):
            return step(state, iter([self.ask(batches)]))

        return timed

    def _torch(self, step: Callable) -> Callable:
        def timed(data):  # Keras has asked for it before
            self.waited += time.perf_counter() - self._since
            try:
                return step(data)
            finally:
                self._since = time.perf_counter()

        return timed


class Pace:
    """Says after each epoch how fast it was and when the last will be done."""

    def __init__(self, *, batch_size: int, steps: int, epochs: int):
        """Takes the images of a step, the steps of an epoch and the number of all epochs."""
        self.batch_size, self.steps, self.epochs = batch_size, steps, epochs
        self._since, self._passed = time.perf_counter(), list[float]()

    def line(self, epoch: int, *, seconds: float, waited: float, first_step: float = 0.0) -> str:
        """One line of text.

        Args:
            epoch: That has ended, from 1.
            seconds: Of its steps.
            waited: Seconds of these in which there was no batch.
            first_step: Seconds of the very first step, which is compiled: those of the first epoch are told without it, where
                it has others.
        """
        now, steps, share = time.perf_counter(), self.steps, waited / seconds
        passed, self._since = now - self._since, now
        if not self._passed and steps > 1:
            seconds, passed, steps = seconds - first_step, passed - first_step, steps - 1
        self._passed.append(passed)
        steady = self._passed[1:] or self._passed  # from the second on evaluations count, too
        left = sum(steady) / len(steady) * (self.epochs - epoch)
        speed = f"{steps * self.batch_size / seconds:.1f} images/s, {100 * share:.0f} % waiting for input"
        return f"epoch {epoch}/{self.epochs}: {speed}" + (f", {duration(left)} left" if epoch < self.epochs else "")
