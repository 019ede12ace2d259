"""MobileNetV3 as keras.applications builds it, with an output stride, a switchable tail and named activations.

The only module that knows the layer names of `keras.applications.MobileNetV3Large` and `Small`; their weights are brought by
`kerasseg.models.pretrained`.
"""

import functools
import random
import re
from collections.abc import Callable
from dataclasses import dataclass

import keras

from kerasseg.models import blocks, graph
from kerasseg.models.variants import ModelSpec

Parents = dict[int, keras.Operation]  # of `graph.producers`

STEM = "conv/kernel"  # (3, 3, channels, filters)
_LAYER = re.compile(r"(rescaling|conv|expanded_conv)(_|$)")


@dataclass(frozen=True)
class Backbone:
    """Where a MobileNetV3 lets its features out.

    Attributes:
        build: The function of keras.applications.
        skips: Stride -> number of the last block of that stride, whose output the decoder may take.
        last: Number of the last block, before the last expansion layer.
        downsampling: Block number -> output stride of that block, for the blocks of stride 2.
    """

    build: Callable[..., keras.Model]
    skips: dict[int, int]
    last: int
    downsampling: dict[int, int]


BACKBONES = {
    "large": Backbone(keras.applications.MobileNetV3Large, {4: 2, 8: 5}, 14, {1: 4, 3: 8, 6: 16, 12: 32}),
    "small": Backbone(keras.applications.MobileNetV3Small, {4: 0, 8: 2}, 10, {0: 4, 1: 8, 3: 16, 8: 32}),
}


def features(spec: ModelSpec, *, size: tuple[int, int], batch_size: int | None, bn_momentum: float) -> tuple:
    """Builds the backbone with fresh weights.

    Returns:
        (image, low, high): the symbolic input (B, H, W, C) with values 0..255 (a Rescaling is built in), the features
        that the decoder refines with, of stride 4 or `spec.logits_stride` where that is more, and the deepest ones, of
        stride `spec.output_stride`.
    """
    known = BACKBONES[spec.backbone]
    reference = _reference(spec.backbone, spec.alpha, spec.minimalistic, spec.channels, keras.config.dtype_policy().name)
    image = keras.Input((*size, spec.channels), batch_size=batch_size, name="image")
    parents = graph.producers(reference)
    last = _block_output(reference, known.last if spec.last_block == -1 else spec.last_block)
    outputs = [
        _block_output(reference, known.skips[max(4, spec.logits_stride)]),
        reference.output if spec.tail == "full" else last,
    ]
    low, high = keras.models.clone_model(
        keras.Model(reference.input, outputs),
        input_tensors=image,
        clone_function=lambda layer: _adapted(layer, known, spec, bn_momentum, parents),
        call_function=_name_operations(reference, parents),
    ).outputs
    if spec.tail == "half":
        width = reference.get_layer("conv_1").filters // 2
        high = blocks.conv_bn(high, width, 1, name="conv_1_half", momentum=bn_momentum)
        high = keras.layers.Activation(spec.activation, name="conv_1_half_act")(high)
    return image, low, high


@functools.lru_cache(maxsize=2)
def _reference(backbone: str, alpha: float, minimalistic: bool, channels: int, policy: str) -> keras.Model:
    """What keras.applications builds; its layers' settings alone are used, so that once is enough for every size.

    They depend on the size by whether a stage before a stride is even: at 224 all are, and at every size that
    `variants.check_size` lets through. Keras draws seeds from Python's numbers, which stay as they were: whether the network
    had been built before must not change what a seed gives.

    Args:
        backbone: A key of BACKBONES.
        alpha: As in `ModelSpec`.
        minimalistic: Likewise.
        channels: Likewise.
        policy: Name of the dtype policy that holds, which is written into each layer's settings.
    """
    numbers = random.getstate()
    try:
        return BACKBONES[backbone].build(
            input_shape=(224, 224, channels), alpha=alpha, minimalistic=minimalistic, include_top=False, weights=None
        )
    finally:
        random.setstate(numbers)


