"""Multiply-accumulates, counted from the graph."""

import math

import keras

from kerasseg.models import MODELS, backbone, build_model


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


def summary(*, size: tuple[int, int], num_classes: int) -> list[dict]:
    """A row a model: name, parameters, change against v3large, GMACs by part, output stride."""
    rows = []
    for name, spec in MODELS.items():
        with keras.StatelessScope(
            initialize_variables=False
        ):  # nobody asks for the weights' values, which take most of the time
            model = build_model(spec, size=size, num_classes=num_classes, batch_size=1)
        gmacs = {f"{part}_gmac": count / 1e9 for part, count in count_macs(model).items()}
        rows.append(
            {"model": name, "parameters": model.count_params(), "output_stride": spec.output_stride, "tail": spec.tail, **gmacs}
        )
    for row in rows:
        row["change"] = row["parameters"] / rows[0]["parameters"] - 1
    return rows
