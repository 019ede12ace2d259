"""The same .tflite file with another type at its ends, or at operators inside."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from kerasseg.lite.flatbuffer import Graph


def with_uint8(content: bytes) -> bytes:
    """A file whose int8 inputs and outputs are uint8: the same numbers plus 128, by QUANTIZE operators at its ends.

    A file without int8 at its ends comes back as it is.

    Args:
        content: Of a .tflite file.

    Raises:
        InputError: it is no .tflite file.
    """
    graph = Graph(content)
    main = graph.model.subgraphs[0]
    first = [(int(t), True) for t in main.inputs if graph.dtype(int(t)) == np.int8]
    last = [(int(t), False) for t in main.outputs if graph.dtype(int(t)) == np.int8]
    if not first and not last:
        return content
    for tensor, is_input in first + last:
        given = graph.tensors[tensor].quantization
        outside = twin(graph, tensor, "uint8", scale=given.scale[0], zero_point=int(given.zeroPoint[0]) + 128)
        operator = quantize_operator(graph, *((outside, tensor) if is_input else (tensor, outside)))
        main.operators.insert(0 if is_input else len(main.operators), operator)
        _rename(graph, tensor, outside, is_input=is_input)
    return graph.content()


def quantize_operator(graph: Graph, given: int, made: int) -> schema.OperatorT:
    """A QUANTIZE from one tensor to another, which is not in the graph yet; its code is."""
    operator = schema.OperatorT()
    operator.opcodeIndex = _quantize_code(graph)
    operator.inputs, operator.outputs = np.array([given], np.int32), np.array([made], np.int32)
    operator.builtinOptionsType = schema.BuiltinOptions.QuantizeOptions
    operator.builtinOptions = schema.QuantizeOptionsT()
    return operator


def _quantize_code(graph: Graph) -> int:
    for i, code in enumerate(graph.model.operatorCodes):
        if max(code.builtinCode, code.deprecatedBuiltinCode) == schema.BuiltinOperator.QUANTIZE:
            return i
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.QUANTIZE
    code.version = 1
    graph.model.operatorCodes.append(code)
    return len(graph.model.operatorCodes) - 1


def twin(graph: Graph, tensor: int, dtype: str, *, scale: float, zero_point: int) -> int:
    """Adds a computed tensor of another's shape in "int8" or "uint8"; returns its number."""
    old, new = graph.tensors[tensor], schema.TensorT()
    new.name = old.name + f"_{dtype}".encode()
    new.shape, new.shapeSignature, new.hasRank = old.shape, old.shapeSignature, old.hasRank
    new.type, new.buffer = {"int8": schema.TensorType.INT8, "uint8": schema.TensorType.UINT8}[dtype], 0
    new.quantization = schema.QuantizationParametersT()
    new.quantization.scale, new.quantization.zeroPoint = np.array([scale], np.float32), np.array([zero_point], np.int64)
    graph.tensors.append(new)
    return len(graph.tensors) - 1


def _rename(graph: Graph, old: int, new: int, *, is_input: bool) -> None:
    """Lets the graph's end, and the signatures that name it, be another tensor."""
    main = graph.model.subgraphs[0]
    side = "inputs" if is_input else "outputs"
    setattr(main, side, np.array([new if int(t) == old else int(t) for t in getattr(main, side)], np.int32))
    for signature in graph.model.signatureDefs or []:
        for one in getattr(signature, side):
            if one.tensorIndex == old:
                one.tensorIndex = new
