"""What the tests of memory plans share: networks of a few layers, and the same numbers in both engines."""

import keras
import numpy as np

from kerasseg.lite.flatbuffer import Graph
from kerasseg.lite.inspection import Reference
from kerasseg.mcu import runtime, trials
from tests.lite.nets import int8


def quantized(model):
    """The int8 file of a network of any input size."""
    return int8(model, images=np.random.default_rng(0).integers(0, 256, (1, *model.input_shape[1:]), np.uint8))


def batches(content, *, count=3):
    """Random inputs over the whole of int8."""
    graph, rng = Graph(content), np.random.default_rng(7)
    shape = graph.shape(int(graph.model.subgraphs[0].inputs[0]))
    return [[rng.integers(-128, 128, shape, np.int8)] for _ in range(count)]


def assert_equal_in_both_engines(before, after):
    """LiteRT's reference kernels and TFLite Micro give the same numbers for two files, and those numbers say something."""
    runtime.check_shapes(after, file="the file after")
    given = batches(before)
    micro = [trials.outputs(content, given) for content in (before, after)]
    for inputs, ours, theirs in zip(given, *micro, strict=True):
        references = [Reference(content).run(inputs) for content in (before, after)]
        for a, b, c, d in zip(ours, theirs, *references, strict=True):
            np.testing.assert_array_equal(a, b)
            np.testing.assert_array_equal(c, d)
            assert len(np.unique(a)) > 10


def squeeze_excite(*, dilation=2, side=16, channels=48):
    """A widening convolution, a depthwise one that is dilated, squeeze-excite, a narrowing one and a sum, as V3-Small has."""
    image = keras.Input((side, side, 3), batch_size=1)
    entry = keras.layers.Conv2D(8, 3, padding="same", name="entry")(image)
    x = keras.layers.Conv2D(channels, 1, activation="relu", name="expand")(entry)
    x = keras.layers.DepthwiseConv2D(5, padding="same", dilation_rate=dilation, activation="relu", name="depthwise")(x)
    weight = keras.layers.GlobalAveragePooling2D(keepdims=True, name="mean")(x)
    weight = keras.layers.Conv2D(channels, 1, activation="sigmoid", name="weight")(weight)
    x = keras.layers.Multiply(name="scaled")([x, weight])
    x = keras.layers.Conv2D(8, 1, name="project")(x)
    return keras.Model(image, keras.layers.Add(name="sum")([x, entry]))
