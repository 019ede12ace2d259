import math

import keras
import numpy as np

from kerasseg.int8 import calibration, products, quantization, ranges
from kerasseg.lite import converter, surgery
from kerasseg.lite.flatbuffer import Graph
from kerasseg.mcu import parity
from tests.lite.nets import int8, network
from tests.mcu.test_differences import BATCHES, with_edges


def _products(graph):
    return [[graph.scales(tensor)[0] for tensor in (*one.inputs, *one.outputs)] for one in graph.operators if one.name == "MUL"]


def test_a_file_with_edges_is_equal_to_the_bit_afterwards():
    content = with_edges()
    before, _ = parity.compare(content, BATCHES)
    after, _ = parity.compare(products.agreeing(content), BATCHES)
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


def _rescaled():
    """A picture made -1..1 as the networks do it, a convolution, a product that moves, and a convolution of it."""
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 3), batch_size=1)
    x = keras.layers.Conv2D(4, 3, padding="same")(keras.layers.Rescaling(1 / 127.5, -1)(image))
    for _ in range(4):
        x = keras.layers.Multiply()([x, keras.layers.ReLU(1.0)(keras.layers.Conv2D(4, 1, bias_initializer="normal")(x))])
    model = keras.Model(image, keras.layers.Conv2D(4, 1, bias_initializer="normal")(x))
    content = converter.convert(model, recipe="float32")
    pictures = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)
    return quantization.with_ranges(content, ranges.measure(content, calibration.representative(iter(pictures))))


def test_a_picture_stays_on_its_steps_and_biases_follow_their_inputs():
    content = _rescaled()
    old, new = Graph(content), Graph(products.agreeing(content))
    assert _products(old)[0] == _products(new)[0]
    assert _products(old)[1:] != _products(new)[1:]
    stale = 0
    for one, other in zip(old.operators, new.operators, strict=True):
        if one.name == "CONV_2D":
            source, kernel, bias = other.inputs
            np.testing.assert_allclose(new.scales(bias), new.scales(source) * new.scales(kernel), rtol=1e-6)
            before, after = ((g.constant(t) * g.scales(t)) for g, t in ((old, one.inputs[2]), (new, bias)))
            np.testing.assert_allclose(after, before, atol=0.501 * new.scales(bias).max(), rtol=0)
            stale += not np.array_equal(new.scales(bias), old.scales(one.inputs[2]))
    assert stale


def test_every_bias_is_the_nearest_step():
    keras.utils.set_random_seed(0)
    image = keras.Input((4, 4, 3), batch_size=1)
    model = keras.Model(
        image, keras.layers.Conv2D(1000, 1, bias_initializer=keras.initializers.RandomNormal(stddev=3.0))(image)
    )
    floating = converter.convert(model, recipe="float32")
    pictures = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), np.uint8)
    found = ranges.measure(floating, calibration.representative(iter(pictures)))
    graph = Graph(products.agreeing(quantization.with_ranges(floating, found), floating=floating))
    (operator,) = (one for one in graph.operators if one.name == "CONV_2D")
    real, bias = model.layers[-1].bias.numpy(), operator.inputs[2]
    np.testing.assert_array_equal(graph.constant(bias), np.rint(real / graph.scales(bias)))


def test_what_other_operators_share_stays_shared():
    content = _rescaled()
    graph = Graph(content)
    before = len(graph.tensors)
    surgery.unshare(graph, kinds=("CONV_2D",))
    assert len(graph.tensors) == before
    convolutions = [one for one in graph.operators if one.name == "CONV_2D"]
    for one in graph.model.subgraphs[0].operators[-1:]:  # the last has the bias of the first now, and so has a product
        one.inputs = np.array([*one.inputs[:2], convolutions[0].inputs[2]], np.int32)
    surgery.unshare(graph, kinds=("CONV_2D",))
    assert len({int(one.inputs[2]) for one in graph.model.subgraphs[0].operators if len(one.inputs) == 3}) == len(convolutions)


def test_operators_with_one_bias_get_one_each():
    content = _rescaled()
    graph = Graph(content)
    convolutions = [one for one in graph.model.subgraphs[0].operators if len(one.inputs) == 3]
    for one in convolutions:
        one.inputs = np.array([*one.inputs[:2], convolutions[0].inputs[2]], np.int32)
    surgery.unshare(graph)
    assert len({int(one.inputs[2]) for one in convolutions}) == len(convolutions)
    assert len({graph.tensors[one.inputs[2]].buffer for one in convolutions}) == len(convolutions)
