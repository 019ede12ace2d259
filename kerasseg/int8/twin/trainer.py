"""Fine-tunes a twin against its float model."""

from collections.abc import Callable, Iterable

import keras
import numpy as np
import tensorflow as tf

from kerasseg.int8 import folding
from kerasseg.quiet import quiet

with quiet():
    import tf_keras


class Trainer:
    """Trains a twin and keeps an average of its kernels and biases.

    Attributes:
        twin: The fake-quantized tf_keras model.
        average: "layer/kernel" or "layer/bias" -> the exponential moving average.
    """

    def __init__(
        self, twin: tf_keras.Model, loss: Callable, teacher: Callable, *,
        learning_rate: float, steps: int, clip_norm: float, ema_decay: float,
    ):  # fmt: skip
        """Prepares the optimizer: Adam on half a cosine.

        Args:
            twin: From `build`, with an open batch.
            loss: (labels (B, H, W), logits (B, H, W, C)) -> scalar.
            teacher: Images (B, H, W, 3) -> logits of the float model. The divergence from it (Hinton et al. 2015, at
                temperature 1) is added to the loss.
            learning_rate: At the start; falls to 0.
            steps: In all.
            clip_norm: Largest global norm of the gradients; 0 leaves them alone.
            ema_decay: Of the average; 0 keeps the raw weights.
        """
        self.twin = twin
        self._variables = _variables(twin)
        self.average = {name: tf.Variable(variable, trainable=False) for name, variable in self._variables.items()}
        schedule = tf_keras.optimizers.schedules.CosineDecay(learning_rate, steps)
        self.optimizer = tf_keras.optimizers.Adam(schedule, global_clipnorm=clip_norm or None)
        self.optimizer.build(list(self._variables.values()))
        self._loss, self._teacher, self._decay = loss, teacher, ema_decay
        self._compiled = tf.function(tf.autograph.experimental.do_not_convert(self._step), reduce_retracing=True)

    def epoch(self, batches: Iterable) -> float:
        """Trains on every batch (images, labels) once; returns the mean loss."""
        values = [float(self._compiled(images, labels)) for images, labels in batches]
        return float(np.mean(values))

    def _step(self, images, labels):
        variables = list(self._variables.values())
        with tf.GradientTape() as tape:
            logits = self.twin(images, training=True)
            loss = self._loss(labels, logits) + divergence(self._teacher(images), logits)
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        step = tf.cast(self.optimizer.iterations, tf.float32)
        decay = tf.minimum(self._decay, (1 + step) / (10 + step)) if self._decay else 0.0
        for average, variable in zip(self.average.values(), variables, strict=True):
            average.assign(average * decay + variable * (1 - decay))
        return loss

    def state(self) -> dict[str, np.ndarray]:
        """Everything that going on needs."""
        arrays = {f"model/{name}": variable.numpy() for name, variable in self._variables.items()}
        arrays |= {f"average/{name}": variable.numpy() for name, variable in self.average.items()}
        return arrays | {f"optimizer/{i}": variable.numpy() for i, variable in enumerate(self.optimizer.variables)}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Takes back what `state` gave."""
        for name, variable in self._variables.items():
            variable.assign(arrays[f"model/{name}"])
            self.average[name].assign(arrays[f"average/{name}"])
        for i, variable in enumerate(self.optimizer.variables):
            variable.assign(arrays[f"optimizer/{i}"])

    def give_average(self, model: keras.Model) -> None:
        """Puts the averaged weights into the Keras 3 model that the twin was built from."""
        for layer in model.layers:
            if isinstance(layer, folding.CONVOLUTIONS):
                layer.set_weights([self.average[f"{layer.name}/{part}"].numpy() for part in ("kernel", "bias")])


def divergence(teacher, logits):
    """Mean Kullback-Leibler divergence of pixels' classes: how far `logits` (B, H, W, C) are from the teacher's."""
    target = tf.nn.log_softmax(teacher)
    return tf.reduce_mean(tf.reduce_sum(tf.exp(target) * (target - tf.nn.log_softmax(logits)), -1))


def _variables(model: tf_keras.Model) -> dict[str, tf.Variable]:
    """Kernels and biases of a twin, in the order of the graph."""
    found = {}
    for wrapper in model.layers:
        weights = getattr(wrapper, "_weight_vars", ())  # the wrapper puts quantized tensors in the layer's place
        for part, (variable, _, _) in zip(("kernel", "bias"), weights, strict=False):
            found[f"{wrapper.layer.name}/{part}"] = variable
    return found
