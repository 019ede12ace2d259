"""A Keras network computed layer by layer, each output let go once nothing takes it any more.

A model of all outputs keeps them all, gigabytes at 1024x2048 (results/conversion_memory.json), where a few are needed at
a time.
"""

from collections import Counter
from collections.abc import Iterator

import keras
import numpy as np

from kerasseg.models.graph import inputs_of


def walk(model: keras.Model, image: np.ndarray) -> Iterator[tuple[keras.layers.Layer, np.ndarray]]:
    """Yields every layer but the input's with what it gives, in order of execution.

    Operator by operator: a graph is optimized as TensorFlow happens to be set up, and QAT sets it up otherwise.

    Args:
        model: Functional, one input, layers alone, every one called once.
        image: Its input, (1, H, W, 3) float32, values 0..255.
    """
    layers = [layer for layer in model.operations if not isinstance(layer, keras.layers.InputLayer)]
    waiting = Counter(id(tensor) for layer in layers for tensor in inputs_of(layer))
    alive = {id(model.input): keras.ops.convert_to_tensor(image)}
    for layer in layers:
        taken = [id(tensor) for tensor in inputs_of(layer)]
        given = [alive[one] for one in taken]
        computed = layer(given if len(given) > 1 else given[0])
        del given  # whoever looks at the output meanwhile should not keep what was let go
        waiting.subtract(taken)
        for one in taken:
            if not waiting[one]:
                alive.pop(one, None)
        if waiting[id(layer.output)]:
            alive[id(layer.output)] = computed
        values = keras.ops.convert_to_numpy(computed)
        del computed
        yield layer, values


def output(model: keras.Model, image: np.ndarray) -> np.ndarray:
    """What a model gives for an image, as `walk` computes it."""
    values = image
    for layer, given in walk(model, image):
        if layer.output is model.output:
            values = given
    return values
