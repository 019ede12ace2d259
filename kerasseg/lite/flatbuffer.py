"""A .tflite file as the table of tensors and operators that it is."""

import math
import struct
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from kerasseg.errors import InputError
from kerasseg.lite.recognition import IDENTIFIER, refuse_other
from kerasseg.lite.tensors import Tensor

_OPERATOR_NAMES = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
_TYPES = {
    schema.TensorType.FLOAT32: np.float32, schema.TensorType.FLOAT16: np.float16, schema.TensorType.INT8: np.int8,
    schema.TensorType.UINT8: np.uint8, schema.TensorType.INT16: np.int16, schema.TensorType.INT32: np.int32,
    schema.TensorType.INT64: np.int64, schema.TensorType.BOOL: np.bool_,
}  # fmt: skip

RELU6 = schema.ActivationFunctionType.RELU6  # what an operator's options say that it ends with


@dataclass(frozen=True)
class Operator:
    """One operator of the main graph.

    Attributes:
        name: As in TFLite's schema: CONV_2D.
        inputs: Tensor numbers; -1 where an optional one is absent.
        outputs: Tensor numbers.
        options: The schema's options object, or None.
        custom: What a CUSTOM operator calls itself; empty for others.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any
    custom: str = ""


class Graph:
    """The main graph of a file.

    Attributes:
        model: The schema's own object tree, which may be changed and written again.
        operators: In order of execution.
    """

    def __init__(self, content: bytes, *, source: object = "the .tflite file"):
        """Reads a file's content; `source` is what a message calls it.

        Raises:
            InputError: it is no .tflite file.
        """
        refuse_other(content, source=source)
        try:
            model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
        except (struct.error, IndexError, TypeError, ValueError) as error:
            raise InputError(f"{source} cannot be read ({error}); convert it again") from error
        self._take(model)

    @classmethod
    def of(cls, model: schema.ModelT) -> "Graph":
        """The graph of an object tree that lies in no file yet."""
        graph = cls.__new__(cls)
        graph._take(model)
        return graph

    def _take(self, model: schema.ModelT) -> None:
        self.model = model
        graph = model.subgraphs[0]
        self.tensors = graph.tensors
        kinds = model.operatorCodes
        codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in kinds]
        self.operators = [
            Operator(
                _OPERATOR_NAMES[codes[operator.opcodeIndex]],
                tuple(map(int, operator.inputs)), tuple(map(int, operator.outputs)), operator.builtinOptions,
                custom=(kinds[operator.opcodeIndex].customCode or b"").decode(errors="replace"),
            )
            for operator in graph.operators
        ]  # fmt: skip

    def name(self, tensor: int) -> str:
        return self.tensors[tensor].name.decode()

    def shape(self, tensor: int) -> tuple[int, ...]:
        found = self.tensors[tensor].shape
        return () if found is None else tuple(map(int, found))

    def dtype(self, tensor: int) -> np.dtype | None:
        """NumPy type of a tensor; None for one that is no plain number here."""
        known = _TYPES.get(self.tensors[tensor].type)
        return None if known is None else np.dtype(known)

    def scales(self, tensor: int) -> np.ndarray:
        """Quantization scales, (1,) or one a channel; empty for a float tensor."""
        quantization = self.tensors[tensor].quantization
        return np.zeros(0) if quantization is None or quantization.scale is None else np.asarray(quantization.scale)

    def tensor(self, index: int) -> Tensor | None:
        """A tensor with one scale, or none; None for one that is no plain number here, or has a scale a channel."""
        dtype, scales = self.dtype(index), self.scales(index)
        if dtype is None or len(scales) > 1:
            return None
        zero_point = int(self.tensors[index].quantization.zeroPoint[0]) if len(scales) else 0
        return Tensor(index, self.shape(index), dtype, float(scales[0]) if len(scales) else 0.0, zero_point)

    def constant(self, tensor: int) -> np.ndarray | None:
        """The values of a constant tensor; None for one that is computed, or whose values lie outside the flatbuffer."""
        data = self.model.buffers[self.tensors[tensor].buffer].data if tensor >= 0 else None
        if data is None or not len(data) or self.dtype(tensor) is None:
            return None
        return np.frombuffer(bytes(data), self.dtype(tensor)).reshape(self.shape(tensor))

    def macs(self) -> int:
        """Multiply-accumulates of all convolutions and fully connected layers, for one run."""
        return sum(map(self.macs_of, self.operators))

    def macs_of(self, operator: Operator) -> int:
        """Likewise of one operator; 0 for other kinds."""
        if operator.name in ("CONV_2D", "FULLY_CONNECTED"):
            return math.prod(self.shape(operator.outputs[0])) * math.prod(self.shape(operator.inputs[1])[1:])
        if operator.name == "DEPTHWISE_CONV_2D":
            return math.prod(self.shape(operator.outputs[0])) * math.prod(self.shape(operator.inputs[1])[1:3])
        if operator.name == "TRANSPOSE_CONV":
            return math.prod(self.shape(operator.inputs[2])) * math.prod(self.shape(operator.inputs[1])[:3])
        return 0

    def set_range(self, tensor: int, low: float, high: float) -> None:
        """Notes the range that TFLite's quantizer is to give a float tensor."""
        quantization = self.tensors[tensor].quantization or schema.QuantizationParametersT()
        quantization.min, quantization.max = np.array([low], np.float32), np.array([high], np.float32)
        self.tensors[tensor].quantization = quantization

    def content(self) -> bytes:
        """The file's content again."""
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self.model.Pack(builder), IDENTIFIER)
        return bytes(builder.Output())
