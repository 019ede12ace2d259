"""Which tensor of a file is the output of which layer of its Keras model.

They are matched by their values on a picture. The names in a file are no keys: fused tensors have several, and TensorFlow
numbers some of them.
"""

import keras
import numpy as np

from kerasseg.lite.inspection import Inspector
from kerasseg.models.graph import consumers


def tensors_of_layers(model: keras.Model, content: bytes, image: np.ndarray) -> dict[str, int]:
    """Layer name -> number of the tensor that is its output. Layers that are fused into the next have none.

    Args:
        model: What `content` was converted from, to float32.
        content: The .tflite file.
        image: (1, H, W, 3), values 0..255.
    """
    inspector = Inspector(content)
    inspector.run(image)
    marks = {tensor: _mark(inspector.read(tensor)) for tensor in inspector.activations}
    layers = [layer for layer in model.operations if not isinstance(layer, keras.layers.InputLayer)]
    outputs = keras.Model(model.input, [layer.output for layer in layers]).predict_on_batch(image)
    found = {}
    for layer, values in zip(layers, outputs, strict=True):
        shape, mark = _mark(values)
        for tensor, (other_shape, other) in marks.items():
            if shape == other_shape and np.abs(mark - other).max() <= 1e-3 * max(mark[1] - mark[0], 1e-6):
                found[layer.name] = tensor
    return found


def fused_into(model: keras.Model, name: str, tensors: dict[str, int]) -> int | None:
    """The tensor in which a layer's work ends up; None where the model has no such layer."""
    layers = [layer for layer in model.layers if layer.name == name]
    while layers and layers[0].name not in tensors:
        layers = consumers(model, layers[0])
    return tensors[layers[0].name] if layers else None


def _mark(values: np.ndarray) -> tuple[tuple[int, ...], np.ndarray]:
    return values.shape, np.array([values.min(), values.max(), values.mean(), values.std()], float)
