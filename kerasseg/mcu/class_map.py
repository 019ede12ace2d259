"""From an output tensor to the class of each pixel, as class_map.h does it: in whole numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerasseg.data.labels import palette
from kerasseg.lite.flatbuffer import Graph
from kerasseg.logits import MOST_CLASSES
from kerasseg.mcu.cpp import numbers, quoted
from kerasseg.mcu.frames import Frame, nearest


@dataclass(frozen=True)
class Logits:
    """What a segmentation model gives.

    Attributes:
        classes: Numbers a pixel.
        stride: Pixels of the input to one of the logits, along a side.
    """

    classes: int
    stride: int


def logits_of(graph: Graph) -> Logits | None:
    """What a file that takes one picture gives, where that is int8 logits of as many classes as ids of a byte have room for."""
    ends = (*graph.model.subgraphs[0].inputs, *graph.model.subgraphs[0].outputs)
    shapes = [graph.shape(int(tensor)) for tensor in ends]
    if len(shapes) != 2 or any(len(shape) != 4 for shape in shapes) or graph.dtype(int(ends[1])) != np.int8:
        return None
    (_, height, width, _), (_, rows, columns, classes) = shapes
    stride = height // rows
    fits = (stride * rows, stride * columns) == (height, width) and 1 < classes <= MOST_CLASSES
    return Logits(classes, stride) if fits else None


def class_ids(logits: np.ndarray, *, stride: int) -> np.ndarray:
    """What ClassAt gives for every pixel, which is `kerasseg.logits.class_ids` but for ties that float32 breaks.

    Args:
        logits: (1, h, w, C) int8.
        stride: Pixels of the map to one of the logits.

    Returns:
        (h * stride, w * stride) uint8.
    """
    found, unit = logits[0].astype(np.int32), 2 * stride
    for axis in (0, 1):
        count = found.shape[axis]
        place = 2 * np.arange(count * stride) + 1 - stride + unit
        low, share = place // unit - 1, np.expand_dims(place % unit, [1 - axis, 2])
        near = np.take(found, np.clip(low, 0, count - 1), axis) * (unit - share)
        found = near + np.take(found, np.clip(low + 1, 0, count - 1), axis) * share
    return found.argmax(-1).astype(np.uint8)


def values(logits: Logits, frame: Frame, *, class_names: Sequence[str]) -> dict[str, object]:
    """What the template of class_map.h takes."""
    inner = frame.placement.inner
    words = [(red >> 3) << 11 | (green >> 2) << 5 | blue >> 3 for red, green, blue in palette(tuple(class_names))]
    return {
        "classes": logits.classes,
        "stride": logits.stride,
        "class_names": "\n".join(f"    {quoted(name)}," for name in class_names),
        "palette": numbers(np.array(words)),
        "swapped": "true" if frame.pixels.is_swapped else "false",
        "frame_rows": numbers(nearest(inner[0], frame.size[0])),
        "frame_columns": numbers(nearest(inner[1], frame.size[1])),
    }
