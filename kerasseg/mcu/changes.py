"""What could be done to some operators of a file for less memory, and what each of that costs (`strips`, `phases`)."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from kerasseg.lite.flatbuffer import Graph
from kerasseg.lite.surgery import piece
from kerasseg.mcu import memory, phases, placement, scratch, strips
from kerasseg.mcu.placement import Layout

# What TFLite Micro keeps for good, on a machine of 64 bits: TfLiteEvalTensor, NodeAndRegistration, two int32 a channel of a
# convolution, and a kernel's own data, rounded. To choose by alone: what is said is measured.
TENSOR_BYTES, NODE_BYTES, CHANNEL_BYTES, KERNEL_BYTES = 24, 64, 8, 120
LONGEST = 24  # operators that one change may take
STRIPS = (2, 3, 4, 5, 6, 8, 10)
LOWEST = 0.35  # of the peak as it is: below it nothing is looked for


@dataclass(frozen=True)
class Change:
    """What is done to some operators that follow one another.

    Attributes:
        what: "strips" or "phases".
        first: Place of the first of them in the order of the file before.
        last: Place of the last.
        parts: How many strips or phases.
        layers: The layers that these two came from.
        peak_bytes: Largest number of bytes needed there then.
        kept_bytes: About what TFLite Micro keeps more for good.
        macs: Multiply-accumulates that are done twice.
    """

    what: str
    first: int
    last: int
    parts: int
    layers: tuple[str, str]
    peak_bytes: int
    kept_bytes: int
    macs: int


def needed_bytes(graph: Graph) -> list[int]:
    """What tensors and CMSIS-NN's scratch take at least while each operator runs."""
    return Layout(graph, scratch=scratch.cmsis_nn_scratch(graph)).bound()


def kept_bytes(graph: Graph) -> int:
    """About what TFLite Micro keeps for good."""
    total = TENSOR_BYTES * len(graph.tensors) + NODE_BYTES * len(graph.operators)
    for one in graph.operators:
        if one.name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            total += CHANNEL_BYTES * graph.shape(one.outputs[0])[-1]
        total += 0 if one.name in ("SLICE", "RESHAPE") else KERNEL_BYTES
    return total


def apply(graph: Graph, what: str, first: int, last: int, parts: int) -> Graph | None:
    """The graph with a change, whose attributes these are; None where it cannot be made."""
    make = phases.in_phases if what == "phases" else strips.in_strips
    return make(graph, first, last, parts)


def candidates(graph: Graph, *, most: float) -> Iterator[Change]:
    """All that could be done to any operators that follow one another, where it is worth it.

    Args:
        graph: Of the file.
        most: Multiply-accumulates that may be done twice.
    """
    needed = needed_bytes(graph)
    highest = max(needed)
    rowwise = [strips.need(graph, one, (0, 1)) is not None for one in graph.operators]
    dilated = [phases.grid_of(graph, one) is not None for one in graph.operators]
    for first, last in itertools.combinations_with_replacement(range(len(graph.operators)), 2):
        inside = slice(first, last + 1)
        top = max(needed[inside])
        if last - first >= LONGEST or top < LOWEST * highest:
            continue
        passing, ends = _carried(graph, first, last)
        if passing + ends >= top:
            continue
        if all(rowwise[inside]):
            yield from _worthwhile(graph, "strips", first, last, passing=passing, top=top, most=most)
        if any(dilated[inside]):
            yield from _worthwhile(graph, "phases", first, last, passing=passing, top=top, most=most)


def _worthwhile(
    graph: Graph, what: str, first: int, last: int, *, passing: int, top: int, most: float
) -> Iterator[Change]:  # fmt: skip
    """The changes of one kind that bring some operators below their peak; more parts only where they bring more."""
    part, before = piece(graph, first, last), top
    layers = (_layer(graph, first), _layer(graph, last))
    for count in phases.PARTS if what == "phases" else STRIPS:
        made = apply(part, what, 0, last - first, count)
        if made is None:
            return
        peak, macs = passing + max(needed_bytes(made)), made.macs() - part.macs()
        if macs > most or (what == "strips" and count > 3 and peak >= top):
            return
        if peak < before:
            before = peak
            yield Change(what, first, last, count, layers, peak, kept_bytes(made) - kept_bytes(part), macs)


def _layer(graph: Graph, place: int) -> str:
    return memory.layer_of(graph.name(graph.operators[place].outputs[0]))


def _carried(graph: Graph, first: int, last: int) -> tuple[int, int]:
    """Bytes that some operators leave alone but a later one needs, and of what they take and give, the larger."""
    made = {t for one in graph.operators[first : last + 1] for t in one.outputs}
    taken = {t for one in graph.operators[first : last + 1] for t in one.inputs} | made
    passing = before = behind = 0
    for tensor, (start, end) in placement.lifetimes(graph).items():
        size = placement.round_up(placement.size_of(graph, tensor))
        if tensor not in taken:
            passing += size if start < first and end > last else 0
        elif tensor not in made:
            before += size
        elif end > last:
            behind += size
    return passing, max(before, behind)
