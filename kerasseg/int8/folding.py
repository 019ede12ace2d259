"""The network as it leaves Keras: batch norms folded into the convolutions before them. Graph surgery on functional models."""

from collections.abc import Callable, Iterable

import keras
import numpy as np

from kerasseg.models.graph import consumers, inputs_of

CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)

Emit = Callable[[keras.layers.Layer, list], object]


def rebuild(model: keras.Model, emit: Emit) -> keras.Model:
    """A new model from an old one, layer by layer.

    Args:
        model: Functional, one input, every layer called once.
        emit: (old layer, its inputs in the new model) -> its output in the new model.
    """
    image = keras.Input(batch_shape=model.input.shape, name=model.input.name)
    new = {id(model.input): image}
    for layer in model.operations:
        if not isinstance(layer, keras.layers.InputLayer):
            new[id(layer.output)] = emit(layer, [new[id(tensor)] for tensor in inputs_of(layer)])
    return keras.Model(image, new[id(model.output)], name=model.name)


def copy(layer: keras.layers.Layer, inputs: list, *, weights: Iterable[np.ndarray] | None = None, **changes):
    """Calls a float32 copy of `layer`, with other settings or weights where they are given; returns the output tensor."""
    fresh = layer.__class__.from_config(layer.get_config() | {"dtype": "float32"} | changes)
    out = fresh(inputs if len(inputs) > 1 else inputs[0])
    fresh.set_weights(list(weights) if weights is not None else layer.get_weights())
    return out


def fold(model: keras.Model) -> keras.Model:
    """The same function without batch norms: y = gamma * (conv(x) - mean) / sqrt(variance + epsilon) + beta is one convolution.

    Every convolution of the result has a bias. Batch norms that follow no convolution stay; linear activations, which only
    change the type in training, go.
    """
    folded = set()

    def emit(layer: keras.layers.Layer, inputs: list):
        if layer in folded or (getattr(layer, "activation", None) is keras.activations.linear and not layer.weights):
            return inputs[0]
        if not isinstance(layer, CONVOLUTIONS):
            return copy(layer, inputs)
        kernel, *bias = layer.get_weights()
        bias = bias[0] if bias else np.zeros(layer.output.shape[-1], np.float32)
        after = consumers(model, layer)
        if len(after) == 1 and isinstance(after[0], keras.layers.BatchNormalization):
            (norm,) = after
            folded.add(norm)
            gamma, beta, mean, variance = norm.get_weights()
            factor = gamma / np.sqrt(variance + norm.epsilon)
            kernel = scale_outputs(layer, kernel, factor)
            bias = (bias - mean) * factor + beta
        return copy(layer, inputs, weights=(kernel, bias), use_bias=True)

    return rebuild(model, emit)


def double_resizes(model: keras.Model) -> keras.Model:
    """Every bilinear resize by 4, 8, ... as steps of 2, the only factor that Ethos-U55 and U65 take.

    Not quite the same function: the steps smooth more. Resizes of one pixel, and by other factors, stay.
    """

    def emit(layer: keras.layers.Layer, inputs: list):
        if not isinstance(layer, keras.layers.Resizing):
            return copy(layer, inputs)
        (x,) = inputs
        height, width = x.shape[1:3]
        factor = layer.height // height
        whole = (layer.height, layer.width) == (factor * height, factor * width) and (height, width) != (1, 1)
        if whole and factor & (factor - 1) == 0:
            step = 2
            while step < factor:
                resize = {"height": step * height, "width": step * width, "name": f"{layer.name}_{step}x"}
                x = copy(layer, [x], **resize)
                step *= 2
        return copy(layer, [x])

    return rebuild(model, emit)


def pool_means(model: keras.Model) -> keras.Model:
    """Every mean of a whole picture as an average pooling of its size, for which CMSIS-NN and Helium have kernels.

    The same function; in int8 a pooling has one scale for what it takes and gives.
    """

    def emit(layer: keras.layers.Layer, inputs: list):
        if not isinstance(layer, keras.layers.GlobalAveragePooling2D) or not layer.keepdims:
            return copy(layer, inputs)
        return keras.layers.AveragePooling2D(inputs[0].shape[1:3], name=layer.name)(inputs[0])

    return rebuild(model, emit)


def scale_outputs(layer: keras.layers.Layer, kernel: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """A kernel whose output channels are multiplied by `factor` (C,)."""
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return kernel * factor[:, None]
    return kernel * factor


def scale_inputs(kernel: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """A kernel whose input channels are multiplied by `factor` (C,): the answer to inputs that were divided by it."""
    return kernel * factor[:, None]
