"""Scratch buffers of CMSIS-NN, which the wheel of TFLite Micro does not have: from the formulas in its sources."""

import numpy as np

from kerasseg.lite.flatbuffer import Graph, Operator
from kerasseg.mcu import memory, offline


def cmsis_nn_scratch(graph: Graph) -> list[int]:
    """Bytes of the scratch buffer that CMSIS-NN would ask for at each operator: the larger of its DSP and its Helium kernels'.

    With the DSP extension a convolution copies two columns of its input as int16, rounded up to 4 values, and a depthwise one
    a column (arm_convolve_s8_get_buffer_size_dsp, arm_depthwise_conv_s8_opt_get_buffer_size_dsp). With Helium a convolution
    takes four columns as int8, rounded up to 16, and a depthwise one four blocks of 124 channels, whatever it has
    (CH_IN_BLOCK_MVE). 1x1 convolutions of stride 1 and dilated depthwise ones need none. With the DSP extension an average
    pooling takes a sum of 32 bits a channel (arm_avgpool_s8_get_buffer_size). From CMSIS-NN's sources at 4ab83cc3;
    programs linked for a Cortex-M7 and an M55 took what these say. With int16 activations a convolution takes two columns, 1x1
    or not, and a depthwise one four (arm_convolve_get_buffer_sizes_s16.c, arm_depthwise_conv_get_buffer_sizes_s16.c, V.1.0.0);
    no program with those was linked.
    """
    return [_scratch(graph, operator) for operator in graph.operators]


def _scratch(graph: Graph, operator: Operator) -> int:
    if operator.name == "AVERAGE_POOL_2D":
        return 4 * graph.shape(operator.inputs[0])[3]
    if operator.name not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        return 0
    _, height, width, channels = graph.shape(operator.inputs[1])
    column, options = height * width * channels, operator.options
    wide = graph.dtype(operator.inputs[0]) == np.int16
    if operator.name == "CONV_2D":
        if not wide and height == width == 1 and options.strideH == options.strideW == 1:
            return 0
        return max(2 * 2 * round_up(column, 4), 4 * round_up(column, 16))
    if options.dilationHFactor != 1 or options.dilationWFactor != 1:
        return 0
    return 4 * 2 * column + 8 if wide else max(2 * column, 4 * 124 * height * width)


def round_up(count: int, step: int) -> int:
    """The next multiple of `step`."""
    return -(-count // step) * step


def arena_growth(graph: Graph) -> int:
    """Bytes by which scratch buffers of CMSIS-NN make the arena larger, a multiple of 16.

    A scratch buffer lives while its operator runs: only where that and the live tensors together pass the peak of the tensors
    does the arena grow. In a file with a memory plan it takes the first gap that is wide enough, or lies behind the tensors.
    """
    asked = cmsis_nn_scratch(graph)
    offsets = offline.offsets_of(graph)
    if offsets:
        ends = offline.spans(graph, offsets)
        top = max(end for spans in ends for _, end in spans)
        return max(0, round_up(max(map(_first_end, ends, asked)) - top, 16))
    alive = [one.live_bytes for one in memory.live(graph)]
    together = [live + scratch for live, scratch in zip(alive, asked, strict=True)]
    return round_up(max(together) - max(alive), 16)


def _first_end(spans: list[tuple[int, int]], asked: int) -> int:
    """Where a buffer ends that goes into the first gap between others."""
    start = 0
    for low, high in sorted(spans):
        if low - start >= asked:
            break
        start = max(start, high)
    return start + asked if asked else 0
