"""The same operators on strips of rows, one strip after the other: equal to the bit, with less memory between them."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from kerasseg.lite.flatbuffer import Graph, Operator
from kerasseg.lite.surgery import Surgery
from kerasseg.mcu.memory import layer_of
from kerasseg.mcu.placement import ALIGNMENT, lifetimes, size_of

WINDOWS = {"CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D", "AVERAGE_POOL_2D"}
POINTWISE = {"ADD", "MUL", "SUB", "RELU", "RELU6", "LOGISTIC", "HARD_SWISH", "CONCATENATION", "QUANTIZE", "TANH", "LEAKY_RELU"}
RESIZES = {"RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"}
MOST_STRIPS = 10  # tensors that TFLite Micro's CONCATENATION takes

Rows = tuple[int, int]  # from the first on, up to the second


@dataclass(frozen=True)
class Need:
    """What a strip of an operator takes to give some rows of its output.

    Attributes:
        taken: Tensor -> its rows, or None for all of it.
        given: Rows of the output that it computes; the wanted ones are among them and right, others may not be.
        padding: Rows above and below, of a PAD.
    """

    taken: dict[int, Rows | None]
    given: Rows
    padding: Rows = (0, 0)


def need(graph: Graph, one: Operator, wanted: Rows) -> Need | None:
    """What an operator takes to give rows of its output; None for one that does not work row by row."""
    if len(one.outputs) != 1 or len(graph.shape(one.outputs[0])) != 4 or graph.shape(one.outputs[0])[0] != 1:
        return None
    if one.name in WINDOWS:
        return _window(graph, one, wanted)
    if one.name in RESIZES:
        return _resize(graph, one, wanted)
    if one.name == "PAD":
        return _pad(graph, one, wanted)
    if one.name in POINTWISE:
        return _pointwise(graph, one, wanted)
    return None


def _pointwise(graph: Graph, one: Operator, wanted: Rows) -> Need | None:
    rows = graph.shape(one.outputs[0])[1]
    if one.name == "CONCATENATION" and one.options.axis not in (3, -1):
        return None
    taken: dict[int, Rows | None] = {}
    for tensor in one.inputs:
        shape = (1, 1, 1, 1, *graph.shape(tensor))[-4:]
        if graph.constant(tensor) is not None:
            if shape[1] != 1:
                return None
        elif shape[1] in (1, rows):
            taken[tensor] = wanted if shape[1] == rows else None
        else:
            return None
    return Need(taken, wanted)


def _pad(graph: Graph, one: Operator, wanted: Rows) -> Need | None:
    paddings = graph.constant(one.inputs[1])
    if paddings is None or paddings.shape != (4, 2):
        return None
    rows, top = graph.shape(one.inputs[0])[1], int(paddings[1][0])
    low, high = (min(max(row - top, 0), rows) for row in wanted)
    if low == high:  # padding alone: TFLite has no empty tensors
        return None
    padding = (max(0, top - wanted[0]), max(0, wanted[1] - top - rows))
    return Need({one.inputs[0]: (low, high)}, wanted, padding)


def _resize(graph: Graph, one: Operator, wanted: Rows) -> Need | None:
    (_, rows, columns, _), high = graph.shape(one.inputs[0]), graph.shape(one.outputs[0])[1]
    if rows == columns == 1:
        return Need({one.inputs[0]: None}, wanted)
    ratio = high // rows
    if ratio * rows != high or ratio & (ratio - 1) or ratio > 1024 or one.options.alignCorners:
        return None  # TFLite's steps of 1/1024 of a row are exact for powers of two alone
    first = (wanted[0] + 0.5) / ratio - 0.5 if one.options.halfPixelCenters else wanted[0] / ratio
    last = (wanted[1] - 0.5) / ratio - 0.5 if one.options.halfPixelCenters else (wanted[1] - 1) / ratio
    start, end = max(0, math.floor(first)), min(rows, math.floor(last) + 2)
    return Need({one.inputs[0]: (start, end)}, (start * ratio, end * ratio))


def _window(graph: Graph, one: Operator, wanted: Rows) -> Need | None:
    options, rows, total = one.options, graph.shape(one.inputs[0])[1], graph.shape(one.outputs[0])[1]
    step, reach = options.strideH, _reach(graph, one)
    before = _before(options, rows, total, reach)
    low, high = wanted[0] * step - before, (wanted[1] - 1) * step - before + reach
    best = None
    for start in range(max(0, min(low, rows - 1)), max(0, low - 2 * step) - 1, -1):
        for end in range(min(rows, high), min(rows, high + 2 * step) + 1):
            count = _count(options, end - start, reach)
            shift, rest = divmod(start + before - _before(options, end - start, count, reach), step)
            right = (low >= start or start == 0) and (high <= end or end == rows)
            right = right and count > 0 and rest == 0 and shift <= wanted[0] and wanted[1] <= shift + count
            if right and (best is None or end - start < best[1] - best[0]):
                best = (start, end, shift, count)
    if best is None:
        return None
    start, end, shift, count = best
    return Need({one.inputs[0]: (start, end)}, (shift, shift + count))


def _reach(graph: Graph, one: Operator) -> int:
    """Rows that a window covers."""
    if one.name in ("MAX_POOL_2D", "AVERAGE_POOL_2D"):
        return one.options.filterHeight
    return (graph.shape(one.inputs[1])[1] - 1) * one.options.dilationHFactor + 1


def _count(options, rows: int, reach: int) -> int:
    """Rows that a window of this reach makes of so many."""
    left = rows if options.padding == schema.Padding.SAME else rows - reach + 1
    return -(-left // options.strideH)


def _before(options, rows: int, count: int, reach: int) -> int:
    """Rows of padding above."""
    if options.padding == schema.Padding.VALID:
        return 0
    return max(0, (count - 1) * options.strideH + reach - rows) // 2


def cuts(graph: Graph, tensor: int, strips: int) -> list[int] | None:
    """Rows at which a tensor is cut into strips that begin at a multiple of ALIGNMENT; None where there are too few."""
    rows = graph.shape(tensor)[1]
    step = ALIGNMENT // math.gcd(size_of(graph, tensor) // rows, ALIGNMENT)
    found = [round(i * rows / strips / step) * step for i in range(strips)] + [rows]
    return found if all(a < b for a, b in itertools.pairwise(found)) else None


def in_strips(graph: Graph, first: int, last: int, strips: int) -> Graph | None:
    """The graph with some of its operators run strip by strip; None where they cannot be.

    Args:
        graph: With one picture a run.
        first: The first of the operators, in order of execution.
        last: The last.
        strips: How many; at most MOST_STRIPS.
    """
    ends = [t for i in range(first, last + 1) for t in graph.operators[i].outputs if _leaves(graph, t, last)]
    if any(len(graph.shape(tensor)) != 4 for tensor in ends):
        return None
    edges: dict[int, list[int]] = {}
    for tensor in ends:
        found = cuts(graph, tensor, strips)
        if found is None:
            return None
        edges[tensor] = found
    surgery, made = Surgery(graph), []
    parts: dict[int, list[int]] = {tensor: [] for tensor in ends}
    for i in range(strips):
        strip = _Strip(graph, surgery, {t: (edge[i], edge[i + 1]) for t, edge in edges.items()}, f"strip{i}")
        if not strip.run(first, last):
            return None
        made += strip.operators
        for tensor in ends:
            parts[tensor].append(strip.rows(tensor, strip.wanted[tensor]))
            made += strip.taken_operators()
    joined = [surgery.operator("CONCATENATION", parts[tensor], tensor, axis=1) for tensor in ends]
    kept = list(graph.model.subgraphs[0].operators)
    return surgery.graph([*kept[:first], *made, *joined, *kept[last + 1 :]])


def _leaves(graph: Graph, tensor: int, last: int) -> bool:
    return lifetimes(graph)[tensor][1] > last or tensor in map(int, graph.model.subgraphs[0].outputs)


class _Strip:
    """One strip of some operators."""

    def __init__(self, graph: Graph, surgery: Surgery, wanted: dict[int, Rows], name: str):
        self.graph, self.surgery, self.wanted, self.name = graph, surgery, wanted, name
        self.operators: list[schema.OperatorT] = []
        self._lies: dict[int, tuple[int, Rows]] = {}  # tensor -> its strip, and the rows of it
        self._sliced: dict[tuple[int, Rows], int] = {}
        self._pending: list[schema.OperatorT] = []

    def run(self, first: int, last: int) -> bool:
        """Adds the strip's operators; False where one does not work row by row."""
        asked, needs = dict(self.wanted), {}
        for i in range(last, first - 1, -1):
            one = self.graph.operators[i]
            if not one.outputs or one.outputs[0] not in asked:
                return False
            found = need(self.graph, one, asked[one.outputs[0]])
            if found is None:
                return False
            needs[i] = found
            for tensor, rows in found.taken.items():
                if rows is not None:
                    old = asked.get(tensor, rows)
                    asked[tensor] = (min(old[0], rows[0]), max(old[1], rows[1]))
        for i in range(first, last + 1):
            self._add(i, needs[i])
        return True

    def _add(self, i: int, found: Need) -> None:
        one = self.graph.operators[i]
        inputs = [t if (rows := found.taken.get(t)) is None else self.rows(t, rows) for t in one.inputs]
        self.operators += self.taken_operators()
        output, count = one.outputs[0], found.given[1] - found.given[0]
        if one.name in RESIZES:
            inputs[1] = self.surgery.integers([count, self.graph.shape(output)[2]])
        if one.name == "PAD":
            paddings = np.array(self.graph.constant(one.inputs[1]))
            paddings[1] = found.padding
            inputs[1] = self.surgery.integers(paddings)
        made = self._like(output, count)
        self.operators.append(self.surgery.again(i, inputs, [made]))
        self._lies[output] = (made, found.given)

    def rows(self, tensor: int, wanted: Rows) -> int:
        """The tensor that has these rows of one of the graph's, of the strip's own where it has computed them."""
        source, (start, end) = self._lies.get(tensor, (tensor, (0, self.graph.shape(tensor)[1])))
        if wanted == (start, end):
            return source
        if (source, wanted) not in self._sliced:
            shape = self.graph.shape(tensor)
            begin, size = [0, wanted[0] - start, 0, 0], [1, wanted[1] - wanted[0], *shape[2:]]
            made = self._like(tensor, size[1])
            ends = [source, self.surgery.integers(begin), self.surgery.integers(size)]
            self._pending.append(self.surgery.operator("SLICE", ends, made))
            self._sliced[source, wanted] = made
        return self._sliced[source, wanted]

    def taken_operators(self) -> Sequence[schema.OperatorT]:
        """The slices that were asked for since the last time."""
        found, self._pending = self._pending, []
        return found

    def _like(self, tensor: int, rows: int) -> int:
        _, _, *rest = self.graph.shape(tensor)
        return self.surgery.tensor(tensor, [1, rows, *rest], name=f"{layer_of(self.graph.name(tensor))}/{self.name}")
