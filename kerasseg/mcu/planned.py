"""A memory plan held against the file that it was made of: the same numbers, less arena, how much more work."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerasseg.errors import InputError
from kerasseg.lite.flatbuffer import Graph
from kerasseg.lite.inspection import Reference
from kerasseg.mcu import runtime, scratch, trials
from kerasseg.mcu.cpp import template
from kerasseg.mcu.plan import Plan

TIMED_RUNS = 5  # of each file, in turn


@dataclass(frozen=True)
class Size:
    """What a file takes.

    Attributes:
        arena_bytes: As TFLite Micro's recorder counts it.
        head_bytes: Of that, activations.
        tail_bytes: Of that, what stays.
        scratch_bytes: What CMSIS-NN's scratch buffers make the arena larger by.
        macs: Multiply-accumulates of a run.
        flash_bytes: Length of the file.
    """

    arena_bytes: int
    head_bytes: int
    tail_bytes: int
    scratch_bytes: int
    macs: int
    flash_bytes: int


@dataclass(frozen=True)
class Outcome:
    """What a plan brings.

    Attributes:
        file: Name of the planned file.
        before: What the file took.
        after: What the planned one takes.
        changes: "strips" or "phases", how many, the first and the last layer, a row each in order of execution.
        runs: Inputs on which both files gave the same outputs to the bit, in TFLite Micro and in LiteRT's reference kernels.
        time_ratio: Median processor time of a run in TFLite Micro's reference kernels here, of that of the file before.
    """

    file: str
    before: Size
    after: Size
    changes: tuple[dict, ...]
    runs: int
    time_ratio: float

    def to_json(self) -> dict:
        """As plain JSON values."""
        return dataclasses.asdict(self)


def hold(content: bytes, plan: Plan, batches: Sequence[Sequence[np.ndarray]], *, file: str) -> Outcome:
    """Runs a file and its plan on the same inputs, in both engines.

    Args:
        content: Of the file before.
        plan: Made of it.
        batches: One array an input, a run.
        file: Name that the planned file gets.

    Raises:
        InputError: an output differs.
    """
    pair = (content, plan.content)
    engines = {
        "LiteRT": [_litert(one, batches) for one in pair],
        "TFLite Micro": [trials.outputs(one, batches) for one in pair],
    }
    for engine, (before, after) in engines.items():
        equal = [all(map(np.array_equal, ours, theirs)) for ours, theirs in zip(before, after, strict=True)]
        different = len(batches) - sum(equal)
        if different:
            raise InputError(
                f"with its memory plan the file gives other numbers in {engine} for {different} of {len(batches)} inputs; "
                "leave out --memory_plan, and report the file"
            )
    first, second = trials.median_seconds(pair, batches[0], runs=TIMED_RUNS)
    changes = tuple(
        {"what": one.what, "parts": one.parts, "first": one.layers[0], "last": one.layers[1], "extra_macs": one.macs}
        for one in plan.changes
    )
    graph = Graph(content)
    old = _size(content, runtime.measure_arena(content), graph, scratch.arena_growth(graph))
    new = _size(plan.content, plan.arena, Graph(plan.content), plan.scratch_bytes)
    return Outcome(file, old, new, changes, len(batches), second / first)


def note(outcome: Outcome) -> str:
    """What README.md says of a plan."""
    before, after = outcome.before, outcome.after
    return template("plan.md").substitute(
        file=outcome.file, before=before.arena_bytes, after=after.arena_bytes, macs=_million(before),
        macs_after=_million(after), runs=outcome.runs,
    )  # fmt: skip


def _million(size: Size) -> str:
    return f"{size.macs / 1e6:.2f}"


def _litert(content: bytes, batches: Sequence[Sequence[np.ndarray]]) -> list[list[np.ndarray]]:
    reference = Reference(content)
    return [[np.array(one) for one in reference.run(inputs)] for inputs in batches]


def _size(content: bytes, arena: runtime.Arena, graph: Graph, scratch_bytes: int) -> Size:
    return Size(arena.total_bytes, arena.head_bytes, arena.tail_bytes, scratch_bytes, graph.macs(), len(content))
