"""The fake-quantized twin of a model: what int8 will compute, in float, with gradients. Home of tfmot and tf_keras.

tensorflow-model-optimization works on tf_keras models only, so the Keras 3 graph is built again there, layer by layer, each in
tfmot's QuantizeWrapperV2. tfmot's own quantizers are not used, for three reasons that were measured: its ranges start at
-6..6 and drift for thousands of steps; its depthwise kernels get one scale for all channels (it takes the last axis, which has
length 1); its weight ranges are those of the last training step, wrong for averaged weights. What stands in their place is
TensorFlow's own fake-quant op, with the ranges that the file will have. The ranges are measured before training and stay; the
weights learn to live with them.
"""

from collections.abc import Callable, Iterable

import keras
import numpy as np
import tensorflow as tf

from kerasseg.errors import InputError
from kerasseg.lite import folding
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


class FixedRange(tfmot.quantization.keras.quantizers.Quantizer):
    """Fake quantization of an activation to 256 steps of a range that stays."""

    def __init__(self, low: float, high: float):
        self.low, self.high = low, high

    def build(self, tensor_shape, name, layer):
        return {}

    def __call__(self, inputs, training, weights, **kwargs):
        return tf.quantization.fake_quant_with_min_max_args(inputs, self.low, self.high)

    def get_config(self):
        return {"low": self.low, "high": self.high}


class PerChannel(tfmot.quantization.keras.quantizers.Quantizer):
    """Fake quantization of a kernel to -127..127 with a scale an output channel, as TFLite's quantizer does it."""

    def build(self, tensor_shape, name, layer):
        return {}

    def __call__(self, inputs, training, weights, **kwargs):
        kernel = _channels_last(inputs)
        top = _top(kernel)
        kernel = tf.quantization.fake_quant_with_min_max_vars_per_channel(kernel, -top, top, narrow_range=True)
        return tf.reshape(kernel, inputs.shape)

    def get_config(self):
        return {}


class Bias(tfmot.quantization.keras.quantizers.Quantizer):
    """Rounding of a bias to steps of input scale * weight scale, as int32 biases have; else one output in 1000 differs."""

    def __init__(self, input_scale: float, kernel: tf.Variable):
        self.input_scale, self.kernel = input_scale, kernel

    def build(self, tensor_shape, name, layer):
        return {}

    def __call__(self, inputs, training, weights, **kwargs):
        step = self.input_scale * _top(_channels_last(self.kernel)) / 127
        return inputs + tf.stop_gradient(tf.round(inputs / step) * step - inputs)

    def get_config(self):
        return {"input_scale": self.input_scale}


def _channels_last(kernel):
    """A kernel with its output channels last; depthwise ones are (k, k, C, 1)."""
    return kernel[..., 0] if kernel.shape[-1] == 1 else kernel


def _top(kernel):
    """Largest magnitude of each output channel."""
    return tf.stop_gradient(tf.maximum(tf.reduce_max(tf.abs(kernel), range(len(kernel.shape) - 1)), 1e-9))


class _Config(tfmot.quantization.keras.QuantizeConfig):
    """What tfmot's wrapper asks: the quantizers of kernel, bias and output."""

    def __init__(self, input_scale: float, output_range: tuple[float, float] | None):
        self.input_scale, self.output_range = input_scale, output_range

    def get_weights_and_quantizers(self, layer):
        if not isinstance(layer, tf_keras.layers.Conv2D | tf_keras.layers.DepthwiseConv2D):
            return []
        depthwise = isinstance(layer, tf_keras.layers.DepthwiseConv2D)
        kernel = layer.depthwise_kernel if depthwise else layer.kernel
        return [(kernel, PerChannel()), (layer.bias, Bias(self.input_scale, kernel))]

    def set_quantize_weights(self, layer, quantize_weights):
        if isinstance(layer, tf_keras.layers.DepthwiseConv2D):
            layer.depthwise_kernel, layer.bias = quantize_weights
        elif isinstance(layer, tf_keras.layers.Conv2D):
            layer.kernel, layer.bias = quantize_weights

    def get_activations_and_quantizers(self, layer):
        return []

    def set_quantize_activations(self, layer, quantize_activations):
        pass

    def get_output_quantizers(self, layer):
        return [FixedRange(*self.output_range)] if self.output_range else []

    def get_config(self):
        return {"input_scale": self.input_scale, "output_range": self.output_range}


def build(
    model: keras.Model, layer_ranges: dict[str, tuple[float, float]], *, size: tuple[int, int], batch_size: int | None
) -> tf_keras.Model:
    """The twin, with the weights of `model`.

    Args:
        model: Folded (no batch norms), Keras 3.
        layer_ranges: Layer name -> (low, high) of its output, for those that have one.
        size: (height, width) of its pictures; need not be the model's.
        batch_size: Fixed, or None.

    Returns:
        A tf_keras model from images (B, *size, 3) float32, 0..255, to fake-quantized logits.

    Raises:
        InputError: a layer has no counterpart; the message names it.
    """
    strange = [f"{layer.name} ({type(layer).__name__})" for layer in model.layers if not _is_mapped(layer)]
    if strange:
        raise InputError(
            f"QAT cannot map {', '.join(strange[:5])}; it knows {', '.join(kind.__name__ for kind in MAPPED)}; "
            "use --recipe=int8 for this model"
        )
    image = tf_keras.Input((*size, 3), batch_size=batch_size, name="image")
    new = {id(model.input): tf.quantization.fake_quant_with_min_max_args(image, 0.0, 255.0)}
    scales = {id(model.input): 1.0}
    for layer in model.operations:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        settings = {name: layer.get_config()[name] for name in MAPPED[type(layer)]}
        if isinstance(layer, keras.layers.Resizing):
            old = model.input.shape[1:3]
            settings |= {"height": layer.height * size[0] // old[0], "width": layer.width * size[1] // old[1]}
        twin = getattr(tf_keras.layers, type(layer).__name__)(name=layer.name, **settings)
        inputs = [new[id(tensor)] for tensor in folding.inputs_of(layer)]
        if layer.weights:
            twin.build(inputs[0].shape)
            twin.set_weights(layer.get_weights())
        before = scales[id(folding.inputs_of(layer)[0])]
        span = layer_ranges.get(layer.name)
        scales[id(layer.output)] = (span[1] - span[0]) / 255 if span else before  # else fused, or copied as by padding
        config = _Config(before, span)
        wrapper = tfmot.quantization.keras.QuantizeWrapperV2(twin, config, name=f"quant_{layer.name}")
        new[id(layer.output)] = wrapper(inputs if len(inputs) > 1 else inputs[0])
    return tf_keras.Model(image, new[id(model.output)], name=model.name)


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
    compiled = tf.function(lambda images: tf.argmax(twin(images, training=False), -1))
    return lambda images: compiled(tf.constant(images, tf.float32)).numpy().astype(np.uint8)
