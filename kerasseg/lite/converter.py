"""From a Keras model to the bytes of a .tflite file."""

from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf
from tensorflow.lite.python.convert import mlir_quantize

from kerasseg.errors import InputError
from kerasseg.lite import ranges
from kerasseg.lite.flatbuffer import Graph
from kerasseg.lite.recipes import check_io_type, get_recipe
from kerasseg.quiet import quiet

Representative = Callable[[], Iterator[list[np.ndarray]]]


def convert(
    model: keras.Model, *, recipe: str, representative: Representative | None = None, io_type: str = "int8"
) -> bytes:  # fmt: skip
    """Converts a model.

    Args:
        model: Takes images (1, H, W, 3) float32 and gives logits. Batch 1 and a fixed size: with an open batch TFLite
            wraps every dilated convolution in SPACE_TO_BATCH_ND and leaves batch norms unfolded.
        recipe: A key of `recipes.RECIPES`.
        representative: Calibration images; the int8 recipes need them.
        io_type: Type of input and output of a full-integer file: "int8", "uint8" or "float32".

    Raises:
        InputError: an unknown recipe or type, an open batch, no calibration images, or a model TFLite cannot express.
    """
    chosen = get_recipe(recipe)
    check_io_type(io_type)
    if None in model.input_shape:
        raise InputError(f"the model takes {model.input_shape}; build it with batch_size=1 and a fixed size to convert it")
    if chosen.calibrated:
        if representative is None:
            raise InputError(f"recipe {recipe} needs calibration images")
        content = convert(model, recipe="float32")
        return quantize(content, ranges.measure(content, representative), io_type=io_type)
    with quiet():
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        if recipe != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if chosen.weights == "float16":
            converter.target_spec.supported_types = [tf.float16]
        return converter.convert()


def quantize(
    content: bytes, found: ranges.Ranges, *, io_type: str = "int8", float_layers: Sequence[str] = ()
) -> bytes:  # fmt: skip
    """TFLite's own quantizer on a float file with given ranges: weights symmetric, one scale an output channel.

    Args:
        content: A float32 .tflite file.
        found: Tensor number -> (low, high), for every activation.
        io_type: Type of input and output: "int8", "uint8" or "float32".
        float_layers: Names of tensors whose operators stay in float32.
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
            denylisted_nodes=list(float_layers) or None,
        )
