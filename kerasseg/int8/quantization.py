"""The int8 file of a prepared model, and which of its layers lose what."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from tensorflow.lite.python.convert import mlir_quantize  # no public form takes ranges: a move of it stops this import

from kerasseg.errors import InputError
from kerasseg.int8 import matching, noise, preparation, products, ranges, wide
from kerasseg.int8.preparation import Prepared
from kerasseg.lite.flatbuffer import Graph
from kerasseg.lite.recipes import check_io_type, get_recipe
from kerasseg.quiet import quiet


@dataclasses.dataclass(frozen=True)
class FloatLayers:
    """Layers that an int8 file leaves in float32.

    Attributes:
        layers: Names of Keras layers.
        tensors: Names of the tensors that their operators give, in the .tflite file.
    """

    layers: tuple[str, ...] = ()
    tensors: tuple[str, ...] = ()


def quantize(
    prepared: Prepared, *, activations: str = "int8", io_type: str = "", float_layers: FloatLayers | None = None
) -> bytes:
    """The file of int8 weights of what `prepared.model` holds now, with the ranges that were measured before.

    Args:
        prepared: From `prepare`, perhaps fine-tuned since.
        activations: "int8", or "int16" (`wide.with_ranges`).
        io_type: Type of input and output: "int8", "uint8" or "float32", or with int16 activations "int16" or "float32";
            empty for that of the activations.
        float_layers: From `worst_layers` or `named_layers`, of int8 activations; None for no such layer.

    Raises:
        InputError: an unknown type.
    """
    io_type = io_type or activations
    check_io_type(io_type, known=get_recipe("int16x8" if activations == "int16" else "int8").io_types)
    content = prepared.converted()
    found = ranges.carry(prepared.content, content, prepared.ranges)
    if activations == "int16":
        return products.agreeing(wide.with_ranges(content, found, io_type=io_type), floating=content)
    float_tensors = float_layers.tensors if float_layers else ()
    quantized = with_ranges(content, found, io_type=io_type, float_tensors=float_tensors)
    return products.agreeing(quantized, floating=content)


def with_ranges(
    content: bytes, found: ranges.Ranges, *, io_type: str = "int8", float_tensors: Sequence[str] = ()
) -> bytes:  # fmt: skip
    """TFLite's own quantizer on a float file with given ranges: weights symmetric, one scale an output channel.

    Args:
        content: A float32 .tflite file.
        found: Tensor number -> (low, high), for every activation.
        io_type: Type of input and output: "int8", "uint8" or "float32".
        float_tensors: Names of tensors whose operators stay in float32.
    """
    check_io_type(io_type)
    graph = Graph(content)
    for tensor, (low, high) in found.items():
        graph.set_range(tensor, low, high)
    outside = tf.as_dtype(io_type)
    with quiet():
        return mlir_quantize(
            graph.content(),
            fully_quantize=False,  # True makes input and output int8 whatever is asked
            input_data_type=outside,
            output_data_type=outside,
            denylisted_nodes=list(float_tensors) or None,
        )


def twin(prepared: Prepared, *, size: tuple[int, int], batch_size: int | None):
    """The fake-quantized twin of the int8 file, a tf_keras model (`kerasseg.int8.twin.build`).

    Its activations lie on the grids of the file, whose products may have moved them a little (`products`).

    Args:
        prepared: What is quantized.
        size: (height, width) of the twin's pictures.
        batch_size: Fixed, or None.
    """
    module, given, file = preparation.load_twin(), Graph(prepared.content), Graph(quantize(prepared))
    by_name = {file.name(tensor): file.tensors[tensor].quantization for tensor in range(len(file.tensors))}
    grids = {}
    for layer, tensor in matching.tensors_of_layers(prepared.model, prepared.content, prepared.images).items():
        found = by_name[given.name(tensor)]
        grids[layer] = module.Grid.at(found.scale[0], int(found.zeroPoint[0]))
    return module.build(prepared.model, grids, size=size, batch_size=batch_size)


def where_it_hurts(prepared: Prepared, quantized: bytes, images: Sequence[np.ndarray]) -> list[noise.Noise]:
    """`noise.compare` with the names of Keras layers, in order of execution.

    Args:
        prepared: What `quantized` was made from.
        quantized: The int8 file.
        images: (1, H, W, 3), values 0..255.
    """
    tensors = matching.tensors_of_layers(prepared.model, prepared.content, prepared.images)
    graph = Graph(prepared.content)
    layers = {graph.name(tensor): layer for layer, tensor in tensors.items()}
    found = noise.compare(quantized, prepared.reference, images)
    return [dataclasses.replace(one, layer=layers.get(one.tensor, one.tensor)) for one in found]


def worst_layers(prepared: Prepared, images: Sequence[np.ndarray], *, count: int) -> FloatLayers:
    """The layers that lose most signal-to-noise ratio.

    Args:
        prepared: What will be quantized.
        images: (1, H, W, 3), to measure on.
        count: How many.

    Raises:
        InputError: a count that cannot be.
    """
    found = where_it_hurts(prepared, quantize(prepared), images)
    if not 1 <= count <= len(found):
        raise InputError(f"{count} layers are to stay in float; give a number from 1 to {len(found)}")
    chosen = sorted(found, key=lambda one: -one.lost_db)[:count]
    return FloatLayers(tuple(one.layer for one in chosen), tuple(one.tensor for one in chosen))


def named_layers(prepared: Prepared, names: Sequence[str]) -> FloatLayers:
    """Layers by the names they have in Keras.

    Args:
        prepared: What will be quantized.
        names: Of layers with weights.

    Raises:
        InputError: an unknown layer; the message lists the known.
    """
    tensors = matching.tensors_of_layers(prepared.model, prepared.content, prepared.images)
    graph, found = Graph(prepared.content), []
    for name in names:
        tensor = matching.fused_into(prepared.model, name, tensors)
        if tensor is None:
            known = ", ".join(one.name for one in prepared.model.layers if one.weights)
            raise InputError(f"there is no layer {name!r} to leave in float; those with weights are {known}")
        found.append(graph.name(tensor))
    return FloatLayers(tuple(names), tuple(found))
