"""Every rule has a file that breaks it and one that does not; breaches that no converter makes are written into a file."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasseg.lite import converter, lint
from kerasseg.lite.flatbuffer import Graph
from tests.lite.nets import as_float, from_tf, int8, network


def _rules(content):
    return {finding.rule for finding in lint.lint(content)}


def _clean():
    return network(keras.layers.Conv2D(4, 3, dilation_rate=2, padding="same"), keras.layers.ReLU(), keras.layers.Conv2D(2, 1))


def test_a_good_file_has_no_findings():
    assert lint.lint(int8(_clean())) == []
    assert lint.lint(as_float(_clean())) == []


def test_space_to_batch():
    open_batch = network(keras.layers.Conv2D(4, 3, dilation_rate=2, padding="same"), batch_size=None)
    assert "space_to_batch" in _rules(from_tf(open_batch))


def test_tile():
    assert "tile" in _rules(as_float(network(keras.layers.UpSampling2D(2, interpolation="nearest"))))
    assert "tile" not in _rules(as_float(network(keras.layers.Resizing(32, 32, interpolation="nearest"))))


def test_hard_swish_and_partitions():
    layers = (keras.layers.Conv2D(4, 1), keras.layers.Activation("hard_swish"), keras.layers.Conv2D(2, 1))
    assert {"hard_swish", "partitions"} <= _rules(int8(network(*layers)))
    assert not {"hard_swish", "partitions"} & _rules(as_float(network(*layers)))


def test_float_island_and_stray_casts():
    clean = _clean()
    middle = Graph(as_float(clean))
    island = int8(clean, float_tensors=[middle.name(middle.operators[0].outputs[0])])
    assert "float_island" in _rules(island)
    three = network(keras.layers.Conv2D(4, 1), keras.layers.Conv2D(4, 1), keras.layers.Conv2D(4, 1))
    middle = Graph(as_float(three))
    assert "stray_cast" in _rules(int8(three, float_tensors=[middle.name(middle.operators[1].outputs[0])]))
    assert not {"float_island", "stray_cast"} & _rules(int8(clean, io_type="float32"))
    assert "stray_cast" not in _rules(converter.convert(three, recipe="float16"))  # weights, not activations that wander


def test_per_tensor_weights():
    graph = Graph(int8(_clean()))
    quantization = graph.tensors[graph.operators[0].inputs[1]].quantization
    quantization.scale, quantization.zeroPoint = (quantization.scale[:1], quantization.zeroPoint[:1])
    assert "per_tensor_weights" in _rules(graph.content())


def test_unfolded_batch_norm():
    def unfolded(batch_size):
        rates = keras.layers.Conv2D(4, 3, dilation_rate=2, padding="same", use_bias=False)
        model = network(rates, keras.layers.BatchNormalization(name="norm"), batch_size=batch_size)
        model.get_layer("norm").set_weights([np.arange(1.0, 5.0), np.ones(4), np.ones(4), np.ones(4)])
        return from_tf(model)

    assert "unfolded_batch_norm" in _rules(unfolded(None))
    assert "unfolded_batch_norm" not in _rules(unfolded(1))


def test_outside_weights():
    graph = Graph(as_float(_clean()))
    graph.model.buffers[-1].offset = 4096
    assert lint.RULES["outside_weights"].count(graph) == 1
    assert lint.RULES["outside_weights"].count(Graph(as_float(_clean()))) == 0


@pytest.mark.parametrize(("dtype", "found"), [(tf.int64, True), (tf.int32, False)])
def test_int64_output(dtype, found):
    class Classes(keras.layers.Layer):
        def call(self, x):
            return tf.argmax(x, -1, output_type=dtype)

    assert ("int64_output" in _rules(from_tf(network(Classes())))) == found


@pytest.mark.parametrize(("size", "found"), [(64, True), (32, False), (16, False)])
def test_odd_resize(size, found):
    # 16 -> 64 is 4x; 16 -> 32 is 2x; 16 -> 16 is nothing.
    assert ("odd_resize" in _rules(as_float(network(keras.layers.Conv2D(2, 1), keras.layers.Resizing(size, size))))) == found


def test_findings_say_what_to_do():
    for finding in lint.lint(int8(network(keras.layers.Conv2D(4, 1), keras.layers.Activation("hard_swish")))):
        assert finding.count >= 1
        assert ";" in finding.text
        assert finding.to_json()["rule"] == finding.rule


def test_what_is_no_tflite_file_is_refused():
    with pytest.raises(ValueError, match="is a text, no .tflite file"):
        lint.lint(b"not a flatbuffer at all")
