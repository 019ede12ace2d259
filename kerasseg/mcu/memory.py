"""Where the memory of a .tflite file goes: which tensors are alive while each operator runs, and what would make them fewer."""

import dataclasses
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from kerasseg.lite.flatbuffer import Graph
from kerasseg.mcu import offline, placement

ALIGNMENT = 16  # bytes: TFLite Micro's planner places every tensor at such a step

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Live:
    """The memory while one operator runs.

    Attributes:
        operator: As in TFLite's schema: CONV_2D.
        layer: The layer it came from, as far as the tensor's name tells.
        live_bytes: Its inputs and outputs and everything that a later operator still needs, each rounded up to ALIGNMENT; bytes
            that a file's memory plan gives to several of them count once.
        tensors: (layer, shape, bytes) of each, largest first.
    """

    operator: str
    layer: str
    live_bytes: int
    tensors: tuple[tuple[str, Shape, int], ...]


@dataclass(frozen=True)
class Saving:
    """What one change would do to the peak of live bytes, computed from the same lifetimes.

    Attributes:
        change: What to do.
        peak_bytes: The peak then.
        saved_bytes: Less than now.
        flash_bytes: Bytes of constants that go with it.
    """

    change: str
    peak_bytes: int
    saved_bytes: int
    flash_bytes: int


def live(graph: Graph, *, reshape: Callable[[Shape], Shape] = lambda shape: shape, operators: int | None = None) -> list[Live]:
    """The live tensors of every operator, in order of execution. A lower bound to any arena; planners come close to it.

    Args:
        graph: The file.
        reshape: What becomes of the shape of each activation, to ask "what if".
        operators: Count only the first so many; None for all.
    """
    done = graph.operators[:operators]
    computed = {tensor for operator in done for tensor in operator.outputs}
    inputs = {int(tensor) for tensor in graph.model.subgraphs[0].inputs}
    first = dict.fromkeys(inputs, 0) | {tensor: i for i, operator in enumerate(done) for tensor in operator.outputs}
    last = {tensor: i for i, operator in enumerate(done) for tensor in operator.inputs if tensor in first}
    ends = {int(tensor) for tensor in graph.model.subgraphs[0].outputs} | {*done[-1].outputs}
    last |= dict.fromkeys(ends & computed, len(done) - 1)
    spans = offline.spans(graph, offsets) if (offsets := offline.offsets_of(graph)) else None
    found = []
    for i, operator in enumerate(done):
        alive = [tensor for tensor in first if first[tensor] <= i <= last.get(tensor, first[tensor])]
        sizes = [(layer_of(graph.name(t)), reshape(graph.shape(t)), _aligned(graph, t, reshape)) for t in alive]
        total = placement.covered(spans[i]) if spans else sum(size for _, _, size in sizes)
        sizes.sort(key=lambda entry: -entry[2])
        found.append(Live(operator.name, layer_of(graph.name(operator.outputs[0])), total, tuple(sizes)))
    return found


def peak(found: list[Live]) -> Live:
    """The first operator at which most bytes are alive."""
    return max(found, key=lambda one: one.live_bytes)


def savings(graph: Graph) -> list[Saving]:
    """What would lower the peak, or spare flash: logits without their last resize, a smaller input, an earlier cut.

    Nothing is said of a file with a memory plan, which holds for its own shapes alone.
    """
    if offline.offsets_of(graph):
        return []
    now = live(graph)
    top = peak(now).live_bytes
    found = []

    def add(change: str, then: list[Live], flash_bytes: int = 0) -> None:
        lower = peak(then).live_bytes
        if lower < top or flash_bytes:
            found.append(Saving(change, lower, top - lower, flash_bytes))

    end = graph.operators[-1]
    if end.name.startswith("RESIZE_"):
        factor = graph.shape(end.outputs[0])[1] // graph.shape(end.inputs[0])[1]
        add(f"logits {factor} times coarser, the last resize outside (logits_stride)", live(graph, operators=-1))
    for share in (3 / 4, 1 / 2):
        add(f"an input of {share:g} of each side (size)", live(graph, reshape=partial(_scaled, share=share)))
    blocks = sorted({int(number) for one in now for number in re.findall(r"^expanded_conv_(\d+)_", one.layer)})
    for number in blocks[-2:]:
        cut = [block for block in blocks if block >= number]
        kept = [one for one in now if not re.match(rf"expanded_conv_({'|'.join(map(str, cut))})_", one.layer)]
        gone = [o for o, one in zip(graph.operators, now, strict=True) if one not in kept]
        add(f"a backbone cut before expanded_conv_{number} (last_block)", kept, sum(_constants(graph, o.inputs) for o in gone))
    return found


def report(graph: Graph) -> dict:
    """Peak, every operator and the savings, as plain JSON values."""
    found = live(graph)
    return {
        "peak": dataclasses.asdict(peak(found)),
        "operators": [dataclasses.asdict(one) for one in found],
        "savings": [dataclasses.asdict(one) for one in savings(graph)],
    }


def layer_of(name: str) -> str:
    """The Keras layer in a tensor's name: "net_1/conv_act_1/Relu;net_1/conv_1/BiasAdd" -> "conv".

    Keras' exporter numbers layers where it exports for a second time, and then the model's name, too.
    """
    if name.startswith("StatefulPartitionedCall"):
        return "output"
    paths = [part.split("/") for part in name.split(";") if part.count("/") >= 1]
    if not paths or len(paths[-1]) < 3:
        return name
    model, layer = paths[-1][0], paths[-1][1]
    return re.sub(r"_\d+$", "", layer) if re.search(r"_\d+$", model) else layer


def _aligned(graph: Graph, tensor: int, reshape: Callable[[Shape], Shape]) -> int:
    dtype = graph.dtype(tensor)
    size = math.prod(reshape(graph.shape(tensor))) * (dtype.itemsize if dtype else 1)
    return -(-size // ALIGNMENT) * ALIGNMENT


def _scaled(shape: Shape, *, share: float) -> Shape:
    if len(shape) not in (3, 4):  # (1, H, W) are class ids
        return shape
    return (shape[0], *(max(1, math.ceil(side * share)) for side in shape[1:3]), *shape[3:])


def _constants(graph: Graph, tensors: tuple[int, ...]) -> int:
    values = [graph.constant(tensor) for tensor in tensors]
    return int(sum(np.asarray(value).nbytes for value in values if value is not None))
