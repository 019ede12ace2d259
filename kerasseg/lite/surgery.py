"""A .tflite graph taken apart: new tensors and operators, and the graph that they make."""

import copy
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from kerasseg.lite.flatbuffer import Graph


class Surgery:
    """New tensors and operators beside those of a graph, which stays as it is."""

    def __init__(self, graph: Graph):
        """Starts from a graph of one sub-graph."""
        self._model, main = copy.copy(graph.model), copy.copy(graph.model.subgraphs[0])
        main.tensors = list(main.tensors)
        self._model.subgraphs, self._main = [main], main
        self._model.buffers, self._model.operatorCodes = list(graph.model.buffers), list(graph.model.operatorCodes)
        self._known = {
            self._key(values): tensor
            for tensor in range(len(main.tensors))
            if (values := graph.constant(tensor)) is not None and values.dtype == np.int32
        }

    def tensor(self, like: int, shape: Sequence[int], *, name: str) -> int:
        """Adds a computed tensor of the type and grid of another; returns its number."""
        made = copy.copy(self._main.tensors[like])
        made.shape, made.shapeSignature, made.buffer, made.name = np.array(shape, np.int32), None, 0, name.encode()
        self._main.tensors.append(made)
        return len(self._main.tensors) - 1

    def integers(self, values: Iterable) -> int:
        """The number of a constant int32 tensor with these values, which is made once."""
        array = np.array(values, np.int32)
        key = self._key(array)
        if key not in self._known:
            buffer, made = schema.BufferT(), schema.TensorT()
            buffer.data = np.frombuffer(array.tobytes(), np.uint8)
            self._model.buffers.append(buffer)
            made.shape, made.type, made.hasRank = np.array(array.shape, np.int32), schema.TensorType.INT32, True
            made.buffer, made.name = len(self._model.buffers) - 1, f"integers_{len(self._main.tensors)}".encode()
            self._main.tensors.append(made)
            self._known[key] = len(self._main.tensors) - 1
        return self._known[key]

    def operator(self, kind: str, inputs: Sequence[int], output: int, **options: Any) -> schema.OperatorT:
        """A new operator, such as kind="CONCATENATION" with axis=1; its options are those of the schema."""
        name = "".join("ND" if part == "ND" else part.capitalize() for part in kind.split("_"))
        made, chosen = schema.OperatorT(), getattr(schema, f"{name}OptionsT")()
        vars(chosen).update(options)
        made.opcodeIndex, made.builtinOptions = self._code(kind), chosen
        made.builtinOptionsType = getattr(schema.BuiltinOptions, f"{name}Options")
        made.inputs, made.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
        return made

    def again(self, index: int, inputs: Sequence[int], outputs: Sequence[int], **options: int) -> schema.OperatorT:
        """The operator of a place in the graph's order, on other tensors and with some other options."""
        made = copy.copy(self._main.operators[index])
        made.inputs, made.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
        if options:
            made.builtinOptions = copy.copy(made.builtinOptions)
            vars(made.builtinOptions).update(options)
        return made

    def graph(self, operators: Sequence[schema.OperatorT]) -> Graph:
        """The graph of these operators, without the tensors that none of them has."""
        self._main.operators = list(operators)
        used = {int(t) for one in operators for t in (*one.inputs, *one.outputs) if t >= 0}
        used |= {int(t) for t in (*self._main.inputs, *self._main.outputs)}
        return self._renumbered(sorted(used))

    def part(self, operators: Sequence[schema.OperatorT], *, inputs: Sequence[int], outputs: Sequence[int]) -> Graph:
        """The graph of these operators alone, with ends of its own."""
        self._main.inputs, self._main.outputs, self._model.signatureDefs = list(inputs), list(outputs), None
        return self.graph(operators)

    def _renumbered(self, kept: list[int]) -> Graph:
        new = {old: number for number, old in enumerate(kept)} | {-1: -1}

        def numbers(tensors: Iterable) -> np.ndarray:
            return np.array([new[int(tensor)] for tensor in tensors], np.int32)

        main = self._main
        main.tensors = [main.tensors[old] for old in kept]
        main.inputs, main.outputs = numbers(main.inputs), numbers(main.outputs)
        main.operators = [copy.copy(one) for one in main.operators]
        for one in main.operators:
            one.inputs, one.outputs = numbers(one.inputs), numbers(one.outputs)
        self._model.signatureDefs = copy.deepcopy(self._model.signatureDefs)
        for signature in self._model.signatureDefs or []:
            for end in (*signature.inputs, *signature.outputs):
                end.tensorIndex = new[end.tensorIndex]
        return Graph.of(self._model)

    def _code(self, kind: str) -> int:
        number = getattr(schema.BuiltinOperator, kind)
        for i, code in enumerate(self._model.operatorCodes):
            if max(code.builtinCode, code.deprecatedBuiltinCode) == number:
                return i
        code = schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), 1
        self._model.operatorCodes.append(code)
        return len(self._model.operatorCodes) - 1

    @staticmethod
    def _key(array: np.ndarray) -> tuple:
        return array.shape, array.tobytes()


def piece(graph: Graph, first: int, last: int) -> Graph:
    """Some operators of a graph, from one place in its order to another, as a graph of their own."""
    inside, behind = graph.operators[first : last + 1], graph.operators[last + 1 :]
    made = {tensor for one in inside for tensor in one.outputs}
    needed = {tensor for one in behind for tensor in one.inputs} | {*map(int, graph.model.subgraphs[0].outputs)}
    taken = dict.fromkeys(t for one in inside for t in one.inputs if t >= 0 and t not in made and _is_computed(graph, t))
    surgery = Surgery(graph)
    return surgery.part(
        graph.model.subgraphs[0].operators[first : last + 1],
        inputs=list(taken), outputs=[tensor for tensor in (*taken, *made) if tensor in needed],
    )  # fmt: skip


def _is_computed(graph: Graph, tensor: int) -> bool:
    data = graph.model.buffers[graph.tensors[tensor].buffer].data
    return data is None or not len(data)


def unshare(graph: Graph, *, kinds: Collection[str] = ()) -> None:
    """Gives operators constants of their own in the graph's model, so that what becomes of one is no other's.

    Args:
        graph: The file.
        kinds: Which operators, such as CONV_2D; all without it. What the others share they go on sharing.
    """
    main = graph.model.subgraphs[0]
    others = [one for one in graph.operators if kinds and one.name not in kinds]
    seen = {main.tensors[tensor].buffer for one in others for tensor in one.inputs if graph.constant(tensor) is not None}
    for operator, parsed in zip(main.operators, graph.operators, strict=True):
        if kinds and parsed.name not in kinds:
            continue
        inputs = list(map(int, operator.inputs))
        for i, tensor in enumerate(inputs):
            if graph.constant(tensor) is None:
                continue
            if main.tensors[tensor].buffer in seen:
                own = copy.deepcopy(main.tensors[tensor])
                graph.model.buffers.append(copy.copy(graph.model.buffers[own.buffer]))
                own.buffer = len(graph.model.buffers) - 1
                main.tensors.append(own)
                inputs[i] = len(main.tensors) - 1
            seen.add(main.tensors[inputs[i]].buffer)
        operator.inputs = np.array(inputs, np.int32)
