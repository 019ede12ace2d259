"""From a Keras model to the bytes of a .tflite file."""

from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from kerasseg.errors import InputError
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
        representative: Calibration images; the int8 recipe needs them.
        io_type: Type of input and output of a full-integer file: "int8", "uint8" or "float32".

    Raises:
        InputError: an unknown recipe or type, an open batch, no calibration images, or a model TFLite cannot express.
    """
    chosen = get_recipe(recipe)
    check_io_type(io_type)
    if None in model.input_shape:
        raise InputError(f"the model takes {model.input_shape}; build it with batch_size=1 and a fixed size to convert it")
    if chosen.calibrated and representative is None:
        raise InputError(f"recipe {recipe} needs calibration images")
    with quiet():
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        if recipe != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if chosen.weights == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if chosen.calibrated:
            converter.representative_dataset = representative
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.as_dtype(io_type)
        return converter.convert()