def owns(path: str) -> bool:
    """Whether a layer name or variable path belongs to the backbone rather than to head or decoder."""
    return _LAYER.match(path.split("/")[0]) is not None


def is_applications(path: str) -> bool:
    """Whether a layer name or variable path is one of keras.applications, too: all that the backbone owns but the half tail."""
    return owns(path) and not path.startswith("conv_1_half")


def _block_output(model: keras.Model, number: int):
    """What a block gives: the sum with its shortcut, where it has one."""
    prefix = f"expanded_conv_{number}_" if number else "expanded_conv_"
    names = {layer.name for layer in model.layers}
    return model.get_layer(f"{prefix}add" if f"{prefix}add" in names else f"{prefix}project_bn").output


def _block_number(layer_name: str) -> int | None:
    match = re.match(r"expanded_conv_(?:(\d+)_)?", layer_name)
    return int(match[1] or 0) if match else None


def _adapted(
    layer: keras.layers.Layer, known: Backbone, spec: ModelSpec, bn_momentum: float, parents: Parents
) -> keras.layers.Layer:
    """A fresh copy of a layer, as activation and output stride want it (atrous convolution: Chen et al. 2017, section 3.1).

    A block that would go past the output stride keeps stride 1, and every later depthwise convolution is dilated by what
    was not strided; the padding that belongs to a strided convolution goes.
    """
    config = layer.get_config()
    number = _block_number(layer.name)
    if isinstance(layer, keras.layers.Rescaling):
        config["name"] = "rescaling"
    if isinstance(layer, keras.layers.BatchNormalization):
        config["momentum"] = bn_momentum
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        # Strided and dilated bfloat16 depthwise kernels are several times slower on a CPU: oneDNN has none.
        config["dtype"] = "float32"
    if isinstance(layer, keras.layers.Activation) and layer.activation is keras.activations.hard_swish:
        config["activation"] = spec.activation
    if isinstance(layer, keras.layers.ReLU | keras.layers.Activation) and not layer.name.startswith("expanded_conv"):
        config["name"] = _name_after(layer, parents)
    if number is not None and isinstance(layer, keras.layers.DepthwiseConv2D | keras.layers.ZeroPadding2D):
        unstrided = [block for block, stride in known.downsampling.items() if stride > spec.output_stride and block <= number]
        if number in unstrided and isinstance(layer, keras.layers.ZeroPadding2D):
            config["padding"] = 0
        if unstrided and isinstance(layer, keras.layers.DepthwiseConv2D):
            config["strides"], config["padding"] = 1, "same"
            config["dilation_rate"] = 2 ** (len(unstrided) - (number in unstrided))
    return layer.__class__.from_config(config)


def _parent(operation: keras.Operation, parents: Parents) -> keras.Operation:
    return parents[id(graph.inputs_of(operation)[0])]


def _name_after(layer: keras.layers.Layer, parents: Parents) -> str:
    """A stable name for a layer that keras.applications leaves to a counter: conv_bn -> conv_act."""
    parent = _parent(layer, parents)
    if not isinstance(parent, keras.layers.Layer):  # the hard sigmoid: relu6(x + 3) / 6
        return f"{_parent(parent, parents).name}_relu6"
    return f"{parent.name.removesuffix('_bn')}_act"


def _name_operations(reference: keras.Model, parents: Parents) -> Callable:
    """A call_function for clone_model that turns `x + 3.0` and `x * (1 / 6)` into layers with a name."""
    names = {}
    for operation in reference.operations:
        if not isinstance(operation, keras.layers.Layer):
            parent = _parent(operation, parents)
            if isinstance(parent, keras.layers.ReLU):
                names[operation.name] = f"{_parent(_parent(parent, parents), parents).name}_scale"
            else:
                names[operation.name] = f"{parent.name}_shift"

    def call(operation, *args, **kwargs):
        if operation.name not in names:
            return operation(*args, **kwargs)
        tensor, constant = args
        scales = names[operation.name].endswith("_scale")
        scale, offset = (constant, 0.0) if scales else (1.0, constant)
        return keras.layers.Rescaling(scale, offset, name=names[operation.name])(tensor)

    return call
