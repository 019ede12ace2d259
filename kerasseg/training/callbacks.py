"""What happens beside a training step: the weights' average, the watch on the loss, the bar, TensorBoard."""

from pathlib import Path

import keras
import numpy as np
from keras import ops

from kerasseg.errors import InputError


class WeightAverage(keras.callbacks.Callback):
    """An exponential moving average of every weight, the batch norm statistics too.

    The decay starts low and rises to `decay`, min(decay, (1 + n) / (10 + n)) at step n, as in TensorFlow's
    ExponentialMovingAverage. Unlike an optimizer's own average it is never written into the model that trains.
    """

    def __init__(self, model: keras.Model, *, decay: float):
        """Starts from the weights that `model` has now."""
        super().__init__()
        self.decay = decay
        self.values = [ops.copy(ops.stop_gradient(variable.value)) for variable in model.weights]

    def on_train_batch_end(self, batch, logs=None):
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        step = int(self.model.optimizer.iterations)
        decay = min(self.decay, (1 + step) / (10 + step)) if self.decay else 0.0
        self.values = [
            average * decay + ops.cast(ops.stop_gradient(variable.value), average.dtype) * (1 - decay)
            for average, variable in zip(self.values, self.model.weights, strict=True)
        ]


class EpochBar(keras.callbacks.ProgbarLogger):
    """Keras' own progress, which would take each epoch, fitted by itself, for the last."""

    def __init__(self, epochs: int):
        super().__init__()
        self.total = epochs

    def set_params(self, params):
        super().set_params(params | {"epochs": self.total})


class StopOnNonFinite(keras.callbacks.Callback):
    """Raises InputError at the first step whose loss is not finite."""

    def __init__(self, optimizer: keras.Optimizer):
        super().__init__()
        self.optimizer = optimizer

    def on_train_batch_end(self, batch, logs=None):
        if not np.isfinite(logs["loss"]):
            raise InputError(
                f"the loss is {logs['loss']} at step {int(self.optimizer.iterations)}, learning rate "
                f"{float(self.optimizer.learning_rate):.3g}; try a lower --learning_rate, more --warmup_epochs, "
                "a smaller --clip_norm, or --precision=float32"
            )


def write_summaries(row: dict, logs: Path) -> None:
    """Adds a row of the history to TensorBoard's event files, where TensorFlow is installed."""
    try:
        import tensorflow as tf
    except ImportError:
        return
    metadata = tf.compat.v1.SummaryMetadata(
        plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
    )  # fmt: skip
    writer = tf.summary.create_file_writer(str(logs))
    with writer.as_default():
        for name, value in row.items():
            if name != "epoch":
                tf.summary.write(name, tf.constant(value, tf.float32), step=row["epoch"], metadata=metadata)
    writer.close()
