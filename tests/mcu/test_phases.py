import keras
import pytest

from kerasseg.lite.flatbuffer import Graph
from kerasseg.mcu import phases
from kerasseg.mcu.placement import Layout
from tests.lite.nets import int8, network
from tests.mcu.planning import assert_equal_in_both_engines, squeeze_excite

L = keras.layers


@pytest.mark.parametrize(("dilation", "parts"), [(2, 2), (2, 4), (4, 4)])
def test_phases_give_the_same_numbers(dilation, parts):
    content = int8(squeeze_excite(dilation=dilation))
    graph = Graph(content)
    at = next(i for i, one in enumerate(graph.operators) if one.name == "DEPTHWISE_CONV_2D")
    made = phases.in_phases(graph, at - 1, len(graph.operators) - 1, parts)
    assert made.macs() == graph.macs()  # nothing twice
    rates = {one.options.dilationHFactor for one in made.operators if one.name == "DEPTHWISE_CONV_2D"}
    assert rates == {dilation // 2}
    assert_equal_in_both_engines(content, made.content())
    # 16 x 16 x 48 twice before; now a half or a quarter of the second, beside the entry's 16 x 16 x 8.
    assert max(Layout(made).bound()) == 12288 + 12288 // parts + 2048 < max(Layout(graph).bound())


def test_plain_dilated_convolutions_and_branches():
    image = keras.Input((16, 16, 3), batch_size=1)
    x = L.Conv2D(8, 3, padding="same")(image)
    branches = [L.Conv2D(8, 3, padding="same", dilation_rate=rate)(x) for rate in (2, 4)]
    pooled = L.Resizing(16, 16)(L.Conv2D(8, 1)(L.GlobalAveragePooling2D(keepdims=True)(x)))
    content = int8(keras.Model(image, L.Conv2D(8, 1)(L.Concatenate()([*branches, pooled]))))
    graph = Graph(content)
    at = next(i for i, one in enumerate(graph.operators) if phases.grid_of(graph, one))
    first, last = 1, len(graph.operators) - 1
    assert first <= at
    assert_equal_in_both_engines(content, phases.in_phases(graph, first, last, 4).content())


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (L.DepthwiseConv2D(3, padding="same", dilation_rate=3), "rows of every third meet"),
        (L.DepthwiseConv2D(3, dilation_rate=2), "no padding"),
        (L.DepthwiseConv2D(3, padding="same"), "no dilation"),
        (L.DepthwiseConv2D(4, padding="same", dilation_rate=2), "an even window"),
    ],
)
def test_what_has_no_phases_is_left_alone(layer, why):
    graph = Graph(int8(network(L.Conv2D(4, 1), layer)))
    assert phases.in_phases(graph, 0, 1, 4) is None, why


def test_an_operator_that_sees_neighbours_is_left_alone():
    graph = Graph(int8(network(L.DepthwiseConv2D(3, padding="same", dilation_rate=2), L.Conv2D(4, 3, padding="same"))))
    assert phases.in_phases(graph, 0, 1, 4) is None
    assert phases.in_phases(graph, 0, 0, 4) is not None
