"""From a Keras model to the bytes of a .tflite file whose activations stay float."""

import keras
import tensorflow as tf

from kerasseg.errors import InputError
from kerasseg.lite.recipes import RECIPES, get_recipe
from kerasseg.quiet import quiet


def convert(model: keras.Model, *, recipe: str) -> bytes:
    """Converts a model.

    Args:
        model: Takes images (1, H, W, 3) float32 and gives logits. Batch 1 and a fixed size: with an open batch TFLite
            wraps every dilated convolution in SPACE_TO_BATCH_ND and leaves batch norms unfolded.
        recipe: A key of `recipes.RECIPES` that needs no calibration; `kerasseg.int8.quantize` makes the others.

    Raises:
        InputError: an unknown or a calibrated recipe, an open batch, or another backend than TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"Keras runs on {keras.backend.backend()} here, and TFLite's converter reads TensorFlow's models alone; "
            "set KERAS_BACKEND=tensorflow before Keras is imported"
        )
    chosen = get_recipe(recipe)
    if chosen.calibrated:
        known = ", ".join(name for name, one in RECIPES.items() if not one.calibrated)
        raise InputError(f"recipe {recipe} measures activations, which kerasseg.int8.quantize does; here are {known}")
    if None in model.input_shape:
        raise InputError(f"the model takes {model.input_shape}; build it with batch_size=1 and a fixed size to convert it")
    with quiet():
        converter = tf.lite.TFLiteConverter.from_concrete_functions(*_traced(model))
        if recipe != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if chosen.weights == "float16":
            converter.target_spec.supported_types = [tf.float16]
        return converter.convert()


def _traced(model: keras.Model) -> tuple[list, tf.Module]:
    """The network as one function, and what holds its variables; `from_keras_model` traces every layer several times."""
    image = tf.TensorSpec(model.input_shape, model.input.dtype, name=model.input.name)
    network = tf.function(lambda image: model(image, training=False), input_signature=[image], autograph=False)
    holder = tf.Module()
    holder.held = [variable.value for variable in model.variables]
    return [network.get_concrete_function()], holder
