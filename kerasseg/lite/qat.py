"""The quantized twin of a model: in Keras, with gradients, the very numbers that XNNPACK computes. Home of tfmot and tf_keras.

tensorflow-model-optimization works on tf_keras models only, so the Keras 3 graph is built again there, layer by layer, each in
tfmot's QuantizeWrapperV2. tfmot's own quantizers are not used, for what was measured: its ranges start at -6..6 and drift for
thousands of steps; its depthwise kernels get one scale for all channels (it takes the last axis, which has length 1); its
weight ranges are those of the last training step, wrong for averaged weights; its biases are not rounded.

Fake quantization, TensorFlow's op or Keras', rounds real numbers, and one in ten thousand falls to the other side of a half
than in the file. A deep network makes several steps of that before its end, and a percent of the pixels change. Here, weights
and inputs of a layer are whole steps in float32, which holds them exactly, and the result is scaled and rounded as XNNPACK
does it: only resizes still differ. The ranges are measured before training and stay; the weights learn to live with them.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from kerasseg.errors import InputError
from kerasseg.lite import folding
from kerasseg.logits import class_ids
from kerasseg.quiet import quiet

with quiet():  # their imports warn of deprecated modules that are not ours
    import tensorflow_model_optimization as tfmot
    import tf_keras

# Keras 3 class -> the settings its tf_keras namesake is built from.
MAPPED = {
    keras.layers.Conv2D: ("filters", "kernel_size", "strides", "padding", "dilation_rate"),
    keras.layers.DepthwiseConv2D: ("kernel_size", "strides", "padding", "dilation_rate"),
    keras.layers.ReLU: ("max_value",),
    keras.layers.Activation: ("activation",),
    keras.layers.GlobalAveragePooling2D: ("keepdims",),
    keras.layers.Resizing: ("interpolation",),
    keras.layers.ZeroPadding2D: ("padding",),
    keras.layers.Rescaling: ("scale", "offset"),
    keras.layers.Add: (),
    keras.layers.Multiply: (),
    keras.layers.Concatenate: (),
}


class _Quantizer(tfmot.quantization.keras.quantizers.Quantizer):
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
        zero_point = round(-128 - low / step)
        return cls(np.float32(step), -128 - zero_point, 127 - zero_point)


class Snap(_Quantizer):
    """Rounds real values to a grid."""

    def __init__(self, grid: Grid):
        self.grid = grid

    def __call__(self, inputs, training, weights, **kwargs):
        return _requantize(inputs / self.grid.step, self.grid)


class Requantize(_Quantizer):
    """An integer result, times the ratio of its step to the grid's, rounded to the grid: half to even, as XNNPACK does."""

    def __init__(self, grid: Grid, multiplier: Callable):
        self.grid, self.multiplier = grid, multiplier

    def __call__(self, inputs, training, weights, **kwargs):
        return _requantize(inputs * self.multiplier(), self.grid)


class Sum(_Quantizer):
    """The sum of steps of the grid in float64, rounded half up: XNNPACK adds in fixed point."""

    def __init__(self, grid: Grid):
        self.grid = grid

    def __call__(self, inputs, training, weights, **kwargs):
        return _requantize(_straight_through(inputs, tf.floor(inputs + 0.5)), self.grid)


class Kernel(_Quantizer):
    """A kernel in whole steps, -127..127, with a step an output channel, as TFLite's quantizer makes it."""

    def __call__(self, inputs, training, weights, **kwargs):
        steps = inputs / _over_outputs(inputs, kernel_step(inputs))
        return _straight_through(steps, tf.round(steps))


class Bias(_Quantizer):
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
    soft = tf.clip_by_value(steps, grid.lowest, grid.highest)
    hard = tf.clip_by_value(tf.round(steps), grid.lowest, grid.highest)
    return tf.cast(_straight_through(soft, hard), tf.float32) * grid.step


def _integers(x, step):
    """A tensor on a grid, in steps."""
    steps = x / step
    return _straight_through(steps, tf.round(steps))


class _Config(tfmot.quantization.keras.QuantizeConfig):
    """What tfmot's wrapper asks: the quantizers of kernel, bias and output."""

    def __init__(self, output: _Quantizer | None, *, step: np.float32 | None = None, offset: float = 0.0):
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


