"""What a file takes for the pixels 0..255: read from what it says of itself, or asked."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kerasseg.errors import InputError
from kerasseg.lite import metadata
from kerasseg.lite.flatbuffer import Graph
from kerasseg.lite.tensors import Tensor

# How far a calibrated end may lie from a range's, as a share of the range. Calibration pictures seldom lack the darkest or the
# brightest eighth; the nearest other convention in use, -0.5..0.5, is a quarter away from -1..1.
TOLERANCE = 1 / 8
# What is asked, or stands in metadata, has to share at least so much with the steps: pictures that an eighth does not excuse,
# dark ones, lose their bright end, while a range taken for another shares at most 1/127 of it or loses its dark end.
LEAST_SHARED = 1 / 4


@dataclass(frozen=True)
class Range:
    """A network takes (pixel - mean) / std.

    Attributes:
        name: For people: 0..1.
        mean: One number, or one a channel.
        std: Likewise.
    """

    name: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def values(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels (..., channels), 0..255, as the network takes them, float32."""
        pixels = pixels.astype(np.float32)
        if not any(self.mean) and set(self.std) == {1.0}:
            return pixels
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        return pixels / std - mean / std  # as Keras: x / 127.5 - 1

    @property
    def low(self) -> float:
        """What 0 becomes, in the channel where that is least."""
        return min(-mean / std for mean, std in zip(self.mean, self.std, strict=True))

    @property
    def high(self) -> float:
        """What 255 becomes, in the channel where that is most."""
        return max((255 - mean) / std for mean, std in zip(self.mean, self.std, strict=True))


RANGES = {
    "0,255": Range("0..255", (0.0,), (1.0,)),
    "0,1": Range("0..1", (0.0,), (255.0,)),
    "-1,1": Range("-1..1", (127.5,), (127.5,)),
}
PIXELS = RANGES["0,255"]
UNKNOWN = Range("unknown", PIXELS.mean, PIXELS.std)  # for what no picture's content matters to
_NAMES = ", ".join(one.name for one in RANGES.values())


@dataclass(frozen=True)
class Understood:
    """What a file takes.

    Attributes:
        taken: The range.
        why: Where that is from, a clause.
        sure: Whether something says so; otherwise PIXELS was assumed.
    """

    taken: Range
    why: str
    sure: bool = True

    def line(self, file: object) -> str:
        """A sentence for people."""
        return f"{file} takes pictures as {self.taken.name}: {self.why}"

    def to_json(self) -> dict:
        """As plain JSON values."""
        return {"range": self.taken.name, "why": self.why}


def understand(content: bytes, *, file: object, asked: str = "", ours: bool = False) -> Understood:
    """What a file takes for the pixels 0..255.

    Args:
        content: Of a .tflite file with one input.
        file: What messages call it.
        asked: A key of RANGES that the user gave; empty for none.
        ours: Whether the JSON of `kerasseg convert` lies beside it: all our networks take pixels as they are.

    Raises:
        InputError: what is asked contradicts the file, or its input's scale and zero point belong to none of the ranges.
    """
    if asked and asked not in RANGES:
        raise InputError(f"input range {asked!r} is unknown; give one of {' '.join(RANGES)}")
    if ours:
        return _ours(asked, file)
    graph = Graph(content, source=file)
    steps = _steps(graph)
    if steps is None:
        return _of_floats(content, graph, asked)
    where, grid = steps
    if grid.scale == 0:
        if asked and asked != "0,255":
            raise InputError(f"{file} takes {grid.dtype} without a scale, pixels as they are; leave out --input_range={asked}")
        return Understood(PIXELS, f"{where} is {grid.dtype} without a scale")
    has = f"{where} has {np.iinfo(grid.dtype).max - np.iinfo(grid.dtype).min + 1} steps of {grid.scale:.3g}"
    if asked:
        if not _is_possible(RANGES[asked], grid):
            raise InputError(f"{file} cannot take --input_range={asked}: {has}, {_span(grid)}; leave it out")
        return Understood(RANGES[asked], f"--input_range says so{_cut_off(RANGES[asked], grid)}")
    stated = _normalization(content, graph)
    if stated is not None and _is_possible(stated, grid):
        return Understood(stated, f"its metadata says so, and {has}{_cut_off(stated, grid)}")
    return _by_steps(grid, has, file)


