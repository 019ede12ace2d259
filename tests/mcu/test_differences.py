import keras
import numpy as np
import pytest

from kerasseg.lite.flatbuffer import Graph
from kerasseg.mcu import differences, parity
from kerasseg.reports import tables
from tests.lite.nets import int8

BATCHES = [[np.random.default_rng(i).integers(-128, 128, (1, 16, 16, 3), np.int8)] for i in range(3)]


def with_edges():
    """A product whose multiplier is 2**-8 in float32, and less in double: every odd number that it takes is on an edge."""
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 3), batch_size=1)
    x = keras.layers.Conv2D(8, 3, padding="same")(image)
    gate = keras.layers.Conv2D(8, 1)(x)
    graph = Graph(int8(keras.Model(image, keras.layers.Multiply()([x, gate]))))
    (operator,) = (one for one in graph.operators if one.name == "MUL")
    first, second = (np.float32(graph.scales(tensor)[0]) for tensor in operator.inputs)
    nearby = (np.float32(first * (1 + i * 2**-20)) for i in range(100))
    first = next(one for one in nearby if float(one * second) > float(one) * float(second))
    for tensor, scale in ((operator.inputs[0], first), (operator.outputs[0], first * second * np.float32(2**8))):
        graph.tensors[tensor].quantization.scale = np.array([scale], np.float32)
    return graph.content()


@pytest.fixture(scope="module")
def edged():
    return with_edges()


def test_numbers_on_the_edge_by_hand():
    # 127 / 256 = 0.496. Times 2**30 / 2**31 it is 63.5, which goes up to 64, and 64 / 128 = 0.5 goes up to 1. With a smaller
    # multiplier it is 63.49.., which goes down to 63, and 63 / 128 to 0. Below 0, -63.5 goes up to -63, and that to 0.
    assert differences.scaled(np.array([127, 128, -127, -129, 383]), 2**-8).tolist() == [1, 1, 0, -1, 2]
    assert differences.scaled(np.array([127, 128]), 2**-8 * (1 - 2**-29)).tolist() == [0, 1]


def test_scales_are_told_from_other_reasons(edged):
    exactness, outputs = parity.compare(edged, BATCHES)
    assert exactness.equal < exactness.runs
    assert exactness.largest_difference == 1
    found = differences.judge(edged, BATCHES, outputs, exactness=exactness, tolerance_lsb=-1)
    assert (found.tolerance_lsb, found.because_of_scales) == (2, True)
    assert found.other_classes < 0.05  # of 8 channels taken for classes
    said = tables.differences(exactness.to_json(), found.to_json())
    assert said.startswith("by up to 1 step(s), accepted are 2; 0.")
    assert "LiteRT forms the scale of a product in float32, TFLite Micro in double" in said
    assert differences.judge(edged, BATCHES, outputs, exactness=exactness, tolerance_lsb=0).tolerance_lsb == 0
    floats = [[one.astype(np.float32) for one in outputs_of_run] for outputs_of_run in outputs]
    assert differences.judge(edged, BATCHES, floats, exactness=exactness, tolerance_lsb=5).tolerance_lsb == 0


def test_what_nothing_explains_is_not_accepted(edged):
    graph = Graph(edged)
    bias = graph.model.buffers[graph.tensors[graph.operators[0].inputs[2]].buffer]
    bias.data = (np.frombuffer(bytes(bias.data), np.int32) + 10_000).view(np.uint8)
    _, outputs = parity.compare(graph.content(), BATCHES)  # of another file
    exactness = parity.Exactness(3, 0, 90, f"CONV_2D at {graph.name(graph.operators[0].outputs[0])}")
    found = differences.judge(edged, BATCHES, outputs, exactness=exactness, tolerance_lsb=-1)
    assert (found.tolerance_lsb, found.because_of_scales) == (0, False)
    assert found.other_classes > 0


def test_equal_outputs_need_no_reason(edged):
    found = differences.judge(edged, [], [], exactness=parity.Exactness(3, 3, 0, ""), tolerance_lsb=-1)
    assert found == differences.Differences(0, False, 0.0)
