"""Which tensor of a file is the output of which layer of its Keras model.

They are matched by their values on two pictures. The names in a file are no keys: fused tensors have several, and TensorFlow
numbers some of them. Where several tensors have a layer's values, such as the zeros of dead blocks, the layer's is the first of
them that is computed from its inputs.
"""

from collections.abc import Sequence

import keras
import numpy as np

from kerasseg.errors import InputError
from kerasseg.int8 import walking
from kerasseg.lite import pieces
from kerasseg.lite.flatbuffer import Graph
from kerasseg.models.graph import consumers, inputs_of, producers

Mark = tuple[tuple[int, ...], np.ndarray]  # shape; smallest, largest, mean and spread


def tensors_of_layers(model: keras.Model, content: bytes, images: Sequence[np.ndarray]) -> dict[str, int]:
    """Layer name -> number of the tensor that is its output. Layers that are fused into the next have none.

    Args:
        model: What `content` was converted from, to float32.
        content: The .tflite file.
        images: Two pictures, (1, H, W, 3), values 0..255; with one, what happens to agree on it would be taken for a match.

    Raises:
        InputError: tensors of parallel branches have the same values, and nothing tells them apart.
    """
    layers = [layer for layer in model.operations if not isinstance(layer, keras.layers.InputLayer)]
    walker, graph = pieces.Walker(content), Graph(content)
    alike: dict[str, set[int]] = {layer.name: set(walker.activations) for layer in layers}
    marks: dict[int, Mark] = {}
    for image in images:
        marks = {tensor: _mark(values) for tensor, values in walker.walk(image)}
        for layer, values in walking.walk(model, image):
            own = _mark(values)
            alike[layer.name] &= {tensor for tensor, mark in marks.items() if _same(own, mark)}
    before, makers = _ancestors(graph), producers(model)
    found: dict[str, int] = {}
    for layer in layers:
        candidates = alike[layer.name]
        if len(candidates) > 1:
            sources = _sources(layer, makers, found)
            candidates = {tensor for tensor in candidates if sources <= before.get(tensor, set())}
            candidates = {tensor for tensor in candidates if not candidates & before[tensor]}
        if len(candidates) > 1 and np.ptp(marks[min(candidates)][1][:2]):
            raise InputError(
                f"the output of {layer.name} has the same values as {' and '.join(walker.names[t] for t in candidates)} of "
                "the file, which nothing tells apart; train the run further, or calibrate with another --calibration_seed"
            )
        if candidates:
            found[layer.name] = min(candidates)
    return found


def _ancestors(graph: Graph) -> dict[int, set[int]]:
    """Computed tensor -> every tensor that it depends on."""
    before: dict[int, set[int]] = {}
    for operator in graph.operators:
        for tensor in operator.outputs:
            before[tensor] = set(operator.inputs).union(*(before.get(one, set()) for one in operator.inputs))
    return before


def _sources(layer: keras.Operation, makers: dict[int, keras.Operation], found: dict[str, int]) -> set[int]:
    """The tensors of the nearest layers before this one that have any."""
    sources = set()
    waiting = [makers[id(tensor)] for tensor in inputs_of(layer) if id(tensor) in makers]
    while waiting:
        one = waiting.pop()
        if one.name in found:
            sources.add(found[one.name])
        elif not isinstance(one, keras.layers.InputLayer):
            waiting += [makers[id(tensor)] for tensor in inputs_of(one)]
    return sources


def _same(own: Mark, other: Mark) -> bool:
    shape, mark = own
    return shape == other[0] and np.abs(mark - other[1]).max() <= 1e-3 * max(mark[1] - mark[0], 1e-6)


def fused_into(model: keras.Model, name: str, tensors: dict[str, int]) -> int | None:
    """The tensor in which a layer's work ends up; None where the model has no such layer."""
    layers = [layer for layer in model.layers if layer.name == name]
    while layers and layers[0].name not in tensors:
        layers = consumers(model, layers[0])
    return tensors[layers[0].name] if layers else None


def _mark(values: np.ndarray) -> Mark:
    return values.shape, np.array([values.min(), values.max(), values.mean(), values.std()], float)
