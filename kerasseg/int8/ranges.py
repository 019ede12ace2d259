"""The range of every activation: what int8 has 256 steps for.

TensorFlow 2.21's own calibrator is not used: it reads tensors after the run, when in-place operators (ADD and MUL write over
their first input) have replaced them, so a hard-swish gate of 0..6 is taken for the product's range. Here LiteRT keeps every
tensor. The range is the mean over pictures of where each picture's values end (the moving-average observer of Jacob et al.,
CVPR 2018, section 3.1, with equal weights), but for the few that lie furthest out (a percentile: Wu et al. 2020,
arXiv:2004.09602): the largest over all pictures, and in a large tensor of one picture, is set by single pixels.
"""

import math
from itertools import zip_longest

import numpy as np

from kerasseg.errors import InputError
from kerasseg.int8.calibration import Representative
from kerasseg.lite import pieces
from kerasseg.lite.flatbuffer import RELU6, Graph, Operator

Ranges = dict[int, tuple[float, float]]

# Operators whose int8 form copies, averages or interpolates steps: inputs and output have one scale.
SAME_SCALE = {
    "AVERAGE_POOL_2D", "CONCATENATION", "MAX_POOL_2D", "PAD", "PADV2", "RESHAPE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR",
}  # fmt: skip
OUTSIDE = 3e-5  # of a picture's values, at either end of a range; none of a tensor with fewer than 33,334 numbers
LARGEST_REQUANTIZATION = 128.0  # half of XNNPACK's limit of 2^8 (src/subgraph/validation.c), which refuses the whole file


def measure(
    content: bytes, representative: Representative, *, outside: float = OUTSIDE, piece_bytes: int = pieces.PIECE_BYTES
) -> Ranges:
    """Ranges of all activations of a float file.

    Args:
        content: A float32 .tflite file.
        representative: Calibration images.
        outside: Share of a picture's values, 0..1, that is left out at either end of a range.
        piece_bytes: Most bytes of tensors that are kept at a time; the ranges are the same whatever it is.

    Returns:
        Tensor number -> (low, high), low <= 0 <= high, as int8 operators and XNNPACK can have them.
    """
    walker = pieces.Walker(content, piece_bytes=piece_bytes)
    sums: dict[int, np.ndarray] = {tensor: np.zeros(2) for tensor in walker.activations}
    count = 0
    for (image,) in representative():
        count += 1
        for tensor, values in walker.walk(image):
            if not np.isfinite(values).all():
                raise InputError(
                    f"{walker.names[tensor]} is not finite on a calibration picture; train with a lower --learning_rate"
                )
            sums[tensor] += _ends(values, outside)
    graph = Graph(content)
    found = {tensor: (min(total[0] / count, 0.0), max(total[1] / count, 0.0)) for tensor, total in sums.items()}
    found |= of_pictures(graph)
    for operator in graph.operators:
        if operator.name == "LOGISTIC":
            found[operator.outputs[0]] = (0.0, 255 / 256)  # TFLite's kernel knows no other
    return widen(graph, tie(graph, cut_below_gates(graph, found)))


def _ends(values: np.ndarray, outside: float) -> tuple[float, float]:
    """Where the values of a picture begin and end, but for a share of the smallest and of the largest."""
    left_out = int(outside * values.size)
    if not left_out:
        return values.min(), values.max()
    ordered = np.partition(values, (left_out, values.size - 1 - left_out), axis=None)
    return ordered[left_out], ordered[-1 - left_out]


def of_pictures(graph: Graph) -> Ranges:
    """Ranges that need no measuring: 0..255 for the input, and what products and sums with one constant make of it.

    Measured ones would be narrower, for not every small picture has black and white, and the numbers of a picture would be
    rounded once more.
    """
    known = {int(graph.model.subgraphs[0].inputs[0]): (0.0, 255.0)}
    for operator in graph.operators:
        if operator.name in ("MUL", "ADD") and operator.inputs[0] in known and not operator.options.fusedActivationFunction:
            constant = graph.constant(operator.inputs[1])
            if constant is not None and constant.size == 1:
                ends = np.array(known[operator.inputs[0]])
                ends = ends * constant.item() if operator.name == "MUL" else ends + constant.item()
                known[operator.outputs[0]] = _zero_on_a_step(min(*ends, 0.0), max(*ends, 0.0))
    return known


