"""C++ sources of an int8 model for a project that has TFLite Micro."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from string import Template

import numpy as np

from kerasseg.errors import InputError
from kerasseg.lite.flatbuffer import Graph, Operator
from kerasseg.lite.recognition import unknown_operators
from kerasseg.mcu import memory

# What MicroMutableOpResolver can add: tensorflow/lite/micro/micro_mutable_op_resolver.h, without the signal library.
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
NAME = re.compile(r"[a-z][a-z0-9_]*")
# Keywords (C++20, [lex.key]) and what the headers that the sources include call their own.
_WORDS = """
alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class co_await co_return
co_yield compl concept const const_cast consteval constexpr constinit continue decltype default delete do double dynamic_cast
else enum explicit export extern false float for friend goto if inline int long mutable namespace new noexcept not not_eq
nullptr operator or or_eq private protected public register reinterpret_cast requires return short signed sizeof static
static_assert static_cast struct switch template this thread_local throw true try typedef typeid typename union unsigned using
virtual void volatile wchar_t while xor xor_eq main std tflite flatbuffers gemmlowp ruy
"""
TAKEN = frozenset(_WORDS.split())
TEMPLATES = (
    "model_data.h", "model_data.cc", "op_resolver.h", "arena.h", "test_vector.h", "test_vector.cc", "main.cc",
    "CMakeLists.txt", "idf_component.yml", "README.md",
)  # fmt: skip

# What the CMSIS-NN build of TFLite Micro replaces: tensorflow/lite/micro/kernels/cmsis_nn.
CMSIS_NN = {
    "ADD", "AVERAGE_POOL_2D", "BATCH_MATMUL", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MAX_POOL_2D", "MAXIMUM",
    "MINIMUM", "MUL", "PAD", "SOFTMAX", "SVDF", "TRANSPOSE", "TRANSPOSE_CONV", "UNIDIRECTIONAL_SEQUENCE_LSTM",
}  # fmt: skip


@dataclass(frozen=True)
class Vector:
    """A test vector.

    Attributes:
        source: What the input is, in words.
        inputs: Arrays as the file's inputs want them, in their order.
        outputs: Arrays as the reference kernels give them.
    """

    source: str
    inputs: tuple[np.ndarray, ...]
    outputs: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Memory:
    """What arena.h says, in bytes.

    Attributes:
        measured_bytes: Of the arena.
        head_bytes: Of that, activations.
        tail_bytes: Of that, what stays.
        margin_percent: Added to it.
        scratch_bytes: What CMSIS-NN makes it larger by (`arena_growth`).
        version: Of the TFLite Micro that was measured.
    """

    measured_bytes: int
    head_bytes: int
    tail_bytes: int
    margin_percent: float
    scratch_bytes: int
    version: str

    @property
    def margin_bytes(self) -> int:
        """A multiple of 16."""
        return _up(int(self.measured_bytes * self.margin_percent / 100), 16)


def check(graph: Graph, *, file: str) -> None:
    """Refuses what TFLite Micro would refuse, or compute wrongly without a word.

    Args:
        graph: The file.
        file: Its name, for the message.

    Raises:
        InputError: a float, hybrid or uint8 model, an open size, an operator that TFLite Micro lacks, or weights outside the
            flatbuffer.
    """
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
            instead = INSTEAD.get(operator.name.split("_")[0], "an operator of the list in kerasseg/mcu/firmware.py")
            raise InputError(f"{file} has {operator.name} (at {where}), which TFLite Micro lacks; use {instead}")
    for tensor in {t for operator in graph.operators for t in operator.outputs}:
        signature = graph.tensors[tensor].shapeSignature
        if signature is not None and -1 in list(signature):
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


def check_name(name: str) -> None:
    """Raises InputError unless `name` can be a C++ namespace of its own."""
    if not NAME.fullmatch(name):
        raise InputError(f"{name!r} is no C++ namespace here; use lower-case letters, digits and underscores")
    if name in TAKEN:
        raise InputError(f"{name!r} is a word of C++, or another library's namespace; give a name such as {name}_model")


def operators(graph: Graph) -> dict[str, int]:
    """Kind of operator -> how many, in order of first use."""
    return dict(Counter(operator.name for operator in graph.operators))


def cmsis_nn_scratch(graph: Graph) -> list[int]:
    """Bytes of the scratch buffer that CMSIS-NN would ask for at each operator: the larger of its DSP and its Helium kernels'.

    With the DSP extension a convolution copies two columns of its input as int16, rounded up to 4 values, and a depthwise one
    a column (arm_convolve_s8_get_buffer_size_dsp, arm_depthwise_conv_s8_opt_get_buffer_size_dsp). With Helium a convolution
    takes four columns as int8, rounded up to 16, and a depthwise one four blocks of 124 channels, whatever it has
    (CH_IN_BLOCK_MVE). 1x1 convolutions of stride 1 and dilated depthwise ones need none. From CMSIS-NN's sources at 4ab83cc3;
    programs linked for a Cortex-M7 and an M55 took what these say.
    """
    return [_scratch(graph, operator) for operator in graph.operators]


def _scratch(graph: Graph, operator: Operator) -> int:
    if operator.name not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        return 0
    _, height, width, channels = graph.shape(operator.inputs[1])
    column, options = height * width * channels, operator.options
    if operator.name == "CONV_2D":
        if height == width == 1 and options.strideH == options.strideW == 1:
            return 0
        return max(2 * 2 * _up(column, 4), 4 * _up(column, 16))
    if options.dilationHFactor != 1 or options.dilationWFactor != 1:
        return 0
    return max(2 * column, 4 * 124 * height * width)


def _up(count: int, step: int) -> int:
    return -(-count // step) * step


def arena_growth(graph: Graph) -> int:
    """Bytes by which scratch buffers of CMSIS-NN make the arena larger, a multiple of 16.

    A scratch buffer lives while its operator runs: only where that and the live tensors together pass the peak of the tensors
    does the arena grow.
    """
    alive = [one.live_bytes for one in memory.live(graph)]
    together = [live + scratch for live, scratch in zip(alive, cmsis_nn_scratch(graph), strict=True)]
    return _up(max(together) - max(alive), 16)


def sources(content: bytes, *, file: str, sha256: str, name: str, room: Memory, vector: Vector) -> dict[str, str]:
    """File name -> text of everything but the reports.

    Args:
        content: Of the .tflite file, which has passed `check`.
        file: Its name.
        sha256: Its hash.
        name: C++ namespace, lower-case letters, digits and underscores.
        room: For arena.h.
        vector: For test_vector.

    Raises:
        InputError: a name that C++ does not take.
    """
    check_name(name)
    graph = Graph(content)
    methods = [METHODS[kind.replace("_", "").lower()] for kind in operators(graph)]
    tensors = [("kTestInput", vector.inputs), ("kTestOutput", vector.outputs)]
    tables = [", ".join(f"{{{prefix}{i}, sizeof({prefix}{i})}}" for i in range(len(arrays))) for prefix, arrays in tensors]
    values = {
        "file": file,
        "sha256": sha256,
        "name": name,
        "guard": name.upper(),
        "size": len(content),
        "bytes": _bytes(content),
        "count": len(methods),
        "calls": "\n".join(f"  if (resolver.Add{method}() != kTfLiteOk) return kTfLiteError;" for method in methods),
        "version": room.version,
        "measured": room.measured_bytes,
        "head": room.head_bytes,
        "tail": room.tail_bytes,
        "margin": room.margin_bytes,
        "margin_percent": f"{room.margin_percent:g}",
        "scratch": room.scratch_bytes,
        "source": vector.source,
        "inputs": len(vector.inputs),
        "outputs": len(vector.outputs),
        "arrays": "".join(
            f"alignas(16) const unsigned char {prefix}{i}[] = {{\n{_bytes(array.tobytes())}\n}};\n\n"
            for prefix, arrays in tensors for i, array in enumerate(arrays)
        ),
        "input_table": tables[0],
        "output_table": tables[1],
        "tensors": "\n".join(_describe(graph)),
    }  # fmt: skip
    segments = _segmentation(graph)
    row = "| `class_map.h` | the class of a pixel from the output tensor, without a buffer |\n"
    values["class_map_row"] = row if segments else ""
    texts = {target: template(target).substitute(values) for target in TEMPLATES}
    return texts | ({"class_map.h": template("class_map.h").substitute(values | segments)} if segments else {})


def _segmentation(graph: Graph) -> dict:
    """Sizes for class_map.h, where a file takes one picture and gives its logits in int8; else empty."""
    ends = (*graph.model.subgraphs[0].inputs, *graph.model.subgraphs[0].outputs)
    shapes = [graph.shape(int(tensor)) for tensor in ends]
    if len(shapes) != 2 or any(len(shape) != 4 for shape in shapes) or graph.dtype(int(ends[1])) != np.int8:
        return {}
    (_, height, width, channels), (_, rows, columns, classes) = shapes
    stride = height // rows
    if channels not in (1, 3) or (stride * rows, stride * columns) != (height, width) or classes < 2:
        return {}  # no picture, or no map of classes
    return {"height": height, "width": width, "classes": classes, "stride": stride, "type": "int8_t"}


def _describe(graph: Graph) -> Iterable[str]:
    for kind, tensors in (("Input", graph.model.subgraphs[0].inputs), ("Output", graph.model.subgraphs[0].outputs)):
        for i, tensor in enumerate(map(int, tensors)):
            yield f"{kind} {i}: {graph.shape(tensor)} {graph.dtype(tensor)}{_grid(graph, tensor)}.\n"


def _grid(graph: Graph, tensor: int) -> str:
    scales = graph.scales(tensor)
    if not len(scales):
        return ""
    zero_point = int(graph.tensors[tensor].quantization.zeroPoint[0])
    return f", value = {scales[0]:.8g} * (number - ({zero_point}))"


def template(name: str) -> Template:
    """A file of templates/, to be substituted."""
    return Template((resources.files("kerasseg.mcu") / "templates" / f"{name}.in").read_text(encoding="utf-8"))


def _bytes(content: Sequence[int], *, columns: int = 20) -> str:
    digits = [f"0x{byte:02x}," for byte in content]
    return "\n".join("    " + "".join(digits[i : i + columns]) for i in range(0, len(digits), columns))
