"""A file run in pieces, every tensor of a piece kept, so that no more than a piece is in memory.

LiteRT keeps all tensors of a file, gigabytes at 1024x2048, or writes over them. A piece is some operators of the file as a
file of its own: the same kernels on the same numbers, so the same numbers come out, to the bit.
"""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from kerasseg.lite.flatbuffer import IDENTIFIER, Graph
from kerasseg.lite.inspection import Inspector

PIECE_BYTES = 2**28  # of a piece's tensors, a choice: results/conversion_memory.json has what all of it comes to


@dataclass(frozen=True)
class Piece:
    """Operators that follow each other.

    Attributes:
        content: A .tflite file of them alone; tensors have the numbers of the whole file.
        inputs: Numbers of the tensors that come from the picture and from pieces before.
        outputs: Numbers of the tensors that its operators compute.
        lasting: Of what has been computed up to here, the numbers of the tensors that later pieces take.
    """

    content: bytes
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    lasting: frozenset[int]


class Walker:
    """A file of one input run piece by piece.

    Attributes:
        names: Tensor number -> name.
        input: Number of the input.
        activations: Numbers of the input and of every tensor that an operator computes, in order of execution.
        pieces: In order of execution.
    """

    def __init__(self, content: bytes, *, piece_bytes: int = PIECE_BYTES):
        """Cuts a file.

        Args:
            content: A .tflite file of one input, of static shapes.
            piece_bytes: Most bytes of tensors a piece; an operator that takes more is a piece of its own.
        """
        graph = Graph(content)
        self.names = {tensor: graph.name(tensor) for tensor in range(len(graph.tensors))}
        self.input = int(graph.model.subgraphs[0].inputs[0])
        outputs = [tensor for operator in graph.operators for tensor in operator.outputs]
        self.activations = [self.input, *dict.fromkeys(outputs)]
        self.pieces = _cut(graph, content, piece_bytes=piece_bytes)
        self._whole = Inspector(content) if len(self.pieces) == 1 else None  # made once, where it is in memory anyway

    def walk(self, image: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Runs the file and yields the tensors of `activations`, in their order, as real values, float32.

        Args:
            image: (1, H, W, 3), values 0..255.
        """
        held: dict[int, np.ndarray] = {}
        for number, piece in enumerate(self.pieces):
            inspector = self._whole or Inspector(piece.content)
            if number == 0:
                inspector.run(image)
                yield self.input, inspector.read(self.input)
            else:
                inspector.feed({tensor: held[tensor] for tensor in piece.inputs})
            held |= {t: inspector.raw(t) for t in (*piece.inputs, *piece.outputs) if t in piece.lasting and t not in held}
            held = {tensor: values for tensor, values in held.items() if tensor in piece.lasting}
            for tensor in piece.outputs:
                yield tensor, inspector.read(tensor)
            del inspector  # before the next one is made


def _cut(graph: Graph, content: bytes, *, piece_bytes: int) -> tuple[Piece, ...]:
    """The pieces of a file; one of the file itself where everything fits into `piece_bytes`."""
    computed = {int(graph.model.subgraphs[0].inputs[0])}.union(*(operator.outputs for operator in graph.operators))
    groups: list[list[int]] = [[]]
    for number in range(len(graph.operators)):
        tensors = {t for n in (*groups[-1], number) for t in _touched(graph, n) if t in computed}
        if groups[-1] and sum(_bytes(graph, tensor) for tensor in tensors) > piece_bytes:
            groups.append([])
        groups[-1].append(number)
    pieces: list[Piece] = []
    later: set[int] = set()
    for group in reversed(groups):
        outputs = dict.fromkeys(t for number in group for t in graph.operators[number].outputs)
        taken = dict.fromkeys(t for number in group for t in graph.operators[number].inputs if t in computed)
        inputs = tuple(tensor for tensor in taken if tensor not in outputs)
        lasting = frozenset(later)
        own = content if len(groups) == 1 else _file(graph, group, inputs, tuple(outputs))
        pieces.insert(0, Piece(own, inputs, tuple(outputs), lasting))
        later = (later - set(outputs)) | set(inputs)
    return tuple(pieces)


def _touched(graph: Graph, number: int) -> tuple[int, ...]:
    return (*graph.operators[number].inputs, *graph.operators[number].outputs)


def _bytes(graph: Graph, tensor: int) -> int:
    dtype = graph.dtype(tensor)
    return math.prod(graph.shape(tensor)) * (dtype.itemsize if dtype else 8)


def _file(graph: Graph, group: list[int], inputs: tuple[int, ...], outputs: tuple[int, ...]) -> bytes:
    """The operators of `group` as a .tflite file, with their weights and no others'."""
    model, subgraph = copy.copy(graph.model), copy.copy(graph.model.subgraphs[0])
    subgraph.operators = [subgraph.operators[number] for number in group]
    subgraph.inputs, subgraph.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
    needed = {graph.tensors[t].buffer for number in group for t in graph.operators[number].inputs if t >= 0}
    model.buffers = [buffer if i in needed else schema.BufferT() for i, buffer in enumerate(graph.model.buffers)]
    # What else a file holds names tensors and buffers that are no longer there.
    model.subgraphs, model.signatureDefs, model.metadata, model.metadataBuffer = [subgraph], None, None, None
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())
