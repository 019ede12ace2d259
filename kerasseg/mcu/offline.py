"""The places of tensors as a file keeps them for TFLite Micro, and a proof that they hold.

The format is TFLite Micro's own: docs/memory_management.md, "Offline planned tensor allocations".
"""

from collections.abc import Mapping

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from kerasseg.lite.flatbuffer import Graph, Operator
from kerasseg.mcu.placement import IN_PLACE, lifetimes, round_up, rows_offset, size_of

METADATA = b"OfflineMemoryAllocation"


def with_offsets(graph: Graph, offsets: Mapping[int, int]) -> Graph:
    """The graph with a plan of where its tensors lie; scratch buffers are left to TFLite Micro.

    Args:
        graph: The file.
        offsets: Tensor -> byte offset in the arena.
    """
    numbers = [0, 0, len(graph.tensors), *(offsets.get(tensor, -1) for tensor in range(len(graph.tensors)))]
    plan, buffer = schema.MetadataT(), schema.BufferT()
    buffer.data = np.frombuffer(np.array(numbers, np.int32).tobytes(), np.uint8)
    model = graph.model
    model.buffers = [*model.buffers, buffer]
    plan.name, plan.buffer = METADATA, len(model.buffers) - 1
    model.metadata = [*(one for one in model.metadata or [] if one.name != METADATA), plan]
    return Graph.of(model)


def without_offsets(content: bytes) -> bytes:
    """The file without its plan: every tensor can be kept then, and its bytes are nobody else's."""
    graph = Graph(content)
    if any(one.name == METADATA for one in graph.model.metadata or []):
        graph.model.metadata = [one for one in graph.model.metadata if one.name != METADATA]
        return graph.content()
    return content


def offsets_of(graph: Graph) -> dict[int, int]:
    """Tensor -> byte offset, as a file plans it; empty for one that leaves this to TFLite Micro, for any of its tensors."""
    for one in graph.model.metadata or []:
        if one.name == METADATA:
            numbers = np.frombuffer(bytes(graph.model.buffers[one.buffer].data), np.int32)[3:]
            found = {tensor: int(offset) for tensor, offset in enumerate(numbers) if offset >= 0}
            return found if all(tensor in found for tensor in lifetimes(graph)) else {}
    return {}


def spans(graph: Graph, offsets: Mapping[int, int]) -> list[list[tuple[int, int]]]:
    """(beginning, end) of every tensor that is alive while each operator runs."""
    found: list[list[tuple[int, int]]] = [[] for _ in graph.operators]
    for tensor, (first, last) in lifetimes(graph).items():
        for i in range(first, last + 1):
            found[i].append((offsets[tensor], offsets[tensor] + round_up(size_of(graph, tensor))))
    return found


def spoiled(graph: Graph, offsets: Mapping[int, int]) -> list[str]:
    """Names of tensors that an operator would find overwritten: none, in a plan that holds.

    Runs the graph on labels in the place of numbers: what each operator computes gets new ones, and rows that are sliced or put
    together keep theirs.
    """
    run = _LabelRun(graph, offsets)
    for tensor in map(int, graph.model.subgraphs[0].inputs):
        run.write(tensor, run.fresh(tensor))
    for one in graph.operators:
        run.step(one)
    run.read(map(int, graph.model.subgraphs[0].outputs))
    return run.bad


class _LabelRun:
    def __init__(self, graph: Graph, offsets: Mapping[int, int]):
        self.bad: list[str] = []
        self._graph, self._offsets, self._count = graph, offsets, 1
        self._labels: dict[int, np.ndarray] = {}
        self._arena = np.zeros(max(offsets[tensor] + size_of(graph, tensor) for tensor in offsets), np.int64)

    def fresh(self, tensor: int) -> np.ndarray:
        self._count += size_of(self._graph, tensor)
        return np.arange(self._count - size_of(self._graph, tensor), self._count)

    def write(self, tensor: int, labels: np.ndarray) -> None:
        self._labels[tensor] = labels
        self._place(tensor)[:] = labels

    def read(self, tensors) -> None:
        self.bad += [self._graph.name(t) for t in tensors if not np.array_equal(self._place(t), self._labels[t])]

    def step(self, one: Operator) -> None:
        taken = [tensor for tensor in one.inputs if tensor in self._labels]
        self.read(taken)
        for tensor in one.outputs:
            self.write(tensor, self._made(one, tensor))
            # Over what it reads, an operator may write number by number alone.
            apart = [t for t in taken if one.name not in IN_PLACE or self._offsets[t] != self._offsets[tensor]]
            self.read(apart)

    def _place(self, tensor: int) -> np.ndarray:
        start = self._offsets[tensor]
        return self._arena[start : start + size_of(self._graph, tensor)]

    def _made(self, one: Operator, tensor: int) -> np.ndarray:
        if one.name == "SLICE" and (start := rows_offset(self._graph, one)) is not None:
            return self._labels[one.inputs[0]][start : start + size_of(self._graph, tensor)]
        joins = one.name == "CONCATENATION" and one.options.axis == 1 and self._graph.shape(tensor)[0] == 1
        if joins and all(part in self._labels for part in one.inputs):
            return np.concatenate([self._labels[part] for part in one.inputs])
        return self.fresh(tensor)
