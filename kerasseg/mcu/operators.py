"""Which operators TFLite Micro has, and which files it would refuse or compute wrongly."""

from collections import Counter

import numpy as np

from kerasseg.errors import InputError
from kerasseg.lite.flatbuffer import Graph, Operator
from kerasseg.lite.recognition import unknown_operators
from kerasseg.mcu import ethos

_METHODS = """
Abs Add AddN ArgMax ArgMin AssignVariable AveragePool2D BatchMatMul BatchToSpaceNd BroadcastArgs BroadcastTo CallOnce Cast Ceil
Concatenation Conv2D Cos CumSum DepthToSpace DepthwiseConv2D Dequantize Div DynamicUpdateSlice Elu Equal Exp ExpandDims Fill
Floor FloorDiv FloorMod FullyConnected Gather GatherNd Greater GreaterEqual HardSwish If L2Normalization L2Pool2D LeakyRelu Less
LessEqual Log LogicalAnd LogicalNot LogicalOr Logistic LogSoftmax MaxPool2D Maximum Mean Minimum MirrorPad Mul Neg NotEqual Pack
Pad PadV2 Prelu Quantize ReadVariable ReduceMax ReduceMin Relu Relu6 Reshape ResizeBilinear ResizeNearestNeighbor Round Rsqrt
SelectV2 Shape Sin Slice Softmax SpaceToBatchNd SpaceToDepth Split SplitV Sqrt Square SquaredDifference Squeeze StridedSlice Sub
Sum Svdf Tanh Transpose TransposeConv UnidirectionalSequenceLSTM Unpack VarHandle While ZerosLike
"""
# TFLite's name without underscores -> what MicroMutableOpResolver calls it after "Add", from
# tensorflow/lite/micro/micro_mutable_op_resolver.h, without the signal library.
METHODS = {method.lower(): method for method in _METHODS.split()}

INSTEAD = {
    "TILE": "Resizing(interpolation='nearest'), which becomes RESIZE_NEAREST_NEIGHBOR",
    "GELU": "a model with hard_swish, relu6 or relu",
    "POW": "a product",
    "FLEX": "operators of TFLite, not of TensorFlow",
}
MULTIPLYING = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"}
# Kinds with a registration for int8 alone, which spares flash: tensorflow/lite/micro/kernels/{add,conv,depthwise_conv,mul}.h.
# Of all the forms there, those that a program was linked with and passed: 34 KB less on a Cortex-M55 with CMSIS-NN.
INT8_FORMS = {"ADD", "CONV_2D", "DEPTHWISE_CONV_2D", "MUL"}
# What the CMSIS-NN build of TFLite Micro replaces: tensorflow/lite/micro/kernels/cmsis_nn.
CMSIS_NN = {
    "ADD", "AVERAGE_POOL_2D", "BATCH_MATMUL", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MAX_POOL_2D", "MAXIMUM",
    "MINIMUM", "MUL", "PAD", "SOFTMAX", "SVDF", "TRANSPOSE", "TRANSPOSE_CONV", "UNIDIRECTIONAL_SEQUENCE_LSTM",
}  # fmt: skip
# Of those, for int16 activations, too.
CMSIS_NN_INT16 = {
    "ADD", "AVERAGE_POOL_2D", "BATCH_MATMUL", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MAX_POOL_2D", "MUL",
    "SOFTMAX",
}  # fmt: skip
FAST, PLAIN, REFERENCE = "CMSIS-NN", "CMSIS-NN's plain C", "TFLite Micro's reference"  # whose kernel


