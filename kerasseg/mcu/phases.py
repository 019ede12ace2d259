"""Dilated convolutions as plain ones on every second row or pixel: equal to the bit, a half or a quarter at a time.

A convolution of dilation 2 never lets even rows meet odd ones, nor columns. With the quarters of the pixels one below the
other, each is convolved without dilation, and nothing is computed twice; the operators around it do not see the pixels' order.
TFLite does as much in its files of open batch, but with all four at once (SPACE_TO_BATCH_ND).
"""

from collections.abc import Iterable

from ai_edge_litert import schema_py_generated as schema

from kerasseg.lite.flatbuffer import Graph, Operator
from kerasseg.lite.surgery import Surgery
from kerasseg.mcu.memory import layer_of
from kerasseg.mcu.placement import lifetimes
from kerasseg.mcu.strips import POINTWISE

PARTS = (2, 4)  # every second row, or every second pixel of every second row


def grid_of(graph: Graph, one: Operator) -> tuple[int, int] | None:
    """(height, width) that a dilated convolution of this kind works on; None for other operators."""
    if one.name not in ("CONV_2D", "DEPTHWISE_CONV_2D") or _is_pixelwise(graph, one):
        return None
    (batch, height, width, _), options = graph.shape(one.inputs[0]), one.options
    kernel = graph.shape(one.inputs[1])[1:3]
    dilations = (options.dilationHFactor, options.dilationWFactor)
    plain = options.strideH == options.strideW == 1 and options.padding == schema.Padding.SAME
    even = batch == 1 and height % 2 == width % 2 == 0 and all(rate % 2 == 0 for rate in dilations)
    return (height, width) if plain and even and all(side % 2 for side in kernel) else None


def _is_pixelwise(graph: Graph, one: Operator) -> bool:
    options = one.options
    return graph.shape(one.inputs[1])[1:3] == (1, 1) and options.strideH == options.strideW == 1


def _fits(graph: Graph, one: Operator, grid: tuple[int, int]) -> bool:
    """Whether an operator computes the same numbers whatever the order of the pixels of such a grid."""
    shapes = {tensor: graph.shape(tensor) for tensor in (*one.inputs, *one.outputs) if tensor >= 0}
    computed = [shapes[tensor] for tensor in shapes if graph.constant(tensor) is None]
    if any(len(shape) != 4 or shape[0] != 1 or shape[1:3] not in (grid, (1, 1)) for shape in computed):
        return False
    if all(shape[1:3] == (1, 1) for shape in computed):
        return True
    if one.name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        return _is_pixelwise(graph, one) or grid_of(graph, one) == grid
    if one.name == "MEAN":
        axes = graph.constant(one.inputs[1])
        return axes is not None and sorted(axes.flat) == [1, 2] and shapes[one.outputs[0]][1:3] == (1, 1)
    if one.name.startswith("RESIZE_"):
        return shapes[one.inputs[0]][1:3] == (1, 1)
    if one.name not in POINTWISE or (one.name == "CONCATENATION" and one.options.axis not in (3, -1)):
        return False
    constants = [(1, 1, *shapes[tensor])[-3:-1] for tensor in shapes if graph.constant(tensor) is not None]
    return all(shape in ((), (1,), (1, 1)) for shape in constants)


def in_phases(graph: Graph, first: int, last: int, parts: int) -> Graph | None:
    """The graph with some of its operators run on parts of the pixels; None where they cannot be.

    Args:
        graph: With one picture a run.
        first: The first of the operators, in order of execution.
        last: The last.
        parts: One of PARTS.
    """
    inside = graph.operators[first : last + 1]
    grid = next(filter(None, (grid_of(graph, one) for one in inside)), None)
    if grid is None or not all(_fits(graph, one, grid) for one in inside):
        return None
    return _Phases(graph, grid, parts).graph(first, last)


