"""Less arena for the same numbers: a search over places, strips and phases (`placement`, `strips`, `phases`)."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from kerasseg.lite.flatbuffer import Graph
from kerasseg.lite.surgery import piece
from kerasseg.mcu import memory, offline, phases, placement, runtime, scratch, strips
from kerasseg.mcu.placement import Layout

# What TFLite Micro keeps for good, on a machine of 64 bits: TfLiteEvalTensor, NodeAndRegistration, two int32 a channel of a
# convolution, and a kernel's own data, rounded. To choose by alone: what is said is measured.
TENSOR_BYTES, NODE_BYTES, CHANNEL_BYTES, KERNEL_BYTES = 24, 64, 8, 120
LONGEST = 24  # operators that one change may take
STRIPS = (2, 3, 4, 5, 6, 8, 10)
LOWEST = 0.35  # of the peak as it is: below it nothing is looked for
DRAFTS, MEASURED, ALTERNATIVES = 10, 3, 4  # plans that are laid out, that are measured, and others for each change of the best
DRAFT_TRIES = 20  # as `Layout.place` takes them


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


@dataclass(frozen=True)
class Plan:
    """A file with less arena.

    Attributes:
        content: Of the file.
        arena: Its arena, measured.
        scratch_bytes: What CMSIS-NN's scratch buffers make it larger by.
        macs: Its multiply-accumulates.
        changes: What was done, beside the places of the tensors.
    """

    content: bytes
    arena: runtime.Arena
    scratch_bytes: int
    macs: int
    changes: tuple[Change, ...]

    @property
    def needed_bytes(self) -> int:
        """Of the arena, with what CMSIS-NN adds."""
        return self.arena.total_bytes + self.scratch_bytes


def search(
    content: bytes, *, extra_macs_percent: float = 10.0, log: Callable[[str], None] = lambda line: None
) -> Plan | None:  # fmt: skip
    """The file of the smallest arena among those that compute the same.

    Every change to operators that follow one another is made on their part of the graph alone, and costed. For every peak that
    is then possible, the changes that bring all operators below it and cost least are a shortest path through the graph. The
    most promising of these plans are written and measured in TFLite Micro.

    Args:
        content: Of an int8 file that has passed `operators.check`.
        extra_macs_percent: Work that may be done twice, where strips overlap, of the file's.
        log: Gets a line a stage.

    Returns:
        The plan; None where nothing is smaller.

    Raises:
        CannotPlan: the file cannot be taken apart here.
        InputError: TFLite Micro refuses it.
    """
    graph = Graph(content)
    refuse(graph)
    most = graph.macs() * extra_macs_percent / 100
    needed, changes = _needed(graph), list(_changes(graph, most=most))
    log(f"choosing among {len(changes)} changes for the peak of {max(needed) / 1024:.0f} KiB")
    found: dict[tuple[Change, ...], int] = {(): max(needed)}
    for target in sorted({*needed, *(change.peak_bytes for change in changes)}, reverse=True):
        chosen = _cheapest(needed, changes, target=target, most=most)
        if chosen is not None:
            found[chosen] = target + sum(change.kept_bytes for change in chosen)
    drafts = [_draft(graph, chosen) for chosen in sorted(found, key=found.__getitem__)[:DRAFTS]]
    drafts.sort(key=lambda draft: draft.cost)
    drafts[:1] = [_refined(graph, drafts[0], changes, most=most), *drafts[:1]]
    plans = [_finished(draft) for draft in drafts[:MEASURED]]
    best = min(plans, key=lambda plan: (plan.needed_bytes, plan.macs))
    before = runtime.measure_arena(content).total_bytes + scratch.arena_growth(graph)
    return best if best.needed_bytes < before else None


class CannotPlan(Exception):
    """A file whose memory cannot be planned here; the message says why."""


def refuse(graph: Graph) -> None:
    """Raises CannotPlan for a file that cannot be taken apart."""
    if len(graph.model.subgraphs) != 1:
        raise CannotPlan(f"it has {len(graph.model.subgraphs)} sub-graphs")
    if offline.offsets_of(graph):
        raise CannotPlan("it has one already")
    if any(graph.dtype(tensor) is None for tensor in placement.lifetimes(graph)):
        raise CannotPlan("it computes tensors that are no plain numbers")
    if any(tensor.isVariable for tensor in graph.tensors):
        raise CannotPlan("it has variables, which keep their values from run to run")


@dataclass(frozen=True)
class _Draft:
    """A plan before it is measured: the graph, where its tensors lie, and about what it takes."""

    graph: Graph
    changes: tuple[Change, ...]
    offsets: dict[int, int]
    cost: int


def _draft(graph: Graph, changes: tuple[Change, ...]) -> _Draft:
    for change in sorted(changes, key=lambda change: -change.first):  # the places of those before stay as they are
        changed = _changed(graph, change.what, change.first, change.last, change.parts)
        assert changed is not None
        graph = changed
    layout = Layout(graph, scratch=scratch.cmsis_nn_scratch(graph))
    offsets = layout.place(tries=DRAFT_TRIES)
    return _Draft(graph, changes, offsets, layout.end(offsets) + _kept(graph))


def _refined(graph: Graph, draft: _Draft, changes: Sequence[Change], *, most: float) -> _Draft:
    """The best draft that has one change after the other replaced: tensors may find their places more easily then."""
    for change in draft.changes:
        others = tuple(one for one in draft.changes if one != change)
        instead = [
            one for one in changes
            if one != change and one.first <= change.first and change.last <= one.last
            and all(one.last < other.first or other.last < one.first for other in others)
            and one.macs + sum(other.macs for other in others) <= most
        ]  # fmt: skip
        instead.sort(key=lambda one: max(one.peak_bytes, *(other.peak_bytes for other in (*others, one))) + one.kept_bytes)
        tried = [_draft(graph, (*others, one)) for one in instead[:ALTERNATIVES]]
        draft = min(draft, *tried, key=lambda one: one.cost) if tried else draft
    return draft


def _finished(draft: _Draft) -> Plan:
    layout = Layout(draft.graph, scratch=scratch.cmsis_nn_scratch(draft.graph))
    placed = min(draft.offsets, layout.place(), key=layout.end)
    offsets = {tensor: offset for tensor, offset in placed.items() if tensor >= 0}
    spoiled = offline.spoiled(draft.graph, offsets)
    assert not spoiled, f"tensors of the plan lie over one another: {spoiled}"
    content = offline.with_offsets(draft.graph, offsets).content()
    planned = Graph(content)
    changes = tuple(sorted(draft.changes, key=lambda change: change.first))
    return Plan(content, runtime.measure_arena(content), scratch.arena_growth(planned), planned.macs(), changes)


def _needed(graph: Graph) -> list[int]:
    return Layout(graph, scratch=scratch.cmsis_nn_scratch(graph)).bound()


def _kept(graph: Graph) -> int:
    """About what TFLite Micro keeps for good."""
    total = TENSOR_BYTES * len(graph.tensors) + NODE_BYTES * len(graph.operators)
    for one in graph.operators:
        if one.name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            total += CHANNEL_BYTES * graph.shape(one.outputs[0])[-1]
        total += 0 if one.name in ("SLICE", "RESHAPE") else KERNEL_BYTES
    return total


def _changed(graph: Graph, what: str, first: int, last: int, parts: int) -> Graph | None:
    make = phases.in_phases if what == "phases" else strips.in_strips
    return make(graph, first, last, parts)


def _changes(graph: Graph, *, most: float) -> Iterator[Change]:
    """All that could be done to any operators that follow one another, where it is worth it."""
    needed, highest = _needed(graph), max(_needed(graph))
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
        made = _changed(part, what, 0, last - first, count)
        if made is None:
            return
        peak, macs = passing + max(_needed(made)), made.macs() - part.macs()
        if macs > most or (what == "strips" and count > 3 and peak >= top):
            return
        if peak < before:
            before = peak
            yield Change(what, first, last, count, layers, peak, _kept(made) - _kept(part), macs)


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


def _cheapest(needed: list[int], changes: list[Change], *, target: int, most: float) -> tuple[Change, ...] | None:
    """The changes that bring all operators to the target or below and keep the fewest bytes; None where there are none."""
    ending: dict[int, list[Change]] = {}
    for change in changes:
        if change.peak_bytes <= target and change.macs <= most:
            ending.setdefault(change.last, []).append(change)
    # Bytes that stay are what is paid, and work only where a plan comes to more of it than is allowed.
    for macs_per_byte in (1e9, 1e4, 1e3, 1e2, 1e1):
        best: list[tuple[float, tuple[Change, ...]] | None] = [(0, ())]
        for i, count in enumerate(needed):
            here = best[i]
            options = [here] if here is not None and count <= target else []
            for change in ending.get(i, ()):
                before = best[change.first]
                if before is not None:
                    cost = change.kept_bytes + change.macs / macs_per_byte
                    options.append((before[0] + cost, (*before[1], change)))
            best.append(min(options, key=lambda option: option[0], default=None))
        end = best[-1]
        if end is None:
            return None
        if sum(change.macs for change in end[1]) <= most:
            return end[1]
    return None
