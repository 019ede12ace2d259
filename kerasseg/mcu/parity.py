"""TFLite Micro's kernels beside LiteRT's reference kernels, number by number."""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from kerasseg.lite.flatbuffer import Graph
from kerasseg.lite.inspection import Reference
from kerasseg.mcu import offline, runtime


@dataclass(frozen=True)
class Exactness:
    """TFLite Micro beside LiteRT's reference kernels.

    Attributes:
        runs: Inputs that were compared.
        equal: Of those, how many gave the same outputs to the bit.
        largest_difference: Of any number of any output, in steps of that output.
        first_operator: "OPERATOR at tensor" that gave other numbers first; empty where all are equal.
    """

    runs: int
    equal: int
    largest_difference: int
    first_operator: str

    def to_json(self) -> dict:
        """As plain JSON values."""
        return dataclasses.asdict(self)


def compare(content: bytes, batches: Iterable[Sequence[np.ndarray]]) -> tuple[Exactness, list[list[np.ndarray]]]:
    """Runs inputs through TFLite Micro and through LiteRT's reference kernels.

    Args:
        content: Of the file.
        batches: One array an input, of its shape and type, a run.

    Returns:
        How they compare, and TFLite Micro's outputs a run.

    Raises:
        InputError: the package is missing, or TFLite Micro refuses the file.
    """
    reference, outputs = Reference(content), []
    loaded, _ = runtime.load(content, "the model")
    equal, largest, first = 0, 0, ""
    for inputs in batches:
        ours = runtime.run(loaded, content, inputs, count=len(reference.outputs))
        theirs = reference.run(inputs)
        apart = max(_apart(a, b) for a, b in zip(ours, theirs, strict=True))
        equal, largest = equal + (apart == 0), max(largest, apart)
        if apart and not first:
            first = _first_operator(content, inputs, reference)
        outputs.append(ours)
    return Exactness(len(outputs), equal, largest, first), outputs


def _apart(ours: np.ndarray, theirs: np.ndarray) -> int:
    """The largest difference of any number; of floats, which have no steps, rounded up, so that none counts as equal."""
    if ours.dtype.kind == "f":
        return 0 if np.array_equal(ours, theirs, equal_nan=True) else max(1, math.ceil(np.nanmax(np.abs(ours - theirs))))
    return int(np.abs(ours.astype(np.int64) - theirs).max())


def _first_operator(content: bytes, inputs: Sequence[np.ndarray], reference: Reference) -> str:
    """The first operator whose output differs from that in `reference`, which has just run on the same inputs."""
    graph = Graph(content)
    loaded, _ = runtime.load(offline.without_offsets(content), "the model", kind="kPreserveAllTensors")
    runtime.run(loaded, content, inputs, count=len(reference.outputs))
    for operator in graph.operators:
        for tensor in operator.outputs:
            ours = loaded.GetTensor(tensor, 0)["tensor_data"]
            if not np.array_equal(ours, reference.read(tensor)):
                return f"{operator.name} at {graph.name(tensor)}"
    return "none of those whose tensors can be read: the outputs alone differ"
