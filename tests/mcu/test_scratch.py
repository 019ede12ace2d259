import keras
import numpy as np
import pytest

from kerasseg.int8 import calibration, quantization, ranges, wide
from kerasseg.lite.flatbuffer import Graph
from kerasseg.mcu import runtime as micro
from kerasseg.mcu import scratch
from tests.lite.nets import IMAGES, as_float, int8, network


@pytest.fixture(scope="module")
def content():
    return int8(network(keras.layers.Conv2D(4, 3, strides=2, padding="same"), keras.layers.Resizing(16, 16)))


def test_scratch_by_hand(content):
    # A 3x3 convolution of 3 channels: DSP two columns of 27 rounded up to 28 int16, Helium four of 27 rounded up to 32 bytes.
    assert scratch.cmsis_nn_scratch(Graph(content)) == [max(2 * 28 * 2, 4 * 32), 0]
    assert scratch.cmsis_nn_scratch(Graph(int8(network(keras.layers.Conv2D(4, 1))))) == [0]
    depthwise = int8(network(keras.layers.DepthwiseConv2D(3, padding="same")))
    assert scratch.cmsis_nn_scratch(Graph(depthwise)) == [4 * 124 * 9]  # Helium: 124 channels, whatever it has
    pooled = int8(network(keras.layers.AveragePooling2D(16)))
    assert scratch.cmsis_nn_scratch(Graph(pooled)) == [4 * 3]  # DSP: a sum a channel
    dilated = int8(network(keras.layers.DepthwiseConv2D(3, padding="same", dilation_rate=2)))
    assert scratch.cmsis_nn_scratch(Graph(dilated)) == [0]  # plain C


def test_int16_activations_take_columns_of_two_bytes():
    content = as_float(network(keras.layers.Conv2D(16, 1), keras.layers.DepthwiseConv2D(3)))
    found = ranges.measure(content, calibration.representative(IMAGES))
    graph = Graph(wide.with_ranges(content, found))
    assert scratch.cmsis_nn_scratch(graph) == [4 * 16, 4 * 9 * 16 * 2 + 8]


def test_scratch_that_a_linked_program_asked_for():
    """One 5x5 depthwise convolution, 24x24x16: an M55 took 31,396 bytes, 12,400 of them scratch, which 10 % did not cover."""
    image = keras.Input((24, 24, 16), batch_size=1)
    net = keras.Model(image, keras.layers.DepthwiseConv2D(5, padding="same")(image))
    rng = np.random.default_rng(0)
    content = as_float(net)
    samples = [rng.uniform(0, 255, (1, 24, 24, 16)).astype(np.float32) for _ in range(2)]
    content = quantization.with_ranges(content, ranges.measure(content, lambda: ([sample] for sample in samples)))
    graph = Graph(content)
    assert scratch.arena_growth(graph) == 12_400
    if micro.is_installed():
        measured = micro.measure_arena(content).total_bytes
        assert measured + scratch.arena_growth(graph) >= 31_396
        assert measured + 0.1 * measured < 31_396


def test_scratch_under_the_peak_costs_nothing(content):
    # Live at the convolution: 16 * 16 * 3 + 8 * 8 * 4; at the resize 8 * 8 * 4 + 16 * 16 * 4, which is more by 256.
    assert scratch.arena_growth(Graph(content)) == 0