def _ours(asked: str, file: object) -> Understood:
    if asked and asked != "0,255":
        raise InputError(f"{file} takes 0..255, as the JSON beside it says; leave out --input_range={asked}")
    return Understood(PIXELS, "the JSON beside it says that it is kerasseg's")


def _of_floats(content: bytes, graph: Graph, asked: str) -> Understood:
    if asked:
        return Understood(RANGES[asked], "--input_range says so")
    stated = _normalization(content, graph)
    if stated is not None:
        return Understood(stated, "its metadata says so")
    return Understood(PIXELS, "assumed, for nothing in a float file tells; --input_range says otherwise", sure=False)


def _by_steps(grid: Tensor, has: str, file: object) -> Understood:
    if grid.dtype == np.int16:  # symmetric: the largest value is all that it tells
        fitting = [one for one in RANGES.values() if abs(grid.high - one.high) <= TOLERANCE * one.high]
    else:
        fitting = [one for one in RANGES.values() if _fits(one, grid)]
    if len(fitting) == 1:
        return Understood(fitting[0], has)
    if fitting:
        which = " or ".join(one.name for one in fitting)
        raise InputError(f"{file} takes pictures as {which}: {has}, {_span(grid)}; say which with --input_range")
    raise InputError(
        f"{file} takes none of {_NAMES}: {has} (scale {grid.scale:.6g}, zero point {grid.zero_point}), {_span(grid)}; "
        "say what it takes with --input_range or NormalizationOptions in its metadata, or convert it for one of those"
    )


def _fits(one: Range, grid: Tensor) -> bool:
    room = TOLERANCE * (one.high - one.low)
    return abs(grid.low - one.low) <= room and abs(grid.high - one.high) <= room


def _is_possible(one: Range, grid: Tensor) -> bool:
    """Whether a range begins on the steps, and both share enough."""
    shared, span = min(one.high, grid.high) - max(one.low, grid.low), one.high - one.low
    return grid.low <= one.low + TOLERANCE * span and shared >= LEAST_SHARED * max(span, grid.high - grid.low)


def _cut_off(one: Range, grid: Tensor) -> str:
    """What is to be said where the bright end of a range does not lie on the steps."""
    if one.high - grid.high <= TOLERANCE * (one.high - one.low):
        return ""
    return f"; what lies past {grid.high:.3g} is cut off, as its calibration pictures had nothing there"


def _span(grid: Tensor) -> str:
    return f"{grid.low:.3g}..{grid.high:.3g}"


def _steps(graph: Graph) -> tuple[str, Tensor] | None:
    """The quantized tensor that pictures become, and what to call it; None in a float file."""
    given = graph.tensor(int(graph.model.subgraphs[0].inputs[0]))
    if given is None:
        return None
    if given.dtype.kind != "f":
        return "its input", given
    tensor = given.index
    while takers := [operator for operator in graph.operators if tensor in operator.inputs]:
        first = takers[0]
        if all(operator.name == "QUANTIZE" for operator in takers):
            steps = graph.tensor(first.outputs[0])
            return None if steps is None else ("its first QUANTIZE", steps)
        if len(takers) > 1 or first.name not in ("TRANSPOSE", "RESHAPE"):
            return None
        tensor = first.outputs[0]
    return None


def _normalization(content: bytes, graph: Graph) -> Range | None:
    """What NormalizationOptions say, one of RANGES where it is one."""
    found = metadata.normalization(content)
    if found is None:
        return None
    mean, std = found
    shape = graph.shape(int(graph.model.subgraphs[0].inputs[0]))
    if len(mean) != len(std) or len(mean) not in (1, 3) or (len(mean) == 3 and 3 not in shape[1:]):
        return None
    known: Mapping[tuple, Range] = {(one.mean, one.std): one for one in RANGES.values()}
    if len({*zip(mean, std, strict=True)}) == 1:  # the same in every channel
        mean, std = mean[:1], std[:1]
    if (mean, std) in known:
        return known[mean, std]
    return Range(f"(pixel - {_listed(mean)}) / {_listed(std)}", mean, std)


def _listed(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)
