"""From a camera's frame to a model's input, in whole numbers: the tables of input.h."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from kerasseg.data.letterbox import PAD_VALUE, Placement, letterbox
from kerasseg.errors import InputError
from kerasseg.lite.flatbuffer import Graph
from kerasseg.lite.tensors import quantize
from kerasseg.mcu.cpp import numbers
from kerasseg.mcu.pixels import LAYOUTS, ROUNDED, TAKEN, Layout

BITS = 22  # of Pillow's fixed-point weights (Resample.c, PRECISION_BITS)
LARGEST_SIDE = 65535  # what the tables' 16 bits hold


@dataclass(frozen=True)
class Picture:
    """An input of a file that is a picture in whole numbers.

    Attributes:
        size: (height, width).
        channels: 1 or 3.
        quantized: (channels, 256) int8 or uint8: what the tensor has for each 8-bit value.
    """

    size: tuple[int, int]
    channels: int
    quantized: np.ndarray


def as_they_are(pixels: np.ndarray) -> np.ndarray:
    """What a network of ours takes for pixels 0..255: the same, float32."""
    return pixels.astype(np.float32)


def picture_of(graph: Graph, *, taken: Callable[[np.ndarray], np.ndarray] = as_they_are) -> Picture | None:
    """The first input of a file; None for one that is no picture, or none in int8 or uint8.

    Args:
        graph: The file.
        taken: pixels (..., channels), 0..255 -> what the network takes for them, float32.
    """
    tensor = int(graph.model.subgraphs[0].inputs[0])
    shape, scales, dtype = graph.shape(tensor), graph.scales(tensor), graph.dtype(tensor)
    if len(shape) != 4 or shape[0] != 1 or shape[3] not in (1, 3) or dtype not in (np.int8, np.uint8) or not len(scales):
        return None
    zero_point = int(graph.tensors[tensor].quantization.zeroPoint[0])
    values = taken(np.repeat(np.arange(256)[:, None], shape[3], 1))
    table = quantize(values, scale=float(scales[0]), zero_point=zero_point, dtype=np.dtype(dtype))
    return Picture((shape[1], shape[2]), shape[3], table.T)


@dataclass(frozen=True)
class Frame:
    """What a camera gives and what the model takes.

    Attributes:
        layout: A key of LAYOUTS.
        size: (height, width) of the camera's frame.
        picture: The model's input.
    """

    layout: str
    size: tuple[int, int]
    picture: Picture

    def __post_init__(self) -> None:
        """Raises InputError for a frame that cannot fill the input."""
        height, width = self.size
        if self.layout not in LAYOUTS:
            raise InputError(f"input format {self.layout!r} is unknown; give one of {', '.join(LAYOUTS)}")
        if not (0 < height <= LARGEST_SIDE and 0 < width <= LARGEST_SIDE):
            raise InputError(f"--frame={height},{width} is no frame; give height,width in pixels, such as 240,320")
        if self.pixels.in_pairs and width % 2:
            raise InputError(
                f"--frame={height},{width} is {width} wide, {self.layout} has two pixels in 4 bytes; give an even width"
            )

    @property
    def pixels(self) -> Layout:
        return LAYOUTS[self.layout]

    @property
    def row_bytes(self) -> int:
        return self.size[1] * self.pixels.pair_bytes // 2

    @property
    def placement(self) -> Placement:
        """Where the frame lies in the input, as `letterbox` puts it."""
        return letterbox(np.broadcast_to(np.uint8(0), (*self.size, 3)), size=self.picture.size)[1]


@dataclass(frozen=True)
class Taps:
    """One side of Pillow's antialiased bilinear resize.

    Attributes:
        first: (to,) where in the source the weights of each output begin; never falls.
        weights: (to, taps) int32, in steps of 2**-BITS.
    """

    first: np.ndarray
    weights: np.ndarray


def taps(source: int, to: int) -> Taps:
    """Weights of Pillow's BILINEAR for 8-bit pictures (Resample.c, precompute_coeffs and normalize_coeffs_8bpc), without zeros.

    Args:
        source: Length of a side before.
        to: And after.
    """
    scale = source / to
    support = max(scale, 1.0)
    found: list[tuple[int, list[int]]] = []
    for i in range(to):
        center = (i + 0.5) * scale
        first, last = max(0, int(center - support + 0.5)), min(source, int(center + support + 0.5))
        shares = [max(0.0, 1 - abs((x - center + 0.5) * (1 / support))) for x in range(first, last)]
        total = sum(shares)
        fixed = [int(0.5 + share / total * 2**BITS) for share in shares]
        while not fixed[-1]:
            fixed.pop()
        while not fixed[0]:
            del fixed[0]
            first += 1
        found.append((first, fixed))
    count = max(len(fixed) for _, fixed in found)
    starts = np.array([min(first, source - count) for first, _ in found])  # no tap lies beyond the source
    weights = np.zeros((to, count), np.int32)
    for i, (first, fixed) in enumerate(found):
        weights[i, first - starts[i] : first - starts[i] + len(fixed)] = fixed
    assert (np.diff(starts) >= 0).all()  # so that a ring of `count` rows is enough
    return Taps(starts, weights)


def nearest(source: int, to: int) -> np.ndarray:
    """(to,) the place in `source` that Pillow's NEAREST takes for each of `to` places: `letterbox.restore` along one side."""
    ramp = Image.fromarray(np.arange(source, dtype=np.int32)[None])
    return np.asarray(ramp.resize((to, 1), Image.Resampling.NEAREST))[0]


def values(frame: Frame) -> dict[str, object]:
    """What the template of input.h takes."""
    inner, pixels = frame.placement.inner, frame.pixels
    rows, columns = taps(frame.size[0], inner[0]), taps(frame.size[1], inner[1])
    return {
        "format": frame.layout,
        "about_format": pixels.about,
        "decode": pixels.code,
        "rounded": ROUNDED if pixels.in_pairs else "",
        "row_bytes": frame.row_bytes,
        "frame_height": frame.size[0],
        "frame_width": frame.size[1],
        "height": frame.picture.size[0],
        "width": frame.picture.size[1],
        "channels": frame.picture.channels,
        "pixel_values": pixels.values,
        "taken": TAKEN[pixels.values, frame.picture.channels],
        "inner_height": inner[0],
        "inner_width": inner[1],
        "input_type": f"{frame.picture.quantized.dtype}_t",
        "bits": BITS,
        "pad": PAD_VALUE,
        "row_taps": rows.weights.shape[1],
        "column_taps": columns.weights.shape[1],
        "row_first": numbers(rows.first),
        "column_first": numbers(columns.first),
        "row_weights": numbers(rows.weights),
        "column_weights": numbers(columns.weights),
        "quantized": numbers(frame.picture.quantized),
        "ring_bytes": rows.weights.shape[1] * inner[1] * pixels.values,
    }
