"""What every operator of a file has to do, and whose kernel does it: shares that are counted, never timed."""

import dataclasses
import math
from dataclasses import dataclass

from kerasseg.lite.flatbuffer import Graph, Operator
from kerasseg.mcu import memory, operators


@dataclass(frozen=True)
class Work:
    """The work of one operator.

    Attributes:
        number: In order of execution, from 0.
        operator: As in TFLite's schema: CONV_2D.
        layer: The layer it came from, as far as the tensor's name tells.
        shape: Of its output.
        kernel: Whose kernel computes it in a build with CMSIS-NN: `operators.FAST`, `PLAIN` or `REFERENCE`.
        why: Why it is not FAST.
        macs: Multiply-accumulates; 0 for what has none.
        numbers: Of what has none, the numbers it goes over: those of the largest of its inputs and its output.
        bytes: Of its inputs, weights among them, and its output.
        share: 0..1, of all multiply-accumulates of the file, or of all `numbers` where it has none: of two sums, not of a time.
    """

    number: int
    operator: str
    layer: str
    shape: memory.Shape
    kernel: str
    why: str
    macs: int
    numbers: int
    bytes: int
    share: float


def work(graph: Graph) -> list[Work]:
    """Every operator of a file, in order of execution."""
    macs = [graph.macs_of(operator) for operator in graph.operators]
    numbers = [0 if mac else _numbers(graph, operator) for mac, operator in zip(macs, graph.operators, strict=True)]
    found = []
    for number, operator in enumerate(graph.operators):
        own, out_of = (macs[number], sum(macs)) if macs[number] else (numbers[number], sum(numbers))
        kernel, why = operators.kernel(graph, operator)
        found.append(
            Work(
                number, operator.name, memory.layer_of(graph.name(operator.outputs[0])), graph.shape(operator.outputs[0]),
                kernel, why, macs[number], numbers[number], _bytes(graph, operator), own / out_of if out_of else 0.0,
            )
        )  # fmt: skip
    return found


def report(graph: Graph) -> list[dict]:
    """`work` as plain JSON values."""
    return [dataclasses.asdict(one) for one in work(graph)]


def _tensors(operator: Operator) -> list[int]:
    return [tensor for tensor in dict.fromkeys((*operator.inputs, *operator.outputs)) if tensor >= 0]


def _numbers(graph: Graph, operator: Operator) -> int:
    return max(math.prod(graph.shape(tensor)) for tensor in _tensors(operator))


def _bytes(graph: Graph, operator: Operator) -> int:
    dtypes = {tensor: graph.dtype(tensor) for tensor in _tensors(operator)}
    return sum(math.prod(graph.shape(tensor)) * (dtype.itemsize if dtype else 1) for tensor, dtype in dtypes.items())
