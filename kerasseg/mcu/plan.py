"""Less arena for the same numbers: a search over places and changes (`placement`, `changes`)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kerasseg.lite.flatbuffer import Graph
from kerasseg.mcu import offline, placement, runtime, scratch
from kerasseg.mcu.changes import Change, apply, candidates, kept_bytes, needed_bytes
from kerasseg.mcu.placement import Layout

DRAFTS, MEASURED, ALTERNATIVES = 10, 3, 4  # plans that are laid out, that are measured, and others for each change of the best
DRAFT_TRIES = 20  # as `Layout.place` takes them


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
    needed, changes = needed_bytes(graph), list(candidates(graph, most=most))
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
        changed = apply(graph, change.what, change.first, change.last, change.parts)
        assert changed is not None
        graph = changed
    layout = Layout(graph, scratch=scratch.cmsis_nn_scratch(graph))
    offsets = layout.place(tries=DRAFT_TRIES)
    return _Draft(graph, changes, offsets, layout.end(offsets) + kept_bytes(graph))


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
