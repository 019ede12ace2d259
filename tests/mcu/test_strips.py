import keras
import pytest

from kerasseg.lite.flatbuffer import Graph
from kerasseg.mcu import strips
from tests.lite.nets import int8, network
from tests.mcu.planning import assert_equal_in_both_engines, squeeze_excite

L = keras.layers
CHAINS = {
    "strides": [L.Conv2D(8, 3, strides=2, padding="same"), L.DepthwiseConv2D(3, padding="same"), L.Conv2D(16, 1)],
    "a large window": [L.DepthwiseConv2D(5, padding="same"), L.DepthwiseConv2D(5, strides=2, padding="same")],
    "dilation": [L.DepthwiseConv2D(3, padding="same", dilation_rate=2), L.Conv2D(16, 3, padding="same")],
    "no padding": [L.Conv2D(16, 3), L.Conv2D(16, 3, strides=2)],
    "padding of its own": [L.ZeroPadding2D(((0, 1), (0, 1))), L.Conv2D(16, 3, strides=2), L.ZeroPadding2D(2), L.Conv2D(16, 5)],
    "pools": [L.Conv2D(16, 1), L.MaxPooling2D(3, strides=1, padding="same"), L.AveragePooling2D(2)],
    "twice as large": [L.Conv2D(16, 3, strides=2), L.UpSampling2D(2, interpolation="bilinear"), L.Conv2D(16, 3)],
    "four times as large": [L.Conv2D(4, 3, strides=4, padding="same"), L.Resizing(16, 16), L.Conv2D(16, 3, padding="same")],
    "activations": [L.Rescaling(0.01, -1.0), L.Conv2D(16, 1), L.Activation("sigmoid"), L.Activation("hard_silu")],
}  # fmt: skip


def _joined():
    image = keras.Input((16, 16, 3), batch_size=1)
    first = L.Conv2D(16, 3, padding="same", activation="relu")(image)
    second = L.Conv2D(16, 3, padding="same")(first)
    return keras.Model(image, L.Conv2D(16, 3, padding="same")(L.Concatenate()([L.Add()([first, second]), first])))


@pytest.mark.parametrize("layers", CHAINS.values(), ids=CHAINS)
def test_strips_give_the_same_numbers(layers):
    content = int8(network(*[layer.__class__.from_config(layer.get_config()) for layer in layers]))
    graph = Graph(content)
    made = strips.in_strips(graph, 0, len(graph.operators) - 1, 3)
    assert made is not None
    assert_equal_in_both_engines(content, made.content())
    assert made.macs() >= graph.macs()


def test_strips_of_operators_that_meet():
    content = int8(_joined())
    graph = Graph(content)
    for first, last, count in ((0, 4, 4), (1, 2, 2), (0, 0, 2)):  # the last two leave tensors that are needed later
        made = strips.in_strips(graph, first, last, count)
        assert_equal_in_both_engines(content, made.content())


def test_rows_that_a_window_takes():
    graph = Graph(int8(network(L.Conv2D(8, 3, strides=2, padding="same"), L.DepthwiseConv2D(3, padding="same"))))
    # Stride 2 on 16 rows pads one row below: outputs 2 and 3 see inputs 4 to 8. Those alone would be padded above, with 9 not.
    assert strips.need(graph, graph.operators[0], (2, 4)) == strips.Need({0: (4, 10)}, (2, 5))
    # Stride 1: a row on each side, whose own outputs are wrong.
    middle = graph.operators[0].outputs[0]
    assert strips.need(graph, graph.operators[1], (2, 4)) == strips.Need({middle: (1, 5)}, (1, 5))
    assert strips.need(graph, graph.operators[1], (0, 4)) == strips.Need({middle: (0, 5)}, (0, 5))


def test_what_does_not_work_row_by_row_is_left_alone():
    graph = Graph(int8(squeeze_excite()))
    mean = next(i for i, one in enumerate(graph.operators) if one.name == "MEAN")
    assert strips.in_strips(graph, 0, mean, 2) is None
    assert strips.in_strips(Graph(int8(network(L.Flatten(), L.Dense(12)))), 0, 1, 2) is None
    assert strips.in_strips(Graph(int8(network(L.Conv2D(4, 3, strides=2), L.Resizing(21, 21)))), 0, 1, 2) is None  # 3 times
    few = Graph(int8(network(L.Conv2D(3, 3, strides=4))))
    assert strips.in_strips(few, 0, 0, 10) is None  # 4 rows


def test_cuts_lie_on_steps_of_16_bytes():
    graph = Graph(int8(network(L.Conv2D(3, 1), L.Conv2D(16, 1))))
    narrow, wide = (one.outputs[0] for one in graph.operators)
    assert strips.cuts(graph, narrow, 4) == [0, 4, 8, 12, 16]
    assert strips.cuts(graph, wide, 3) == [0, 5, 11, 16]
    odd = Graph(int8(network(L.Conv2D(3, 2))))  # 15 x 15 x 3: 45 bytes a row, 16 rows to a step
    assert strips.cuts(odd, odd.operators[0].outputs[0], 2) is None