def cut_below_gates(graph: Graph, ranges: Ranges) -> Ranges:
    """Ranges that begin where a hard-swish written x * relu6(a * x + 3) does: it is 0 for every x below -3 / a.

    Some of MobileNetV3's reach -50, and their steps would be several times as wide. Nothing is lost by it.
    """
    takers: dict[int, list[Operator]] = {}
    for operator in graph.operators:
        for tensor in operator.inputs:
            takers.setdefault(tensor, []).append(operator)
    cut = dict(ranges)
    for gate in graph.operators:
        x, bound = gate.inputs[0], _where_relu6_begins(graph, gate)
        if bound is None or x not in cut:
            continue
        others = [one for one in takers[x] if one is not gate]
        if len(others) == 1 and others[0].name == "MUL" and set(others[0].inputs) == {x, gate.outputs[0]}:
            cut[x] = (max(cut[x][0], bound), cut[x][1])
    return cut


def _where_relu6_begins(graph: Graph, gate: Operator) -> float | None:
    """The largest x for which all channels of relu6(a * x + b), a > 0, are 0; None for another operator."""
    if getattr(gate.options, "fusedActivationFunction", None) != RELU6:
        return None
    factor, offset = (np.ones(1), graph.constant(gate.inputs[1])) if gate.name == "ADD" else (None, None)
    if gate.name == "DEPTHWISE_CONV_2D" and graph.shape(gate.inputs[1])[1:3] == (1, 1) and len(gate.inputs) > 2:
        factor, offset = graph.constant(gate.inputs[1]), graph.constant(gate.inputs[2])
    if factor is None or offset is None or (factor <= 0).any():
        return None
    return min(0.0, float((-offset.ravel() / factor.ravel()).min()))


def _zero_on_a_step(low: float, high: float) -> tuple[float, float]:
    """The narrowest range of 255 steps that holds low..high and has 0 on a step.

    TFLite's quantizer would shift -1..1 by half a step, and every number of a picture would lie between two steps.
    """
    below = math.ceil(round(255 * -low / (high - low), 6))
    step = max(-low / below if below else 0.0, high / (255 - below) if below < 255 else 0.0)
    return -below * step, (255 - below) * step


def carry(old: bytes, new: bytes, found: Ranges) -> Ranges:
    """Ranges of one file for another of the same network with other weights.

    Raises:
        InputError: the files have other operators, as weights that became 0 or 1 and were folded away can make them.
    """
    here, there = Graph(old), Graph(new)
    for one, other in zip_longest(here.operators, there.operators):
        kinds = [f"{op.name} {g.shape(op.outputs[0])}" if op else "nothing" for g, op in ((here, one), (there, other))]
        if kinds[0] != kinds[1]:
            raise InputError(
                f"the ranges of one file do not fit the other: it has {kinds[1]} where {kinds[0]} was measured; "
                "calibrate again (remove the run's folder qat to train QAT anew)"
            )
    pairs = zip(_activations(here), _activations(there), strict=True)
    return {int(after): found[int(before)] for before, after in pairs}


def _activations(graph: Graph) -> list[int]:
    return [graph.model.subgraphs[0].inputs[0], *(operator.outputs[0] for operator in graph.operators)]


def tie(graph: Graph, ranges: Ranges) -> Ranges:
    """One range for all tensors that operators of SAME_SCALE join."""
    groups = {tensor: {tensor} for tensor in ranges}
    for operator in graph.operators:
        if operator.name in SAME_SCALE:
            joined = set().union(*(groups[t] for t in (*operator.inputs, *operator.outputs) if t in ranges))
            groups |= dict.fromkeys(joined, joined)
    return {tensor: (min(ranges[t][0] for t in group), max(ranges[t][1] for t in group)) for tensor, group in groups.items()}


def widen(graph: Graph, ranges: Ranges) -> Ranges:
    """Ranges no narrower than XNNPACK takes.

    Some squeeze-excite blocks of MobileNetV3 give 0 for every picture; a range of no width would make the requantization
    scale (input scale * weight scale / output scale) endless.
    """
    wide = dict(ranges)
    for operator in graph.operators:
        for tensor in operator.outputs:
            if tensor in wide and operator.name not in SAME_SCALE:
                low, high = wide[tensor]
                least = 255 * _accumulator_scale(graph, operator, wide) / LARGEST_REQUANTIZATION
                wide[tensor] = (low, max(high, low + least, 1e-6))
    return wide


def _accumulator_scale(graph: Graph, operator: Operator, ranges: Ranges) -> float:
    """The largest scale of what an operator requantizes."""
    steps = [(ranges[t][1] - ranges[t][0]) / 255 for t in operator.inputs if t in ranges]
    kernel = graph.constant(operator.inputs[1]) if len(operator.inputs) > 1 else None
    if operator.name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED") and kernel is not None:
        return steps[0] * float(np.abs(kernel).max()) / 127
    if operator.name == "MUL":
        constant = 1.0 if kernel is None else float(np.abs(kernel).max()) / 127
        return float(np.prod(steps)) * constant
    return max(steps, default=0.0)
