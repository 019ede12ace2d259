"""What TFLite Micro keeps for good, and why: the tail of the arena."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from kerasseg.lite.flatbuffer import Graph

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")
CHANNEL_BYTES = 8  # an int32 multiplier and an int32 shift: kernels/{conv_common,depthwise_conv_common,transpose_conv}.cc
RECORDER, FORMULA, REST = "recorder", "recorder and formula", "remainder"


@dataclass(frozen=True)
class Kept:
    """A part of the tail.

    Attributes:
        what: In words.
        count: Of these.
        bytes: Of all of them, on this machine.
        source: "recorder" (TFLite Micro's own count), "recorder and formula" (such a count, divided by what the sources of its
            kernels allocate) or "remainder" (what nobody counts: interpreter, allocator, handles of scratch buffers, gaps).
    """

    what: str
    count: int
    bytes: int
    source: str

    def to_json(self) -> dict:
        """As plain JSON values."""
        return dataclasses.asdict(self)


def breakdown(graph: Graph, recorded: Mapping[str, tuple[int, int]], *, tail_bytes: int) -> tuple[Kept, ...]:
    """The tail in parts that sum to it.

    Args:
        graph: The file.
        recorded: What `runtime.record` gives: section -> (bytes, allocations).
        tail_bytes: As measured.
    """
    channels = sum(graph.shape(one.outputs[0])[-1] for one in graph.operators if one.name in CONVOLUTIONS)
    tensors, nodes, ends, quantizations, buffers = (
        recorded.get(section, (0, 0))
        for section in (
            "TfLiteEvalTensor data", "NodeAndRegistration struct", "Persistent TfLiteTensor data",
            "Persistent TfLiteTensor quantization data", "Persistent buffer data",
        )
    )  # fmt: skip
    multipliers = min(CHANNEL_BYTES * channels, buffers[0])
    known = (
        Kept("multipliers and shifts of convolutions, a channel each", channels, multipliers, FORMULA),
        Kept("the kernels' own structs and arrays", len(graph.operators), buffers[0] - multipliers, FORMULA),
        Kept("structs of tensors, constants among them", tensors[1], tensors[0], RECORDER),
        Kept("structs of operators", nodes[1], nodes[0], RECORDER),
        Kept("structs of inputs and outputs, and their grids", ends[1], ends[0] + quantizations[0], RECORDER),
    )
    return (*known, Kept("interpreter, allocator and alignment", 1, tail_bytes - sum(one.bytes for one in known), REST))
