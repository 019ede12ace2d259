"""What in a .tflite file costs time, accuracy or a target, found by looking at the file."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kerasseg.lite import inspection
from kerasseg.lite.flatbuffer import Graph

CONVOLUTIONS = {"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"}
_CASTS = {"QUANTIZE", "DEQUANTIZE"}


@dataclass(frozen=True)
class Finding:
    """One thing that a file should do without.

    Attributes:
        rule: A key of RULES.
        count: How often.
        text: What it costs and how to avoid it.
    """

    rule: str
    count: int
    text: str

    def to_json(self) -> dict:
        """As plain JSON values."""
        return dataclasses.asdict(self)


def lint(content: bytes) -> list[Finding]:
    """Holds a file against every rule.

    Args:
        content: Of a .tflite file; one that LiteRT does not load has a finding of its own.

    Raises:
        InputError: it is no .tflite file.
    """
    graph = Graph(content)
    findings = []
    for name, rule in RULES.items():
        count = rule.count(graph)
        if count:
            findings.append(Finding(name, count, f"{count} x {rule.text}"))
    findings += _partitions(content)
    return findings


@dataclass(frozen=True)
class Rule:
    """How often a graph breaks it, and what to tell then."""

    count: Callable[[Graph], int]
    text: str


def is_quantized(graph: Graph) -> bool:
    """Whether the file computes in integers: some operator other than a cast gives int8, uint8 or int16."""
    return any(
        graph.dtype(o.outputs[0]) in (np.int8, np.uint8, np.int16) and len(graph.scales(o.outputs[0]))
        for o in graph.operators if o.name not in _CASTS
    )  # fmt: skip


def _operators(*names: str) -> Callable[[Graph], int]:
    return lambda graph: sum(operator.name in names for operator in graph.operators)


def _float_islands(graph: Graph) -> int:
    if not is_quantized(graph):
        return 0
    return sum(graph.dtype(o.outputs[0]) == np.float32 for o in graph.operators if o.name not in _CASTS)


def _stray_casts(graph: Graph) -> int:
    """Casts of activations inside the graph. A float interface asks for those at its ends, a float16 file casts its weights."""
    ends = {*map(int, graph.model.subgraphs[0].inputs), *map(int, graph.model.subgraphs[0].outputs)}
    casts = (operator for operator in graph.operators if operator.name in _CASTS)
    return sum(
        not ends & {*operator.inputs, *operator.outputs} and graph.constant(operator.inputs[0]) is None for operator in casts
    )


def _per_tensor_weights(graph: Graph) -> int:
    found = 0
    for operator in graph.operators:
        if operator.name in CONVOLUTIONS and len(graph.scales(operator.inputs[1])):
            found += len(graph.scales(operator.inputs[1])) == 1 < graph.shape(operator.outputs[0])[-1]
    return found


def _unfolded_norms(graph: Graph) -> int:
    """A convolution, then a product with one constant a channel: more than one, and not all of them equal."""
    made_by = {tensor: operator for operator in graph.operators for tensor in operator.outputs}
    found = 0
    for operator in graph.operators:
        if operator.name == "MUL":
            constants = [graph.constant(tensor) for tensor in operator.inputs]
            sources = [made_by[tensor].name for tensor in operator.inputs if tensor in made_by]
            known = [c for c in constants if c is not None and c.size > 1 and c.size == c.shape[-1] and np.ptp(c) > 0]
            found += bool(known) and any(source in (*CONVOLUTIONS, "BATCH_TO_SPACE_ND") for source in sources)
    return found


def _outside_weights(graph: Graph) -> int:
    return sum(bool(buffer.offset and buffer.offset > 1) for buffer in graph.model.buffers)


def _int64_outputs(graph: Graph) -> int:
    return sum(graph.dtype(int(tensor)) == np.int64 for tensor in graph.model.subgraphs[0].outputs)


def _odd_resizes(graph: Graph) -> int:
    """Half-pixel bilinear resizes that are no plain doubling. Sizes of 1 are copied, which every target can."""
    found = 0
    for operator in graph.operators:
        if operator.name == "RESIZE_BILINEAR" and operator.options.halfPixelCenters:
            before, after = (graph.shape(t)[1:3] for t in (operator.inputs[0], operator.outputs[0]))
            found += before not in (after, (1, 1)) and after != (2 * before[0], 2 * before[1])
    return found


RULES = {
    "space_to_batch": Rule(
        _operators("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND"),
        "a dilated convolution wrapped in SPACE_TO_BATCH_ND: two copies of the picture; convert with batch 1 and a fixed size",
    ),
    "tile": Rule(
        _operators("TILE"), "TILE, which TFLite Micro lacks; resize with Resizing(interpolation='nearest')"
    ),
    "hard_swish": Rule(
        lambda graph: _operators("HARD_SWISH")(graph) if is_quantized(graph) else 0,
        "int8 HARD_SWISH, which XNNPACK hands back: each ends a partition; write it x * relu6(x + 3) as kerasseg's int8 does",
    ),
    "float_island": Rule(
        _float_islands, "an operator in float inside an integer file: slow, and absent on integer hardware; see --float_layers"
    ),
    "stray_cast": Rule(
        _stray_casts, "QUANTIZE or DEQUANTIZE inside the graph: a pass over the tensor each; give its neighbours one range"
    ),
    "per_tensor_weights": Rule(
        _per_tensor_weights, "a convolution with one weight scale for all channels: points of accuracy; quantize per channel"
    ),
    "unfolded_batch_norm": Rule(
        _unfolded_norms, "a batch norm not folded into its convolution: another pass, another rounding; convert with batch 1"
    ),
    "outside_weights": Rule(
        _outside_weights, "weights outside the flatbuffer: TFLite Micro computes nonsense without a word; keep them inside"
    ),
    "int64_output": Rule(
        _int64_outputs, "an int64 output: eight bytes a pixel, and no accelerator takes it; use tf.argmax(output_type=tf.int32)"
    ),
    "odd_resize": Rule(
        _odd_resizes, "a half-pixel bilinear resize other than 2x: on the CPU with Ethos-U55; convert with --resizes=doubling"
    ),
}  # fmt: skip


def _partitions(content: bytes) -> list[Finding]:
    try:
        count, left = inspection.partitions(content)
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:120]
        return [Finding("does_not_load", 1, f"LiteRT does not prepare the file by default ({reason}); convert it again")]
    if count <= 1 and not left:
        return []
    kinds = ", ".join(f"{left.count(name)} {name}" for name in dict.fromkeys(left))
    return [
        Finding(
            "partitions",
            count,
            f"{count} XNNPACK partitions, with {kinds or 'nothing'} between them on slower kernels; "
            "replace those operators by ones XNNPACK has",
        )
    ]
