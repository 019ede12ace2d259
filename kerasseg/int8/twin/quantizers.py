"""What rounds inside the twin: tfmot's interface, XNNPACK's arithmetic.

Weights and inputs of a layer are whole steps in float32, which holds them exactly; a result is scaled and rounded as XNNPACK
does it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from kerasseg.quiet import quiet

with quiet():  # their imports warn of deprecated modules that are not ours
    import tensorflow_model_optimization as tfmot
    import tf_keras


class Quantizer(tfmot.quantization.keras.quantizers.Quantizer):
    """tfmot's interface; these have no variables of their own."""

    def build(self, tensor_shape, name, layer):
        return {}

    def get_config(self):
        return {}


@dataclass(frozen=True)
class Grid:
    """The 256 values of a quantized activation: step * (lowest .. highest).

    Attributes:
        step: Scale, float32 as in the file.
        lowest: Of -128..127, less the zero point.
        highest: Likewise.
    """

    step: np.float32
    lowest: int
    highest: int

    @classmethod
    def of(cls, low: float, high: float) -> "Grid":
        """As TFLite's quantizer lays it over a range that holds 0."""
        low, high = float(np.float32(low)), float(np.float32(high))  # as the file is told
        step = (high - low) / 255
        return cls.at(step, round(-128 - low / step))

    @classmethod
    def at(cls, scale: float, zero_point: int) -> "Grid":
        """Of a tensor of a file."""
        return cls(np.float32(scale), -128 - zero_point, 127 - zero_point)


class Snap(Quantizer):
    """Rounds real values to a grid."""

    def __init__(self, grid: Grid):
        self.grid = grid

    def __call__(self, inputs, training, weights, **kwargs):
        return _requantize(inputs / self.grid.step, self.grid)


class Requantize(Quantizer):
    """An integer result, times the ratio of its step to the grid's, rounded to the grid: half to even, as XNNPACK does."""

    def __init__(self, grid: Grid, multiplier: Callable):
        self.grid, self.multiplier = grid, multiplier

    def __call__(self, inputs, training, weights, **kwargs):
        return _requantize(inputs * self.multiplier(), self.grid)


class Sum(Quantizer):
    """The sum of steps of the grid in float64, rounded half up: XNNPACK adds in fixed point."""

    def __init__(self, grid: Grid):
        self.grid = grid

    def __call__(self, inputs, training, weights, **kwargs):
        return _requantize(_straight_through(inputs, tf.floor(inputs + 0.5)), self.grid)


class Pool(Quantizer):
    """The mean of steps in float64, rounded half away from zero as they are stored: LiteRT's AVERAGE_POOL_2D."""

    def __init__(self, grid: Grid):
        self.grid = grid

    def __call__(self, inputs, training, weights, **kwargs):
        zero_point = -128 - self.grid.lowest
        inputs = tf.cast(inputs, tf.float64)
        stored = inputs + zero_point
        rounded = tf.sign(stored) * tf.floor(tf.abs(stored) + 0.5)
        return _requantize(_straight_through(inputs, rounded - zero_point), self.grid)


class Kernel(Quantizer):
    """A kernel in whole steps, -127..127, with a step an output channel, as TFLite's quantizer makes it."""

    def __call__(self, inputs, training, weights, **kwargs):
        steps = inputs / _over_outputs(inputs, kernel_step(inputs))
        return _straight_through(steps, tf.round(steps))


class Bias(Quantizer):
    """A bias in whole steps of input step * kernel step."""

    def __init__(self, step: np.float32, kernel: tf.Variable, offset: float):
        self.step, self.kernel, self.offset = step, kernel, offset

    def __call__(self, inputs, training, weights, **kwargs):
        steps = (inputs + self.offset) / (self.step * kernel_step(self.kernel))
        return _straight_through(steps, tf.round(steps))


def kernel_step(kernel):
    """The scale of each output channel, (C,)."""
    by_channel = kernel[..., 0] if kernel.shape[-1] == 1 else kernel  # depthwise kernels are (k, k, C, 1)
    top = tf.reduce_max(tf.abs(by_channel), range(len(by_channel.shape) - 1))
    return tf.stop_gradient(tf.maximum(top, 1e-9) / 127)


def _over_outputs(kernel, values):
    return values[:, None] if kernel.shape[-1] == 1 else values


def _straight_through(soft, hard):
    """`hard` forwards, the gradient of `soft` backwards (Bengio et al. 2013)."""
    return (soft - tf.stop_gradient(soft)) + tf.stop_gradient(hard)  # 0 + hard: exact, so that ties stay ties


def _requantize(steps, grid: Grid):
    """Rounds to the grid, and gives real values; one mask backwards, as that of `tf.clip_by_value`."""

    @tf.custom_gradient
    def rounded(steps):
        inside = tf.logical_and(steps >= grid.lowest, steps <= grid.highest)
        hard = tf.clip_by_value(tf.round(steps), grid.lowest, grid.highest)
        return tf.cast(hard, tf.float32) * grid.step, lambda up: tf.where(
            inside, tf.cast(up * grid.step, steps.dtype), tf.zeros((), steps.dtype)
        )

    return _on_any(rounded, steps)


def integers(x, step):
    """A tensor on a grid, in steps."""

    @tf.custom_gradient
    def whole(x):
        return tf.round(x / step), lambda up: up / step

    return _on_any(whole, x)


def _on_any(function: Callable, x):
    """`function` of a tensor, or of one of a graph that is being built, which takes no custom gradients outside a layer."""
    return tf_keras.layers.Lambda(function)(x) if tf_keras.backend.is_keras_tensor(x) else function(x)


class Config(tfmot.quantization.keras.QuantizeConfig):
    """What tfmot's wrapper asks: the quantizers of kernel, bias and output."""

    def __init__(self, output: Quantizer | None, *, step: np.float32 | None = None, offset: float = 0.0):
        self.output, self.step, self.offset = output, step, offset

    def get_weights_and_quantizers(self, layer):
        if self.step is None:
            return []
        depthwise = isinstance(layer, tf_keras.layers.DepthwiseConv2D)
        kernel = layer.depthwise_kernel if depthwise else layer.kernel
        return [(kernel, Kernel()), (layer.bias, Bias(self.step, kernel, self.offset))]

    def set_quantize_weights(self, layer, quantize_weights):
        if isinstance(layer, tf_keras.layers.DepthwiseConv2D):
            layer.depthwise_kernel, layer.bias = quantize_weights
        elif quantize_weights:
            layer.kernel, layer.bias = quantize_weights

    def get_activations_and_quantizers(self, layer):
        return []

    def set_quantize_activations(self, layer, quantize_activations):
        pass

    def get_output_quantizers(self, layer):
        return [self.output] if self.output else []

    def get_config(self):
        return {}
