import keras
import numpy as np
import pytest

from kerasseg.int8 import quantization
from kerasseg.lite import converter
from kerasseg.lite.flatbuffer import Graph
from tests.lite.nets import real_output


@pytest.fixture(scope="module")
def content():
    image = keras.Input((8, 8, 3), batch_size=1)
    x = keras.layers.Conv2D(4, 3, padding="same", kernel_initializer="ones")(image)
    return converter.convert(keras.Model(image, x), recipe="float32")


def test_what_is_in_a_file(content):
    graph = Graph(content)
    (convolution,) = graph.operators
    assert convolution.name == "CONV_2D"
    assert graph.shape(convolution.outputs[0]) == (1, 8, 8, 4)
    assert graph.dtype(convolution.inputs[0]) == np.float32
    np.testing.assert_array_equal(graph.constant(convolution.inputs[1]), np.ones((4, 3, 3, 3)))
    assert graph.constant(convolution.inputs[0]) is None
    assert len(graph.scales(convolution.inputs[0])) == 0


def test_written_again_it_computes_the_same(content):
    images = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3)).astype(np.float32)
    outputs = [real_output(one, images)[0] for one in (content, Graph(content).content())]
    np.testing.assert_array_equal(*outputs)


def test_a_range_decides_the_scale(content):
    graph = Graph(content)
    image, result = graph.operators[0].inputs[0], graph.operators[0].outputs[0]
    quantized = Graph(quantization.with_ranges(content, {image: (0.0, 255.0), result: (-1.0, 1.55)}))
    (convolution,) = quantized.operators
    np.testing.assert_allclose(quantized.scales(convolution.outputs[0]), [0.01])  # 2.55 / 255
    np.testing.assert_allclose(quantized.scales(convolution.inputs[1]), np.full(4, 1 / 127))  # a scale a channel


def test_other_files_are_refused():
    with pytest.raises(ValueError, match="is a ZIP archive, no .tflite file; unpack it"):
        Graph(b"PK\x03\x04 something else")
