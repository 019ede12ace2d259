"""Networks of a few layers on 16x16 pictures, and the files made of them."""

import keras
import numpy as np
import tensorflow as tf

from kerasseg.int8 import calibration, quantization, ranges
from kerasseg.lite import converter, interpreter, tensors
from kerasseg.quiet import quiet

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)


def network(*layers, batch_size=1):
    image = keras.Input((16, 16, 3), batch_size=batch_size)
    x = image
    for layer in layers:
        x = layer(x)
    return keras.Model(image, x)


def as_float(model):
    return converter.convert(model, recipe="float32")


def int8(model, *, images=IMAGES, **options):
    """The int8 file of a model as it is, without the preparation that keeps a network's accuracy."""
    content = as_float(model)
    return quantization.with_ranges(content, ranges.measure(content, calibration.representative(images)), **options)


def two_convolutions():
    """An int8 file of two convolutions with a relu between them."""
    return int8(network(keras.layers.Conv2D(8, 3, padding="same"), keras.layers.ReLU(), keras.layers.Conv2D(4, 1)))


def from_tf(model):
    with quiet():
        return tf.lite.TFLiteConverter.from_keras_model(model).convert()


def real_output(content, image):
    """What a file gives for an image, as real values, and the step between them (0 for a float file)."""
    loaded = interpreter.ImageModel(content)
    loaded.set_image(image)
    loaded.invoke()
    given = loaded.output
    return tensors.dequantize(loaded.raw_output(), scale=given.scale, zero_point=given.zero_point), given.scale
