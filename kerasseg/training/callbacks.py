"""What happens beside a training step: the watch on the loss, the bar, TensorBoard.

Those of each step are safe on another thread (`async_safe`), so that Keras does not wait for every loss to arrive.
"""

import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from kerasseg.errors import InputError


class EpochBar(keras.callbacks.ProgbarLogger):
    """Keras' own progress, which would take each epoch, fitted by itself, for the last."""

    async_safe = True

    def __init__(self, epochs: int):
        super().__init__()
        self.total = epochs

    def set_params(self, params):
        super().set_params(params | {"epochs": self.total})


class FirstStep(keras.callbacks.Callback):
    """Says that the step is being compiled, and how long it took until the first one was done.

    Attributes:
        seconds: That it took; 0 before.
    """

    async_safe = True

    def __init__(self, log: Callable[[str], None]):
        super().__init__()
        self.log = log
        self.start = self.seconds = 0.0

    def on_train_batch_begin(self, batch, logs=None):
        if not self.start:
            self.start = time.perf_counter()
            self.log("compiling the training step")

    def on_train_batch_end(self, batch, logs=None):
        if self.start >= 0:
            self.seconds = time.perf_counter() - self.start
            self.log(f"first step after {self.seconds:.1f} s")
            self.start = -1.0


class StopOnNonFinite(keras.callbacks.Callback):
    """Raises InputError within a few steps of one whose loss is not finite, at the epoch's end at the latest."""

    async_safe = True

    def __init__(self, rate: Callable[[int], float], *, first_step: int):
        """Takes the learning rate by step, and the steps before this epoch."""
        super().__init__()
        self.rate, self.first_step = rate, first_step

    def on_train_batch_end(self, batch, logs=None):
        if not np.isfinite(logs["loss"]):
            step = self.first_step + batch
            raise InputError(
                f"the loss is {logs['loss']} at step {step + 1}, learning rate {float(self.rate(step)):.3g}; try a lower "
                "--learning_rate, more --warmup_epochs, a smaller --clip_norm, or --precision=float32"
            )


def write_summaries(row: dict, logs: Path, *, log: Callable[[str], None]) -> None:
    """Adds a row of the history to TensorBoard's event files, where TensorFlow is installed.

    Where that fails, as with folders that TensorFlow cannot name in the locale's encoding, the training goes on without.
    """
    try:
        import tensorflow as tf
    except ImportError:
        return
    try:
        if keras.backend.backend() != "tensorflow":
            tf.config.set_visible_devices([], "GPU")  # it would take the memory of the one that trains
        _write_summaries(tf, row, logs)
    except Exception as error:  # of TensorFlow's many kinds
        log(f"no TensorBoard logs for epoch {row['epoch']}: {' '.join(str(error).split())[:200]}")


def _write_summaries(tf, row: dict, logs: Path) -> None:
    metadata = tf.compat.v1.SummaryMetadata(
        plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
    )  # fmt: skip
    writer = tf.summary.create_file_writer(str(logs))
    with writer.as_default():
        for name, value in row.items():
            if isinstance(value, float):
                tf.summary.write(name, tf.constant(value, tf.float32), step=row["epoch"], metadata=metadata)
    writer.close()
