"""Where TFLite Micro and LiteRT give other numbers: how many pixels that changes, and whether rounding of a scale is why.

A MUL multiplies by the product of its inputs' scales over the output's. LiteRT forms it in float32
(tensorflow/lite/kernels/mul.cc), TFLite Micro in double (tensorflow/lite/micro/kernels/mul_common.cc): where a number lies on
the edge between two steps, one goes up and the other down.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerasseg.lite.flatbuffer import Graph, Operator
from kerasseg.lite.inspection import Reference
from kerasseg.mcu import class_map
from kerasseg.mcu.parity import Exactness

STEPS = 2  # to which such edges came at the output of the shapes demo's file with hard-swish, on 20 pictures
Arrays = Sequence[np.ndarray]


@dataclass(frozen=True)
class Differences:
    """What there is to say of outputs that are not LiteRT's to the bit.

    Attributes:
        tolerance_lsb: By how many steps they may differ; 0 for a float output, which has none.
        because_of_scales: Whether the first operator that differs is a MUL, and LiteRT's numbers there are those of a float32
            scale to the bit, while a double one gives others.
        other_classes: Share 0..1 of all pixels that have another class; None where the output is no logits.
    """

    tolerance_lsb: int
    because_of_scales: bool
    other_classes: float | None

    def to_json(self) -> dict:
        """As plain JSON values."""
        return dataclasses.asdict(self)


def judge(
    content: bytes, batches: Sequence[Arrays], outputs: Sequence[Arrays], *, exactness: Exactness, tolerance_lsb: int
) -> Differences:  # fmt: skip
    """Looks into runs that were compared.

    Args:
        content: Of the file.
        batches: Inputs, a run each.
        outputs: TFLite Micro's, likewise.
        exactness: What the comparison gave.
        tolerance_lsb: What was asked; -1 for STEPS where scales are why, else 0.
    """
    if exactness.equal == exactness.runs:
        return Differences(max(0, tolerance_lsb), False, 0.0)
    graph, reference = Graph(content), Reference(content)
    logits = class_map.logits_of(graph)
    because, other = None, []
    for inputs, ours in zip(batches, outputs, strict=True):
        theirs = reference.run(inputs)
        if because is None and any((a != b).any() for a, b in zip(ours, theirs, strict=True)):
            because = _scales_are_why(graph, reference, exactness.first_operator)
        if logits:
            maps = [class_map.class_ids(one[0], stride=logits.stride) for one in (ours, theirs)]
            other.append(float((maps[0] != maps[1]).mean()))
    accepted = tolerance_lsb if tolerance_lsb >= 0 else STEPS if because else 0
    if any(one.dtype.kind == "f" for one in outputs[0]):
        accepted = 0  # numbers of a float output have no steps
    return Differences(accepted, bool(because), sum(other) / len(other) if other else None)


def _scales_are_why(graph: Graph, reference: Reference, where: str) -> bool:
    """Whether `reference` has just computed `where` ("MUL at NAME") as float32 scales have it, and double ones have not."""
    for operator in graph.operators:
        if operator.name == "MUL" and where == f"MUL at {graph.name(operator.outputs[0])}":
            if operator.options.fusedActivationFunction or graph.dtype(operator.outputs[0]) != np.int8:
                return False
            narrow, wide = (_product(graph, reference, operator, kind) for kind in (np.float32, np.float64))
            return np.array_equal(reference.read(operator.outputs[0]), narrow) and not np.array_equal(narrow, wide)
    return False


def _product(graph: Graph, reference: Reference, operator: Operator, kind: type) -> np.ndarray:
    """The output of a MUL whose multiplier was formed in floats of one kind."""
    tensors = [*operator.inputs, *operator.outputs]
    first, second, out = (kind(graph.scales(tensor)[0]) for tensor in tensors)
    zero_points = [int(graph.tensors[tensor].quantization.zeroPoint[0]) for tensor in tensors]
    values = [reference.read(tensor).astype(np.int64) for tensor in operator.inputs]
    raw = (values[0] - zero_points[0]) * (values[1] - zero_points[1])
    return np.clip(scaled(raw, float(first * second / out)) + zero_points[2], -128, 127).astype(np.int8)


def scaled(numbers: np.ndarray, multiplier: float) -> np.ndarray:
    """Integers times a real number as TFLite's fixed point does it (MultiplyByQuantizedMultiplier): it rounds twice.

    Args:
        numbers: int64, of at most 31 bits.
        multiplier: Below 1.
    """
    mantissa, exponent = np.frexp(multiplier)
    fixed = int(np.floor(mantissa * 2**31 + 0.5))
    products = numbers * fixed
    high = np.where(products >= 0, (products + 2**30) >> 31, -((-products + 2**30 - 1) >> 31))  # halves go up
    shift = -int(exponent)
    rest, half = high & (2**shift - 1), (2**shift - 1) >> 1
    return (high >> shift) + (rest > half + (high < 0))  # halves go away from 0
