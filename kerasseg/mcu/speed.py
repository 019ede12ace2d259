"""Milliseconds on a board, from cycles that others have published, with the error that is known; where nobody has, none.

A range is what least and most of the published measurements of a core would take for the multiply-accumulates of a file that
are of their kinds. Figures were read in the sources named; multiply-accumulates are counted from the networks' definitions.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kerasseg.lite.flatbuffer import Graph, Operator
from kerasseg.mcu import boards, work

# Multiply-accumulates by kind of the networks of MLPerf Tiny (github.com/mlcommons/tiny, v0.1/benchmarks) and of TFLite Micro's
# person detection, the same MobileNet with a grey input.
_POINTWISE, _DEPTHWISE = 6_193_152, 798_336  # of a MobileNetV1 of width 0.25 on 96x96
VISUAL_WAKE_WORDS = {"pointwise": _POINTWISE, "depthwise": _DEPTHWISE, "convolution": 497_664, "dense": 512}
PERSON_DETECTION = {"pointwise": _POINTWISE, "depthwise": _DEPTHWISE, "convolution": 165_888, "dense": 512}
RESNET8 = {"pointwise": 262_144, "convolution": 12_238_848, "dense": 640}
DS_CNN = {"pointwise": 2_048_000, "depthwise": 288_000, "convolution": 320_000, "dense": 768}
NETWORKS = {
    "visual wake words": VISUAL_WAKE_WORDS, "person detection": PERSON_DETECTION, "ResNet-8": RESNET8, "DS-CNN": DS_CNN,
}  # fmt: skip


@dataclass(frozen=True)
class Published:
    """A measurement of int8 kernels that somebody has published.

    Attributes:
        core: As in `boards`.
        where: Board, clock and software.
        name: A key of NETWORKS, or a kernel and its shape.
        macs: Kind -> multiply-accumulates; one kind for a kernel.
        cycles: It took.
        source: Where that is written.
    """

    core: str
    where: str
    name: str
    macs: Mapping[str, int]
    cycles: float
    source: str


def _of_mlperf(core: str, where: str, mhz: int, source: str, per_second: Mapping[str, float]) -> tuple[Published, ...]:
    return tuple(
        Published(core, f"{where} at {mhz} MHz", name, NETWORKS[name], mhz * 1e6 / rate, f"github.com/mlcommons/{source}")
        for name, rate in per_second.items()
    )


def _of_esp_nn(name: str, kind: str, macs: int, ticks: int) -> Published:
    where, source = "ESP-NN, data in external memory", "github.com/espressif/esp-nn, README"
    return Published("ESP32-S3", where, name, {kind: macs}, ticks, source)


PUBLISHED = (
    *_of_mlperf(
        "Cortex-M4", "NUCLEO-L4R5ZI, TFLite Micro 2.3.1 with CMSIS-NN", 120, "tiny_results_v0.5, closed/reference",
        {"visual wake words": 1.665, "ResNet-8": 1.420, "DS-CNN": 5.497},
    ),
    *_of_mlperf(
        "Cortex-M4", "NUCLEO-L4R5ZI, microTVM with CMSIS-NN", 120, "tiny_results_v1.0, closed/OctoML",
        {"visual wake words": 3.320, "ResNet-8": 2.567, "DS-CNN": 10.019},
    ),
    *_of_mlperf(
        "Cortex-M33", "EK-RA6M4, TFLite Micro with CMSIS", 200, "tiny_results_v0.7, closed/renesas",
        {"visual wake words": 6.159, "ResNet-8": 4.062, "DS-CNN": 19.774},
    ),
    *_of_mlperf(
        "Cortex-M33", "nRF5340 DK, microTVM with CMSIS-NN", 128, "tiny_results_v1.0, closed/OctoML",
        {"visual wake words": 4.310, "ResNet-8": 3.163, "DS-CNN": 13.143},
    ),
    _of_esp_nn("10x10, 64 from 64 channels", "pointwise", 10 * 10 * 64 * 64, 461_398),
    _of_esp_nn("8x8, 16 from 16 channels", "pointwise", 8 * 8 * 16 * 16, 43_578),
    _of_esp_nn("3x3, 64 from 3 channels, to 8x8", "convolution", 8 * 8 * 64 * 3 * 3 * 3, 643_689),
    _of_esp_nn("3x3 of 16 channels, to 16x16", "depthwise", 16 * 16 * 16 * 3 * 3, 191_931),
    _of_esp_nn("3 from 265", "dense", 265 * 3, 4_439),
    Published(
        "ESP32-S3", "TFLite Micro with ESP-NN at 240 MHz, data in internal memory", "person detection", PERSON_DETECTION,
        240e6 * 0.054, "github.com/espressif/esp-tflite-micro, README",
    ),
)  # fmt: skip
CAVEAT = (
    "Not measured: the file's multiply-accumulates of the kinds that others have timed in int8, at the least and the most of "
    "their published cycles, over the board's clock. The error is how far the middle of such a range lies from a published "
    "network that it was formed without. Weights in external flash, and a tensor arena in slower RAM, take longer."
)
# Instructions of the operators of micro_96, counted once on an emulated Cortex-M7 with CMSIS-NN (TFLite Micro 90b983c2): of 119
# million, MEAN took 26.9, dilated depthwise convolutions 18.7, resizes 7.2, the picture's MUL and ADD 5.7, CONCATENATION 0.5.
ON_TOP = (
    "in micro_96, where these were MEAN, dilated depthwise convolutions, resizes, MUL, ADD and CONCATENATION, they were half "
    "of the instructions that an emulated Cortex-M7 executed"
)


@dataclass(frozen=True)
class Estimate:
    """How long the part of a run may take on a board that published measurements speak of.

    Attributes:
        board: A key of `boards.BOARDS`.
        core: Of the board.
        mhz: Its clock.
        low_ms: At the least published cycles.
        high_ms: At the most.
        error_percent: The largest distance of a published network from the middle of the range that the others give it.
        sources: What was published where.
    """

    board: str
    core: str
    mhz: int
    low_ms: float
    high_ms: float
    error_percent: float
    sources: tuple[str, ...]


def report(graph: Graph) -> dict:
    """Estimates of all boards, and what they leave out, as plain JSON values."""
    covered = covered_macs(graph)
    found = [estimate(covered, name) for name in boards.BOARDS] if covered else []
    without = [name for name, board in boards.BOARDS.items() if not rates(board.core)]
    said = {
        "caveat": CAVEAT,
        "left_out": left_out(graph),
        "boards": [dataclasses.asdict(one) for one in found if one],
        "without_source": {name: boards.BOARDS[name].core for name in without},
    }
    return said | {"lines": _lines(said)}


def estimate(macs: Mapping[str, int], board: str) -> Estimate | None:
    """The range for a board; None where nobody has published a measurement of its core.

    Args:
        macs: Kind -> multiply-accumulates, from `covered_macs`.
        board: A key of `boards.BOARDS`.
    """
    core, mhz = boards.BOARDS[board].core, boards.BOARDS[board].mhz
    known = rates(core)
    if not known:
        return None
    low, high = _cycles(macs, known)
    sources = dict.fromkeys(f"{one.where} ({one.source})" for one in PUBLISHED if one.core == core)
    return Estimate(board, core, mhz, low / mhz / 1e3, high / mhz / 1e3, _error_percent(core), tuple(sources))


def rates(core: str, *, without: str = "") -> dict[str, tuple[float, float]]:
    """Kind -> (least, most) published cycles a multiply-accumulate; of kernels where a core has some, else of networks.

    Args:
        core: Of `boards`.
        without: The name of a network that is not to be looked at.
    """
    of_core = [one for one in PUBLISHED if one.core == core and one.name != without]
    kernels = [one for one in of_core if one.name not in NETWORKS]
    found: dict[str, list[float]] = {}
    for one in kernels or of_core:
        rate = one.cycles / sum(one.macs.values())
        for kind in one.macs if kernels else PERSON_DETECTION:
            found.setdefault(kind, []).append(rate)
    return {kind: (min(of_kind), max(of_kind)) for kind, of_kind in found.items()}


def _cycles(macs: Mapping[str, int], known: Mapping[str, tuple[float, float]]) -> tuple[float, float]:
    return sum(macs[kind] * known[kind][0] for kind in macs), sum(macs[kind] * known[kind][1] for kind in macs)


def _error_percent(core: str) -> float:
    errors = [
        sum(_cycles(one.macs, rates(core, without=one.name))) / 2 / one.cycles - 1
        for one in PUBLISHED
        if one.core == core and one.name in NETWORKS
    ]
    return 100 * max(map(abs, errors))


def covered_macs(graph: Graph) -> dict[str, int]:
    """Kind -> multiply-accumulates of a file that published measurements speak of: undilated and int8."""
    found: dict[str, int] = {}
    for operator in graph.operators:
        kind = _kind(graph, operator)
        if kind:
            found[kind] = found.get(kind, 0) + graph.macs_of(operator)
    return found


def _kind(graph: Graph, operator: Operator) -> str:
    """A kind of `Published.macs`; empty for what the published networks do not consist of."""
    if any(graph.dtype(tensor) != np.int8 for tensor in (*operator.inputs[:2], *operator.outputs)):
        return ""
    if operator.name == "FULLY_CONNECTED":
        return "dense"
    if operator.name not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        return ""
    if operator.options.dilationHFactor != 1 or operator.options.dilationWFactor != 1:
        return ""
    if operator.name == "DEPTHWISE_CONV_2D":
        return "depthwise"
    return "pointwise" if graph.shape(operator.inputs[1])[1:3] == (1, 1) else "convolution"


def left_out(graph: Graph) -> str:
    """A sentence on what the estimates of a file do not count; empty where that is nothing."""
    missing = [one for one in work.work(graph) if not _kind(graph, graph.operators[one.number])]
    if not missing:
        return ""
    share = sum(one.share for one in missing if one.macs)
    kinds = ", ".join(dict.fromkeys(one.operator for one in missing if not one.macs))
    parts = [f"{100 * share:.1f} % of the multiply-accumulates"] if share else []
    parts += [f"{kinds} over {sum(one.numbers for one in missing) / 1e3:.0f} thousand numbers"] if kinds else []
    return f"Left out, and on top of it: {' and '.join(parts)}; {ON_TOP}."


def _lines(found: Mapping) -> list[str]:
    """A board a line."""
    if not found["boards"]:
        return ["no estimate: published measurements are of undilated int8 convolutions, of which the file has none"]
    said = [
        f"{one['board']} ({one['core']}, {one['mhz']} MHz): {one['low_ms']:.0f} to {one['high_ms']:.0f} ms and what is left "
        f"out; published networks were missed by up to {one['error_percent']:.0f} %"
        for one in found["boards"]
    ]
    cores = " and ".join(dict.fromkeys(found["without_source"].values()))
    return [*said, f"no estimate for {cores}: no published measurement was found that could be checked"]
