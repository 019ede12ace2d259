"""Files with int8 weights and int16 activations (16x8), for networks that lose too much in 256 steps."""

import numpy as np
from tensorflow.lite.python.optimize import calibrator  # TFLite's quantizer of ranges that are given knows no int16 constants

from kerasseg.int8 import ranges
from kerasseg.lite import retyping, surgery
from kerasseg.lite.flatbuffer import Graph
from kerasseg.quiet import quiet

HEADROOM = 4.0  # times the measured range: a number that is cut off costs more than two of 16 bits


def with_ranges(content: bytes, found: ranges.Ranges, *, io_type: str = "int16") -> bytes:
    """TFLite's 16x8 quantization of a float file with given ranges; every zero point is 0.

    Bilinear resizes are computed in int8, between two QUANTIZE: TFLite Micro has no other.

    Args:
        content: A float32 .tflite file.
        found: Tensor number -> (low, high), for every activation.
        io_type: Type of input and output: "int16" or "float32".
    """
    graph = Graph(content)
    exact = ranges.of_pictures(graph)
    for tensor, (low, high) in found.items():
        most = max(-low, high) * (1.0 if tensor in exact else HEADROOM)
        graph.set_range(tensor, -most, most)
    surgery.unshare(graph)
    narrow = {graph.name(tensor): limits for tensor, limits in found.items()}
    given = graph.content()  # the quantizer keeps no copy
    outside, inside, bias = (np.dtype(name).num for name in (io_type, "int16", "int64"))
    with quiet():
        quantizer = calibrator.Calibrator(given)._calibrator
        quantized = bytes(quantizer.QuantizeModel(outside, outside, False, inside, bias, False, False))
    return _with_int8_resizes(quantized, narrow)


def _with_int8_resizes(content: bytes, limits: dict[str, tuple[float, float]]) -> bytes:
    """A file whose bilinear resizes have int8 tensors of their own; `limits` are the ranges by name."""
    graph = Graph(content)
    main = graph.model.subgraphs[0]
    for plain, operator in zip(graph.operators, list(main.operators), strict=True):
        if plain.name == "RESIZE_BILINEAR" and graph.dtype(plain.outputs[0]) == np.int16:
            ends = (plain.inputs[0], plain.outputs[0])
            names = (graph.name(tensor).removesuffix("_int16") for tensor in ends)
            low, high = next(limits[name] for name in names if name in limits)
            step = (high - low) / 255
            inner = [retyping.twin(graph, tensor, "int8", scale=step, zero_point=round(-128 - low / step)) for tensor in ends]
            operator.inputs = np.array([inner[0], plain.inputs[1]], np.int32)
            operator.outputs = np.array([inner[1]], np.int32)
            at = main.operators.index(operator)
            main.operators.insert(at, retyping.quantize_operator(graph, ends[0], inner[0]))
            main.operators.insert(at + 2, retyping.quantize_operator(graph, inner[1], ends[1]))
    return graph.content()