def check(graph: Graph, *, file: str) -> None:
    """Refuses what TFLite Micro would refuse, or compute wrongly without a word.

    Args:
        graph: The file.
        file: Its name, for the message.

    Raises:
        InputError: a float, hybrid or uint8 model, an open size, an operator that TFLite Micro lacks, or weights outside the
            flatbuffer.
    """
    if ethos.is_compiled(graph):
        raise InputError(f"{file} was compiled for Ethos-U by Vela already; give the file before, and --accelerator")
    if any(buffer.offset and buffer.offset > 1 for buffer in graph.model.buffers):
        raise InputError(
            f"{file} keeps weights outside the flatbuffer, where TFLite Micro reads nonsense; "
            "write it again with the weights inside (files below 2 GB need no outside buffers)"
        )
    customs = [operator.custom for operator in graph.operators if operator.custom]
    if customs:
        raise InputError(f"{file} {unknown_operators(customs, runtime='TFLite Micro')}")
    for operator in graph.operators:
        if operator.name.replace("_", "").lower() not in METHODS:
            where = graph.name(operator.outputs[0])
            instead = INSTEAD.get(operator.name.split("_")[0], "an operator of the list in kerasseg/mcu/operators.py")
            raise InputError(f"{file} has {operator.name} (at {where}), which TFLite Micro lacks; use {instead}")
    for tensor in {t for operator in graph.operators for t in operator.outputs}:
        signature = graph.tensors[tensor].shapeSignature
        if signature is not None and -1 in list(signature)[1:]:  # an open batch is 1 in the shape that TFLite Micro takes
            raise InputError(
                f"{file} has an open size {tuple(map(int, signature))} at {graph.name(tensor)}; "
                "convert it with batch 1 and a fixed size"
            )
    old = [o for o in graph.operators if o.name in MULTIPLYING and graph.dtype(o.outputs[0]) == np.uint8]
    if old:
        raise InputError(
            f"{file} computes in uint8 ({old[0].name} at {graph.name(old[0].outputs[0])}), as TFLite did before int8; "
            "TFLite Micro has no such kernels: convert the model again"
        )
    computing = [o for o in graph.operators if o.name not in ("QUANTIZE", "DEQUANTIZE")]
    floats = [o for o in computing if graph.dtype(o.outputs[0]) == np.float32]
    if floats:
        kind = "a float model" if len(floats) == len(computing) else "in part a float model (hybrid)"
        raise InputError(
            f"{file} is {kind}: {floats[0].name} at {graph.name(floats[0].outputs[0])} computes in float32; "
            "convert it with --recipe=int8 or int8_qat, without --float_layers"
        )


def count(graph: Graph) -> dict[str, int]:
    """Kind of operator -> how many, in order of first use."""
    return dict(Counter(operator.name for operator in graph.operators))


def optimized(graph: Graph) -> dict[str, int]:
    """Kind of operator -> how many of them CMSIS-NN's fast kernels compute; the others run TFLite Micro's or plain C."""
    return dict(Counter(operator.name for operator in graph.operators if kernel(graph, operator)[0] == FAST))


def kernel(graph: Graph, operator: Operator) -> tuple[str, str]:
    """Whose kernel computes an operator in a build with CMSIS-NN, FAST, PLAIN or REFERENCE, and why it is not FAST.

    A MUL or ADD of unequal shapes is TFLite Micro's own slow broadcast (cmsis_nn/{mul,add}.cc), a dilated depthwise convolution
    or one with more outputs than inputs CMSIS-NN's plain C (arm_depthwise_conv_wrapper_s8.c).
    """
    if operator.name not in (CMSIS_NN_INT16 if graph.dtype(operator.outputs[0]) == np.int16 else CMSIS_NN):
        return REFERENCE, "CMSIS-NN has none"
    if operator.name in ("ADD", "MUL") and graph.shape(operator.inputs[0]) != graph.shape(operator.inputs[1]):
        return REFERENCE, "unequal shapes"
    if operator.name == "DEPTHWISE_CONV_2D":
        if operator.options.dilationHFactor != 1 or operator.options.dilationWFactor != 1:
            return PLAIN, "dilated"
        if graph.shape(operator.inputs[0])[-1] != graph.shape(operator.outputs[0])[-1]:
            return PLAIN, "several outputs a channel"
    return FAST, ""


def calls(graph: Graph) -> list[str]:
    """What MicroMutableOpResolver is to be told: "AddConv2D(tflite::Register_CONV_2D_INT8())", a kind of operator each."""
    found = []
    for kind in count(graph):
        if kind == "CUSTOM" and ethos.is_compiled(graph):
            found.append("AddEthosU()")
            continue
        narrow = kind in INT8_FORMS and all(
            _is_int8(graph, one.inputs[:2] + one.outputs) for one in graph.operators if one.name == kind
        )
        found.append(f"Add{METHODS[kind.replace('_', '').lower()]}({f'tflite::Register_{kind}_INT8()' if narrow else ''})")
    return found


def _is_int8(graph: Graph, tensors: tuple[int, ...]) -> bool:
    return all(graph.dtype(tensor) == np.int8 for tensor in tensors)
