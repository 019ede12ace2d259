import math

import keras
import numpy as np

from kerasseg.int8 import products
from kerasseg.lite.flatbuffer import Graph
from kerasseg.mcu import runtime
from tests.lite.nets import int8, network
from tests.mcu.test_differences import BATCHES, with_edges


def _products(graph):
    return [[graph.scales(tensor)[0] for tensor in (*one.inputs, *one.outputs)] for one in graph.operators if one.name == "MUL"]


def test_a_file_with_edges_is_equal_to_the_bit_afterwards():
    content = with_edges()
    before, _ = runtime.compare(content, BATCHES)
    after, _ = runtime.compare(products.agreeing(content), BATCHES)
    assert before.equal < before.runs
    assert after.equal == after.runs


def test_scales_move_by_less_than_a_thousandth_and_tied_ones_together():
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 3), batch_size=1)
    x = keras.layers.Conv2D(4, 1)(image)
    for _ in range(4):
        x = keras.layers.Multiply()([x, keras.layers.ReLU(1.0)(keras.layers.Conv2D(4, 1)(x))])
    content = int8(keras.Model(image, keras.layers.Resizing(32, 32)(x)))
    old, new = Graph(content), Graph(products.agreeing(content))
    for one in _products(new):
        first, second, out = np.array(one, np.float32)
        multipliers = float(first * second / out), float(first) * float(second) / float(out)
        assert len({round(math.frexp(multiplier)[0] * 2**31) for multiplier in multipliers}) == 1
    assert _products(old) != _products(new)
    moved = np.array(_products(new)) / np.array(_products(old))
    assert 1.0 <= moved.min() < moved.max() < 1.001
    (resize,) = (one for one in new.operators if one.name == "RESIZE_BILINEAR")
    assert new.scales(resize.inputs[0]) == new.scales(resize.outputs[0]) != old.scales(resize.outputs[0])


def test_a_file_without_products_comes_back_as_it_is():
    content = int8(network(keras.layers.Conv2D(4, 1)))
    assert products.agreeing(content) is content
