import keras
import numpy as np
import pytest

from kerasseg.errors import InputError
from kerasseg.int8 import matching
from kerasseg.lite.flatbuffer import Graph
from tests.lite import nets

pytestmark = pytest.mark.slow

IMAGES = [image[None].astype(np.float32) for image in nets.IMAGES]


def _kernel(layer, value, bias):
    layer.set_weights([np.full_like(layer.get_weights()[0], value), np.full_like(layer.get_weights()[1], bias)])


def test_dead_layers_are_told_apart_by_their_place():
    """Both ReLUs give zeros of one shape on every picture, and ranges of one are not those of the other's tensor."""
    layers = [keras.layers.Conv2D(4, 1, name="a"), keras.layers.ReLU(name="dead"), keras.layers.Conv2D(4, 1, name="b"),
              keras.layers.ReLU(name="dead_too"), keras.layers.Conv2D(2, 1, name="end")]  # fmt: skip
    model = nets.network(*layers)
    _kernel(layers[0], -1.0, -1.0)
    _kernel(layers[2], 1.0, -1.0)
    content = nets.as_float(model)
    operators = Graph(content).operators
    found = matching.tensors_of_layers(model, content, IMAGES)
    assert (found["dead"], found["dead_too"], found["end"]) == tuple(operator.outputs[0] for operator in operators)


def test_branches_of_the_same_values_are_refused():
    image = keras.Input((16, 16, 3), batch_size=1)
    branches = [keras.layers.DepthwiseConv2D(3, padding="same", name=name) for name in ("left", "right")]
    model = keras.Model(image, keras.layers.Concatenate()([keras.layers.ReLU(6.0)(one(image)) for one in branches]))
    branches[1].set_weights(branches[0].get_weights())
    content = nets.as_float(model)
    if len(Graph(content).operators) < 3:
        pytest.skip("this TensorFlow made one operator of two equal ones")
    with pytest.raises(InputError, match="has the same values as .* which nothing tells apart"):
        matching.tensors_of_layers(model, content, IMAGES)