def build(
    model: keras.Model, layer_ranges: dict[str, tuple[float, float]], *, size: tuple[int, int], batch_size: int | None
) -> tf_keras.Model:
    """The twin, with the weights of `model`.

    Args:
        model: Folded (no batch norms), Keras 3.
        layer_ranges: Layer name -> (low, high) of its output, for those that have one; the others are fused into the next.
        size: (height, width) of its pictures; need not be the model's.
        batch_size: Fixed, or None.

    Returns:
        A tf_keras model from images (B, *size, 3) float32, 0..255, to quantized logits.

    Raises:
        InputError: a layer has no counterpart; the message names it.
    """
    strange = [f"{layer.name} ({type(layer).__name__})" for layer in model.layers if not _is_mapped(layer)]
    if strange:
        raise InputError(
            f"QAT cannot map {', '.join(strange[:5])}; it knows {', '.join(kind.__name__ for kind in MAPPED)}; "
            "use --recipe=int8 for this model"
        )
    # Grappler's constant folding moves factors across layers, and one rounding in ten thousand falls to the other side.
    tf.config.optimizer.set_experimental_options({"constant_folding": False})
    image = tf_keras.Input((*size, 3), batch_size=batch_size, name="image")
    grids = {name: Grid.of(*span) for name, span in layer_ranges.items()}
    pictures = Grid.of(0.0, 255.0)
    new = {id(model.input): (Snap(pictures)(image, training=False, weights={}), pictures.step)}
    fused = set()
    for layer in model.operations:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        before = [new[id(tensor)] for tensor in folding.inputs_of(layer)]
        if layer.name in fused:
            new[id(layer.output)] = before[0]
            continue
        grid, offset = grids.get(layer.name), 0.0
        chain = layer
        while grid is None and grids and (isinstance(layer, folding.CONVOLUTIONS) or _is_shift(layer)):
            (chain,) = folding.consumers(model, chain)
            fused.add(chain.name)
            grid, offset = grids.get(chain.name), offset + (chain.offset if _is_shift(chain) else 0.0)
        twin = _namesake(layer, model, size)
        if layer.weights:
            twin.build(before[0][0].shape)
            twin.set_weights(layer.get_weights())
        inputs, config = _arithmetic(layer, twin, before, grid, offset)
        wrapper = tfmot.quantization.keras.QuantizeWrapperV2(
            twin, config, name=f"quant_{layer.name}", dtype=twin.dtype
        )  # fmt: skip
        new[id(layer.output)] = (wrapper(inputs), before[0][1] if grid is None else grid.step)
    return tf_keras.Model(image, new[id(model.output)][0], name=model.name)


def _arithmetic(
    layer: keras.layers.Layer, twin: tf_keras.layers.Layer, before: list, grid: Grid | None, offset: float
) -> tuple:  # fmt: skip
    """A layer's inputs in the form its int8 operator takes them, and what quantizes its weights and output."""
    tensors, steps = [tensor for tensor, _ in before], [step for _, step in before]
    if isinstance(layer, folding.CONVOLUTIONS):
        kernel = twin.depthwise_kernel if isinstance(layer, keras.layers.DepthwiseConv2D) else twin.kernel
        output = Requantize(grid, lambda: steps[0] * kernel_step(kernel) / grid.step) if grid else None
        return _integers(tensors[0], steps[0]), _Config(output, step=steps[0], offset=offset)
    if grid and isinstance(layer, keras.layers.Add):
        scales = _fixed_point([step / grid.step for step in steps])
        return [
            tf.cast(_integers(tensor, step), tf.float64) * scale
            for tensor, step, scale in zip(tensors, steps, scales, strict=True)
        ], _Config(Sum(grid))  # fmt: skip
    if grid and _is_shift(layer):  # ADD of a constant, whose 255 steps are the constant itself
        factor, shift = _fixed_point([steps[0] / grid.step, np.float32(layer.offset / 255) / grid.step])
        twin.offset = 255 * shift
        return tf.cast(_integers(tensors[0], steps[0]), tf.float64) * factor, _Config(Sum(grid))
    if grid and isinstance(layer, keras.layers.Multiply):
        integers = [_integers(tensor, step) for tensor, step in zip(tensors, steps, strict=True)]
        return integers, _Config(Requantize(grid, lambda: steps[0] * steps[1] / grid.step))
    if grid and isinstance(layer, keras.layers.GlobalAveragePooling2D):
        return _integers(tensors[0], steps[0]), _Config(Requantize(grid, lambda: steps[0] / grid.step))
    return tensors if len(tensors) > 1 else tensors[0], _Config(Snap(grid) if grid else None)


def _fixed_point(ratios: list[np.float32]) -> list[float]:
    """Factors as XNNPACK's int8 ADD has them: 21 significant bits of the larger (qs8-vadd, shift = 20 - exponent)."""
    unit = 2.0 ** (20 - math.frexp(max(ratios))[1] + 1)
    return [round(float(ratio) * unit) / unit for ratio in ratios]


def _is_shift(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.Rescaling) and layer.scale == 1.0


def _namesake(layer: keras.layers.Layer, model: keras.Model, size: tuple[int, int]) -> tf_keras.layers.Layer:
    """The tf_keras layer of the same kind, name and settings; resizes follow the pictures' size."""
    settings = {name: layer.get_config()[name] for name in MAPPED[type(layer)]}
    if isinstance(layer, keras.layers.Resizing):
        old = model.input.shape[1:3]
        settings |= {"height": layer.height * size[0] // old[0], "width": layer.width * size[1] // old[1]}
    if isinstance(layer, keras.layers.Add) or _is_shift(layer):
        settings["dtype"] = "float64"
    return getattr(tf_keras.layers, type(layer).__name__)(name=layer.name, **settings)


def _is_mapped(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.InputLayer) or type(layer) in MAPPED


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
        self._compiled = tf.function(self._step, reduce_retracing=True)

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


def predictor(twin: tf_keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """Images (1, H, W, 3) uint8 -> class ids (1, H, W) uint8, by the largest fake-quantized logit."""
    compiled = tf.function(lambda images: twin(images, training=False))
    return lambda images: class_ids(compiled(tf.constant(images, tf.float32)).numpy(), size=images.shape[1:3])
