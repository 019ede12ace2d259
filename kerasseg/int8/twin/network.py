"""The quantized twin of a model: in Keras, with gradients, the very numbers that XNNPACK computes.

tensorflow-model-optimization works on tf_keras models only, so the Keras 3 graph is built again there, layer by layer, each in
tfmot's QuantizeWrapperV2. tfmot's own quantizers are not used, for what was measured: its ranges start at -6..6 and drift for
thousands of steps; its depthwise kernels get one scale for all channels (it takes the last axis, which has length 1); its
weight ranges are those of the last training step, wrong for averaged weights; its biases are not rounded.

Fake quantization, TensorFlow's op or Keras', rounds real numbers, and one in ten thousand falls to the other side of a half
than in the file. A deep network makes several steps of that before its end, and a percent of the pixels change. Here, weights
and inputs of a layer are whole steps in float32, which holds them exactly, and the result is scaled and rounded as XNNPACK
does it, resizes too. The ranges are measured before training and stay; the weights learn to live with them.
"""

import math
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from kerasseg.errors import InputError
from kerasseg.int8 import folding
from kerasseg.int8.twin.quantizers import Config, Grid, Pool, Requantize, Snap, Sum, integers, kernel_step
from kerasseg.logits import class_ids
from kerasseg.models import graph
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
    keras.layers.AveragePooling2D: (),  # of a whole picture, as `folding.pool_means` writes them
    keras.layers.Resizing: ("interpolation",),
    keras.layers.ZeroPadding2D: ("padding",),
    keras.layers.Rescaling: ("scale", "offset"),
    keras.layers.Add: (),
    keras.layers.Multiply: (),
    keras.layers.Concatenate: (),
}


@tf.autograph.experimental.do_not_convert  # nothing here branches on a tensor, and conversion takes longer than all the rest
def build(model: keras.Model, grids: dict[str, Grid], *, size: tuple[int, int], batch_size: int | None) -> tf_keras.Model:
    """The twin, with the weights of `model`.

    Args:
        model: Folded (no batch norms), Keras 3.
        grids: Layer name -> of its output, for those that have one; the others are fused into the next.
        size: (height, width) of its pictures; need not be the model's.
        batch_size: Fixed, or None.

    Returns:
        A tf_keras model from images (B, *size, C) float32, 0..255, to quantized logits.

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
    image = tf_keras.Input((*size, model.input.shape[-1]), batch_size=batch_size, name="image")
    pictures = Grid.of(0.0, 255.0)
    new = {id(model.input): (Snap(pictures)(image, training=False, weights={}), pictures.step)}
    fused = set()
    for layer in model.operations:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        before = [new[id(tensor)] for tensor in graph.inputs_of(layer)]
        if layer.name in fused:
            new[id(layer.output)] = before[0]
            continue
        grid, offset = grids.get(layer.name), 0.0
        chain = layer
        while grid is None and grids and (isinstance(layer, folding.CONVOLUTIONS) or _is_shift(layer)):
            (chain,) = graph.consumers(model, chain)
            fused.add(chain.name)
            grid, offset = (grids.get(chain.name), offset + (chain.offset if _is_shift(chain) else 0.0))
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
        return integers(tensors[0], steps[0]), Config(output, step=steps[0], offset=offset)
    if grid and isinstance(layer, keras.layers.Add):
        scales = _fixed_point([step / grid.step for step in steps])
        return [
            tf.cast(integers(tensor, step), tf.float64) * scale
            for tensor, step, scale in zip(tensors, steps, scales, strict=True)
        ], Config(Sum(grid))  # fmt: skip
    if grid and _is_shift(layer):  # ADD of a constant, whose 255 steps are the constant itself
        factor, shift = _fixed_point([steps[0] / grid.step, np.float32(layer.offset / 255) / grid.step])
        twin.offset = 255 * shift
        return tf.cast(integers(tensors[0], steps[0]), tf.float64) * factor, Config(Sum(grid))
    if grid and isinstance(layer, keras.layers.Multiply):
        whole = [integers(tensor, step) for tensor, step in zip(tensors, steps, strict=True)]
        return whole, Config(Requantize(grid, lambda: steps[0] * steps[1] / grid.step))
    if grid and isinstance(layer, keras.layers.Resizing):  # of whole steps by powers of 2: one in 64 is a half, which goes up
        return integers(tensors[0], steps[0]), Config(Sum(grid))
    if grid and isinstance(layer, keras.layers.AveragePooling2D):
        return integers(tensors[0], steps[0]), Config(Pool(grid))
    if grid and isinstance(layer, keras.layers.GlobalAveragePooling2D):
        return integers(tensors[0], steps[0]), Config(Requantize(grid, lambda: steps[0] / grid.step))
    return tensors if len(tensors) > 1 else tensors[0], Config(Snap(grid) if grid else None)


def _fixed_point(ratios: list[np.float32]) -> list[float]:
    """Factors as XNNPACK's int8 ADD has them: 21 significant bits of the larger (qs8-vadd, shift = 20 - exponent)."""
    unit = 2.0 ** (20 - math.frexp(max(ratios))[1] + 1)
    return [round(float(ratio) * unit) / unit for ratio in ratios]


def _is_shift(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.Rescaling) and layer.scale == 1.0


def _namesake(layer: keras.layers.Layer, model: keras.Model, size: tuple[int, int]) -> tf_keras.layers.Layer:
    """The tf_keras layer of the same kind, name and settings; resizes follow the pictures' size."""
    if isinstance(layer, keras.layers.AveragePooling2D):
        return tf_keras.layers.GlobalAveragePooling2D(keepdims=True, name=layer.name)
    settings = {name: layer.get_config()[name] for name in MAPPED[type(layer)]}
    if isinstance(layer, keras.layers.Resizing):
        old = model.input.shape[1:3]
        settings |= {"height": layer.height * size[0] // old[0], "width": layer.width * size[1] // old[1]}
    if isinstance(layer, keras.layers.Add) or _is_shift(layer):
        settings["dtype"] = "float64"
    return getattr(tf_keras.layers, type(layer).__name__)(name=layer.name, **settings)


def _is_mapped(layer: keras.layers.Layer) -> bool:
    if isinstance(layer, keras.layers.AveragePooling2D):
        return layer.pool_size == tuple(layer.input.shape[1:3])
    return isinstance(layer, keras.layers.InputLayer) or type(layer) in MAPPED


def predictor(twin: tf_keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """Images (1, H, W, C) uint8 -> class ids (1, H, W) uint8, by the largest fake-quantized logit."""
    compiled = tf.function(tf.autograph.experimental.do_not_convert(lambda images: twin(images, training=False)))
    return lambda images: class_ids(compiled(tf.constant(images, tf.float32)).numpy(), size=images.shape[1:3])