class _Phases:
    def __init__(self, graph: Graph, grid: tuple[int, int], parts: int):
        self._graph, self._surgery, self._grid, self._parts = graph, Surgery(graph), grid, parts
        self._steps = (2, parts // 2)  # of rows and of columns
        self._height, self._width = grid[0] // 2, grid[1] // self._steps[1]
        self._twins: dict[int, int] = {}  # tensor -> the same numbers, part after part
        self._made: list[schema.OperatorT] = []

    def graph(self, first: int, last: int) -> Graph:
        times, ends = lifetimes(self._graph), set(map(int, self._graph.model.subgraphs[0].outputs))
        for i in range(first, last + 1):
            self._add(i, self._graph.operators[i])
        for one in self._graph.operators[first : last + 1]:
            for tensor in one.outputs:
                if self._is_picture(tensor) and (times[tensor][1] > last or tensor in ends):
                    self._leave(tensor)
        kept = self._graph.model.subgraphs[0].operators
        return self._surgery.graph([*kept[:first], *self._made, *kept[last + 1 :]])

    def _is_picture(self, tensor: int) -> bool:
        computed = tensor >= 0 and self._graph.constant(tensor) is None
        return computed and len(self._graph.shape(tensor)) == 4 and self._graph.shape(tensor)[1:3] == self._grid

    def _add(self, i: int, one: Operator) -> None:
        inputs = [self._twin(t) if self._is_picture(t) else t for t in one.inputs]
        outputs = [self._picture(t) if self._is_picture(t) else t for t in one.outputs]
        self._twins |= dict(zip(one.outputs, outputs, strict=True))
        if one.name.startswith("RESIZE_"):
            inputs[1] = self._surgery.integers([self._parts * self._height, self._width])
        if grid_of(self._graph, one) is None:
            self._made.append(self._surgery.again(i, inputs, outputs))
            return
        parts = [self._part(one.inputs[0], number) for number in range(self._parts)]
        sliced = [self._slice(inputs[0], part, number) for number, part in enumerate(parts)]
        results = [self._part(one.outputs[0], number) for number in range(self._parts)]
        rates = (one.options.dilationHFactor // self._steps[0], one.options.dilationWFactor // self._steps[1])
        reduced = {"dilationHFactor": rates[0], "dilationWFactor": rates[1]}
        self._made += sliced
        self._made += [
            self._surgery.again(i, [part, *inputs[1:]], [result], **reduced)
            for part, result in zip(parts, results, strict=True)
        ]
        self._made.append(self._surgery.operator("CONCATENATION", results, outputs[0], axis=1))

    def _slice(self, tensor: int, part: int, number: int) -> schema.OperatorT:
        begin, size = [0, number * self._height, 0, 0], [1, self._height, self._width, -1]
        return self._surgery.operator("SLICE", [tensor, self._surgery.integers(begin), self._surgery.integers(size)], part)

    def _twin(self, tensor: int) -> int:
        if tensor not in self._twins:
            batches = self._tensor(tensor, [self._parts, self._height, self._width], "parts")
            self._twins[tensor] = self._picture(tensor)
            ends = [tensor, *self._blocks()]
            self._made.append(self._surgery.operator("SPACE_TO_BATCH_ND", ends, batches))
            self._made.append(self._reshape(batches, self._twins[tensor], self._stacked(tensor)))
        return self._twins[tensor]

    def _leave(self, tensor: int) -> None:
        batches = self._tensor(tensor, [self._parts, self._height, self._width], "parts")
        shape = [self._parts, self._height, self._width, self._graph.shape(tensor)[3]]
        self._made.append(self._reshape(self._twins[tensor], batches, shape))
        self._made.append(self._surgery.operator("BATCH_TO_SPACE_ND", [batches, *self._blocks()], tensor))

    def _blocks(self) -> list[int]:
        return [self._surgery.integers(self._steps), self._surgery.integers([[0, 0], [0, 0]])]

    def _reshape(self, taken: int, given: int, shape: list[int]) -> schema.OperatorT:
        return self._surgery.operator("RESHAPE", [taken, self._surgery.integers(shape)], given, newShape=shape)

    def _stacked(self, tensor: int) -> list[int]:
        return [1, self._parts * self._height, self._width, self._graph.shape(tensor)[3]]

    def _picture(self, tensor: int) -> int:
        return self._tensor(tensor, self._stacked(tensor)[:3], "phases")

    def _part(self, tensor: int, number: int) -> int:
        return self._tensor(tensor, [1, self._height, self._width], f"part{number}")

    def _tensor(self, like: int, sides: Iterable[int], name: str) -> int:
        shape = [*sides, self._graph.shape(like)[3]]
        return self._surgery.tensor(like, shape, name=f"{layer_of(self._graph.name(like))}/{name}")
