"""What a microcontroller needs of an int8 file, measured: memory, exactness, boards and NPUs, and the sources."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from kerasseg.lite.flatbuffer import Graph
from kerasseg.mcu import (
    boards,
    class_map,
    differences,
    ethos,
    firmware,
    memory,
    operators,
    parity,
    planned,
    runtime,
    scratch,
    tail,
    trials,
    vectors,
)
from kerasseg.mcu import speed as published
from kerasseg.mcu import work as works
from kerasseg.mcu.plan import Plan

KIB = 1024


@dataclass(frozen=True)
class Inputs:
    """What a file is run on.

    Attributes:
        source: Where it is from, in words.
        batches: One array an input of the file, of its shape and type, a run; taken once.
    """

    source: str
    batches: Iterable[Sequence[np.ndarray]]


@dataclass(frozen=True)
class Measurement:
    """A file on a microcontroller.

    Attributes:
        file: Its name.
        sha256: Its hash.
        bytes: Its length, which is the flash it takes.
        macs: Multiply-accumulates of a run.
        tflite_micro: Version of the interpreter that measured.
        operators: Kind -> how many, and how many of those CMSIS-NN computes.
        work: Every operator, whose kernel computes it, and its share (`work.report`).
        speed: Milliseconds on boards, as far as there is a source (`speed.report`).
        arena: As TFLite Micro's recorder counts it.
        margin_percent: Added to the arena in arena.h.
        margin_bytes: The same in bytes, a multiple of 16.
        scratch_bytes: What CMSIS-NN's scratch buffers make the arena larger by.
        source: What it was run on, in words.
        exactness: Beside LiteRT's reference kernels.
        differences: What is accepted of those, and why they are.
        memory: Live tensors of every operator, the peak, and what would lower it (`memory.report`).
        tail: What the bytes that stay are, in parts that sum to them.
        memory_plan: What the plan brings; None for a file without.
        unknown: What was not measured, a sentence each.
        accelerators: Vela's estimates.
        boards: Every board, and whether the file fits.
    """

    file: str
    sha256: str
    bytes: int
    macs: int
    tflite_micro: str
    operators: dict[str, dict]
    work: list[dict]
    speed: dict
    arena: runtime.Arena
    margin_percent: float
    margin_bytes: int
    scratch_bytes: int
    source: str
    exactness: parity.Exactness
    differences: differences.Differences
    memory: dict
    tail: tuple[tail.Kept, ...]
    memory_plan: planned.Outcome | None
    unknown: tuple[str, ...]
    accelerators: tuple[ethos.Estimate, ...]
    boards: tuple[boards.Fit, ...]

    @property
    def needed_bytes(self) -> int:
        """Of the arena, with what CMSIS-NN adds and its margin."""
        return self.arena.total_bytes + self.scratch_bytes + self.margin_bytes

    def to_json(self) -> dict:
        """As plain JSON values; the margin stands with the arena."""
        margin = {
            "margin_percent": self.margin_percent,
            "margin_bytes": self.margin_bytes,
            "scratch_bytes": self.scratch_bytes,
            "with_margin_bytes": self.needed_bytes,
        }
        nested = {name: [one.to_json() for one in getattr(self, name)] for name in ("accelerators", "boards")}
        values = dataclasses.asdict(self) | nested | {"arena": self.arena.to_json() | margin, "unknown": list(self.unknown)}
        return {name: value for name, value in values.items() if name not in margin}


def measure(
    content: bytes,
    inputs: Inputs,
    *,
    file: str,
    request: firmware.Request,
    plan: Plan | None = None,
    margin_percent: float = 10.0,
    tolerance_lsb: int = -1,
    accelerators: Sequence[str] = (),
    log: Callable[[str], None] = lambda line: None,
) -> tuple[Measurement, dict[str, str | bytes]]:
    """Runs a file in TFLite Micro's own interpreter and holds it against LiteRT's reference kernels.

    Args:
        content: Of the int8 .tflite file, which has passed `operators.check` and `runtime.check_shapes`.
        inputs: At least one run.
        file: The file's name.
        request: What is asked of the sources.
        plan: Made of the file by `plan.search`; then everything but Vela's part is of its content.
        margin_percent: Added to the measured arena.
        tolerance_lsb: Steps by which an output may differ; -1 for what `differences.judge` accepts.
        accelerators: Keys of `ethos.ACCELERATORS` to compile for with Vela.
        log: Gets a line a stage.

    Returns:
        What was measured, and file name -> content of the sources, and of what Vela compiled.

    Raises:
        InputError: TFLite Micro, LiteRT or Vela refuses the file, or is not installed; or its plan gives other numbers.
    """
    before, content = content, plan.content if plan else content
    file = f"{file.removesuffix('.tflite')}_planned.tflite" if plan else file
    graph, sha256 = Graph(content), hashlib.sha256(content).hexdigest()
    log(f"measuring the arena of {file} in TFLite Micro")
    arena = runtime.measure_arena(content)
    room = firmware.Memory(
        arena.total_bytes, arena.head_bytes, arena.tail_bytes, margin_percent,
        scratch_bytes=scratch.arena_growth(graph), version=runtime.version(),
    )  # fmt: skip
    made = _compiled(before, accelerators, log)
    log(f"comparing with LiteRT's reference kernels on {inputs.source}")
    batches = list(inputs.batches)
    exactness, outputs = parity.compare(content, batches)
    apart = differences.judge(content, batches, outputs, exactness=exactness, tolerance_lsb=tolerance_lsb)
    outcome = planned.hold(before, plan, batches, file=file) if plan else None
    vector = _vector(graph, inputs.source, batches, outputs)
    sources: dict[str, str | bytes] = {file: content} if plan else {}
    note = planned.note(outcome) if outcome else ""
    sources |= firmware.sources(
        content, file=file, sha256=sha256, request=request, room=room, vector=vector, note=note
    )  # fmt: skip
    for npu, compiled in made:
        sources |= firmware.npu_sources(compiled, npu, request=request, room=room, vector=vector)
    needed = arena.total_bytes + room.scratch_bytes + room.margin_bytes
    found = Measurement(
        file=file,
        sha256=sha256,
        bytes=len(content),
        macs=graph.macs(),
        tflite_micro=runtime.version(),
        operators=_operators(graph),
        work=works.report(graph),
        speed=published.report(graph),
        arena=arena,
        margin_percent=margin_percent,
        margin_bytes=room.margin_bytes,
        scratch_bytes=room.scratch_bytes,
        source=inputs.source,
        exactness=exactness,
        differences=apart,
        memory=memory.report(graph),
        tail=tail.breakdown(graph, trials.record(content), tail_bytes=arena.tail_bytes),
        memory_plan=outcome,
        unknown=_unknown(room),
        accelerators=tuple(npu for npu, _ in made),
        boards=tuple(boards.fit(one, flash_bytes=len(content), arena_bytes=needed) for one in boards.BOARDS),
    )
    return found, sources


def _compiled(
    content: bytes, accelerators: Sequence[str], log: Callable[[str], None]
) -> list[tuple[ethos.Estimate, bytes]]:  # fmt: skip
    made = []
    for accelerator in accelerators:
        log(f"compiling for {accelerator} with Vela")
        made.append(ethos.compiled(content, accelerator=accelerator))
    return made


def _vector(
    graph: Graph, source: str, batches: Sequence[Sequence[np.ndarray]], outputs: Sequence[Sequence[np.ndarray]]
) -> vectors.Vector:  # fmt: skip
    """The run in whose output most classes are, the first of them: a map of one class would show little."""
    logits, best = class_map.logits_of(graph), 0
    if logits:
        counts = [len(np.unique(class_map.class_ids(one[0], stride=logits.stride))) for one in outputs]
        best = counts.index(max(counts))
    return vectors.Vector(f"number {best + 1} of {source}", tuple(batches[best]), tuple(outputs[best]))


def _operators(graph: Graph) -> dict[str, dict]:
    fast = operators.optimized(graph)
    return {kind: {"count": count, "cmsis_nn": fast.get(kind, 0)} for kind, count in operators.count(graph).items()}


def _unknown(room: firmware.Memory) -> tuple[str, ...]:
    return (
        "Not measured: scratch buffers of optimized kernels, which the wheel does not have. By CMSIS-NN's formulas, the larger "
        f"of DSP and Helium, they make the arena {room.scratch_bytes} bytes larger, which arena.h adds.",
        "Not measured: the tail on a 32-bit chip. Pointers have 8 bytes where this was measured, 4 there: it is smaller.",
        f"Not measured here: the program. Boards are held against file and arena, {boards.CODE_BYTES / KIB:.0f} KiB of code "
        f"and {(boards.STATIC_BYTES + boards.STACK_BYTES) / KIB:.1f} KiB of data and stack, which a program of seven kinds of "
        "operators with CMSIS-NN took on a Cortex-M7; yours has more.",
    )


def failures(
    found: Measurement, *, arena_budget_kib: float = 0.0, flash_budget_kib: float = 0.0, board: str = ""
) -> list[str]:  # fmt: skip
    """What does not hold, a sentence each.

    Args:
        found: What was measured.
        arena_budget_kib: Largest accepted arena, with its margin; 0 for no limit.
        flash_budget_kib: Largest accepted file; 0 for no limit.
        board: That it has to fit, a key of `boards.BOARDS`; empty for none.
    """
    said = []
    exact, needed_kib, flash_kib = (found.exactness, found.needed_bytes / KIB, found.bytes / KIB)
    if exact.equal < exact.runs and not 0 < exact.largest_difference <= found.differences.tolerance_lsb:
        said.append(
            f"{exact.runs - exact.equal} of {exact.runs} outputs differ from LiteRT's reference kernels, by up to "
            f"{exact.largest_difference} steps, accepted are {found.differences.tolerance_lsb} (--tolerance_lsb); "
            f"the first operator is {exact.first_operator}"
        )
    if arena_budget_kib and needed_kib > arena_budget_kib:
        said.append(f"the arena takes {needed_kib:.1f} KiB with its margin; --arena_budget_kib is {arena_budget_kib:g}")
    if flash_budget_kib and flash_kib > flash_budget_kib:
        said.append(f"the file takes {flash_kib:.1f} KiB; --flash_budget_kib is {flash_budget_kib:g}")
    for one in found.boards:
        if one.board == board and not one.fits:
            said.append(
                f"it does not fit {board}: {one.flash_room_kib:+.0f} KiB of flash and "
                f"{one.ram_room_kib:+.0f} KiB of RAM would be left"
            )
    return said
