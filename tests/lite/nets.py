"""Networks of a few layers on 16x16 pictures, and the files made of them."""

import keras
import numpy as np
import tensorflow as tf

from kerasseg.lite import calibration, converter, ranges
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


def int8(model, **options):
    content = as_float(model)
    return converter.quantize(content, ranges.measure(content, calibration.representative(iter(IMAGES))), **options)


def from_tf(model):
    with quiet():
        return tf.lite.TFLiteConverter.from_keras_model(model).convert()
