"""Multiply-accumulates, counted from the graph."""

import math

import keras

from kerasseg.models import backbone


def count_macs(model: keras.Model) -> dict[str, int]:
    """Multiply-accumulates of the convolutions for one image; element-wise work is not counted.

    Args:
        model: A functional model of a fixed input size.

    Returns:
        "backbone", "head" (ASPP) and "decoder" (with the logits), and "total".
    """
    counts = {"backbone": 0, "head": 0, "decoder": 0}
    for layer in model.layers:
        part = "backbone" if backbone.owns(layer.name) else "head" if layer.name.startswith("aspp") else "decoder"
        counts[part] += _layer_macs(layer)
    return counts | {"total": sum(counts.values())}


def _layer_macs(layer: keras.layers.Layer) -> int:
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return math.prod(layer.output.shape[1:]) * math.prod(layer.kernel_size)
    if isinstance(layer, keras.layers.Conv2D):
        return math.prod(layer.output.shape[1:]) * math.prod(layer.kernel_size) * layer.input.shape[-1]
    return 0
