"""LiteRT with its lid off: every tensor of a run, and which parts of a file XNNPACK takes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from ai_edge_litert import interpreter as litert

from kerasseg.lite.tensors import Tensor, dequantize, quantize
from kerasseg.quiet import quiet


class Inspector:
    """A file run by LiteRT's plain built-in kernels with every tensor kept: slow, and it can look inside.

    Attributes:
        names: Tensor number -> name.
        activations: Numbers of the input and of every tensor that an operator computes.
    """

    def __init__(self, content: bytes, *, threads: int = 2):
        with quiet():
            self._interpreter = litert.Interpreter(
                model_content=content,
                num_threads=threads,
                experimental_op_resolver_type=litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
                experimental_preserve_all_tensors=True,
            )
            self._interpreter.allocate_tensors()
        details = {detail["index"]: detail for detail in self._interpreter.get_tensor_details()}
        self._input = _tensor(self._interpreter.get_input_details()[0])
        self._scales = {i: (float(d["quantization"][0]), int(d["quantization"][1])) for i, d in details.items()}
        self.names = {i: detail["name"] for i, detail in details.items()}
        # The interpreter offers no other way to ask which operators it runs.
        found = self._interpreter._get_ops_details()
        self.activations = [self._input.index, *dict.fromkeys(int(t) for operation in found for t in operation["outputs"])]

    def run(self, image: np.ndarray) -> None:
        """Runs the model on an image (1, H, W, 3), values 0..255."""
        given = self._input
        self.feed({given.index: quantize(image, scale=given.scale, zero_point=given.zero_point, dtype=given.dtype)})

    def feed(self, inputs: Mapping[int, np.ndarray]) -> None:
        """Runs the model on its inputs, by their numbers, as they are in the file."""
        for tensor, values in inputs.items():
            self._interpreter.set_tensor(tensor, values)
        self._interpreter.invoke()

    def raw(self, tensor: int) -> np.ndarray:
        """A tensor of the last run, as it is in the file."""
        return self._interpreter.get_tensor(tensor)

    def read(self, tensor: int) -> np.ndarray:
        """A tensor of the last run, as real values, float32."""
        values, (scale, zero_point) = self.raw(tensor), self._scales[tensor]
        # Float tensors come as they are: one copy more of a large one is what pieces are there to spare.
        return values if values.dtype == np.float32 else dequantize(values, scale=scale, zero_point=zero_point)


class Reference:
    """Any file, run by LiteRT's reference kernels with every tensor kept: numbers in and out as they are in the file.

    Attributes:
        inputs: In the file's order.
        outputs: Likewise.
    """

    def __init__(self, content: bytes):
        with quiet():
            self._interpreter = litert.Interpreter(
                model_content=content,
                num_threads=1,
                experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF,
                experimental_preserve_all_tensors=True,
            )
            self._interpreter.allocate_tensors()
        self.inputs = [_tensor(detail) for detail in self._interpreter.get_input_details()]
        self.outputs = [_tensor(detail) for detail in self._interpreter.get_output_details()]

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Runs the model on one array an input, of its shape and type; returns the outputs."""
        for tensor, values in zip(self.inputs, inputs, strict=True):
            self._interpreter.set_tensor(tensor.index, values)
        self._interpreter.invoke()
        return [self.read(tensor.index) for tensor in self.outputs]

    def read(self, tensor: int) -> np.ndarray:
        """A tensor of the last run."""
        return self._interpreter.get_tensor(tensor)

    def shapes(self) -> dict[int, tuple[int, ...]]:
        """Tensor -> shape, as LiteRT infers it from the operators and the input."""
        return {one["index"]: tuple(map(int, one["shape"])) for one in self._interpreter.get_tensor_details()}


def partitions(source: Path | bytes) -> tuple[int, tuple[str, ...]]:
    """How many parts of a file LiteRT hands to XNNPACK, and the operators between them that it runs itself."""
    content = source if isinstance(source, bytes) else source.read_bytes()
    with quiet():
        interpreter = litert.Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
    operations = interpreter._get_ops_details()
    delegates = [o for o in operations if o["op_name"] == "DELEGATE"]
    producer = {int(t): o for o in operations if o["op_name"] != "DELEGATE" for t in o["outputs"]}
    given = {int(t) for delegate in delegates for t in delegate["outputs"]}
    wanted = {int(t) for delegate in delegates for t in delegate["inputs"]}
    wanted |= {detail["index"] for detail in interpreter.get_output_details()}
    left = {}
    while wanted:  # what no delegate gives, an operator outside gives; and so for its inputs
        tensor = wanted.pop()
        if tensor in producer and tensor not in given and producer[tensor]["index"] not in left:
            left[producer[tensor]["index"]] = producer[tensor]["op_name"]
            wanted |= {int(t) for t in producer[tensor]["inputs"]}
    return len(delegates), tuple(left[index] for index in sorted(left))


def _tensor(detail: dict) -> Tensor:
    """An input or output as LiteRT describes it."""
    scale, zero_point = detail["quantization"]
    return Tensor(
        detail["index"], tuple(int(n) for n in detail["shape"]), np.dtype(detail["dtype"]), float(scale), int(zero_point)
    )
