"""Scales of products that every runtime multiplies by the same number.

A MUL's multiplier is the product of its inputs' scales over its output's, to 31 bits. LiteRT forms it in float32
(tensorflow/lite/kernels/mul.cc), TFLite Micro in double (tensorflow/lite/micro/kernels/mul_common.cc); where both are apart, so
are numbers on the edge between two steps. One output scale in some hundred gives the same in both, unless the product of the
inputs' scales is rounded by much: then an input's scale is moved first.

Biases are rounded here, by one rule: the nearest whole step, in float32. TFLite's quantizer multiplies by the inverse of the
step instead and rounds halves up: one bias in some two hundred is another, and training for int8 would have to know both.
"""

import numpy as np

from kerasseg.int8.ranges import SAME_SCALE
from kerasseg.lite import surgery
from kerasseg.lite.flatbuffer import Graph, Operator

CANDIDATES = 1 << 14  # scales that are tried, in steps of float32: the last is a thousandth larger
ROUNDS = 8
WHOLE = 1e-5  # of a step, times 255 far from the half at which it would be rounded
CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")


def agreeing(content: bytes, *, floating: bytes = b"") -> bytes:
    """A quantized file of this package whose products have multipliers that LiteRT and TFLite Micro agree on.

    Args:
        content: The file.
        floating: The float32 file that it was made from, whose biases are rounded; without it those of the file are rounded
            again where they get other steps.
    """
    graph = Graph(content)
    products = [one for one in graph.operators if one.name == "MUL" and _may_be_apart(graph, one)]
    groups, before = _groups(graph), [graph.scales(tensor) for tensor in range(len(graph.tensors))]
    for _ in range(ROUNDS):  # a scale that is moved may be another product's
        apart = [one for one in products if not _agree(*(graph.scales(tensor)[0] for tensor in _ends(one)))]
        for operator in apart:
            _move(graph, operator, groups)
        if not apart:
            break
    moved = {tensor for tensor, scales in enumerate(before) if (graph.scales(tensor) != scales).any()}
    biases = _biases(Graph(floating)) if floating else {}
    if not moved and not biases:
        return content
    surgery.unshare(graph, kinds=CONVOLUTIONS)
    for operator in Graph.of(graph.model).operators:
        real = biases.get(graph.name(operator.outputs[0]))
        if operator.name in CONVOLUTIONS and len(operator.inputs) > 2 and (real is not None or operator.inputs[0] in moved):
            _round_bias(graph, operator, real)
    return graph.content()


def _may_be_apart(graph: Graph, operator: Operator) -> bool:
    """Whether a last bit of a multiplier can matter: not where whole steps are multiplied to whole steps.

    The picture is rescaled so, and that product's scale has to stay, or the picture itself would be rounded.
    """
    if any(len(graph.scales(tensor)) != 1 for tensor in _ends(operator)):
        return False
    factor = graph.constant(operator.inputs[1])
    if factor is None or factor.size > 1:
        return True
    first, second, out = (float(graph.scales(tensor)[0]) for tensor in _ends(operator))
    steps = first * second / out * (int(factor.item()) - int(graph.tensors[operator.inputs[1]].quantization.zeroPoint[0]))
    return abs(steps - round(steps)) > WHOLE


def _move(graph: Graph, operator: Operator, groups: dict[int, set[int]]) -> None:
    """Gives a product's output, and what has to have its scale, the next larger scale that agrees.

    Where there is none, its first input gets one whose product with the second is hardly rounded, so that there is one then.
    """
    first, second, out = (graph.scales(tensor)[0].astype(np.float32) for tensor in _ends(operator))
    tensor, tried = operator.outputs[0], _larger(out)
    fits = _agree(first, second, tried)
    best = int(fits.argmax())
    if not fits.any():
        tensor, tried = operator.inputs[0], _larger(first)[: CANDIDATES // 64]
        exact = tried.astype(np.float64) * float(second)
        best = int(np.abs((tried * second).astype(np.float64) / exact - 1).argmin())
    for one in groups.get(tensor, {tensor}):
        graph.tensors[one].quantization.scale = tried[[best]]


def _biases(graph: Graph) -> dict[str, np.ndarray]:
    """Name of a convolution's output -> its bias."""
    convolutions = (one for one in graph.operators if one.name in CONVOLUTIONS and len(one.inputs) > 2)
    found = ((graph.name(one.outputs[0]), graph.constant(one.inputs[2])) for one in convolutions)
    return {name: bias for name, bias in found if bias is not None}


def _round_bias(graph: Graph, operator: Operator, real: np.ndarray | None) -> None:
    """Gives a convolution's bias whole steps of its input and kernel as they are now."""
    source, kernel, bias = operator.inputs[:3]
    values = graph.constant(bias)
    if values is None or not len(graph.scales(bias)):
        return
    new = (graph.scales(source) * graph.scales(kernel)).astype(np.float32)
    steps = np.rint((values * graph.scales(bias).astype(np.float64) if real is None else real) / new)
    limit = np.iinfo(values.dtype).max  # a kernel of zeros has next to no step
    whole = np.clip(steps.astype(np.float64), -limit, limit).astype(values.dtype)
    graph.model.buffers[graph.tensors[bias].buffer].data = np.frombuffer(whole.tobytes(), np.uint8)
    graph.tensors[bias].quantization.scale = new


def _larger(scale: np.float32) -> np.ndarray:
    return (scale + np.arange(1, CANDIDATES, dtype=np.float32) * np.spacing(scale)).astype(np.float32)


def _agree(first: np.ndarray, second: np.ndarray, out: np.ndarray) -> np.ndarray:
    scales = [np.asarray(scale, np.float32) for scale in (first, second, out)]
    narrow, wide = (one * other / result for one, other, result in (scales, [scale.astype(np.float64) for scale in scales]))
    return _fixed(narrow) == _fixed(wide)


def _fixed(multiplier: np.ndarray) -> np.ndarray:
    """As TFLite's QuantizeMultiplier has it: 31 bits of mantissa."""
    return np.floor(np.frexp(multiplier)[0].astype(np.float64) * 2.0**31 + 0.5)


def _ends(operator: Operator) -> tuple[int, ...]:
    return (*operator.inputs, *operator.outputs)


def _groups(graph: Graph) -> dict[int, set[int]]:
    """Tensor -> all that share its scale because an operator copies or interpolates steps."""
    groups: dict[int, set[int]] = {}
    for operator in graph.operators:
        if operator.name in SAME_SCALE:
            ends = [tensor for tensor in _ends(operator) if len(graph.scales(tensor)) == 1]
            joined = set(ends).union(*(groups.get(tensor, set()) for tensor in ends))
            groups |= dict.fromkeys(joined, joined)
    return groups
