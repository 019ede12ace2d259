import keras
import numpy as np
import pytest

from kerasseg import int8
from kerasseg.errors import InputError
from kerasseg.int8 import calibration, products, quantization, ranges, wide
from kerasseg.int8.preparation import Prepared
from kerasseg.lite import interpreter, surgery
from kerasseg.lite.flatbuffer import Graph
from kerasseg.mcu import parity
from tests.lite.nets import IMAGES, as_float, real_output


@pytest.fixture(scope="module")
def prepared():
    """A network whose channels differ a hundredfold, with two gates that share a bias, and a resize."""
    keras.utils.set_random_seed(0)
    layers, image = keras.layers, keras.Input((16, 16, 3), batch_size=1)
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="stem")(layers.Rescaling(1 / 127.5, -1)(image))
    for i in range(2):
        gate = layers.Conv2D(8, 1, activation="relu6", bias_initializer=keras.initializers.Constant(3.0))(
            layers.GlobalAveragePooling2D(keepdims=True)(x)
        )
        x = layers.Multiply()([x, layers.Rescaling(1 / 6)(gate)])
        x = layers.Add()([x, layers.DepthwiseConv2D(3, padding="same", dilation_rate=1 + i)(x)])
    model = keras.Model(image, layers.Resizing(16, 16)(layers.Conv2D(4, 1)(x)))
    kernel, bias = model.get_layer("stem").get_weights()
    model.get_layer("stem").set_weights([kernel * np.logspace(-1, 1, 8), bias])
    content = as_float(model)
    measured = ranges.measure(content, calibration.representative(IMAGES))
    return Prepared(model, content, content, measured, tuple(image[None].astype(np.float32) for image in IMAGES))


@pytest.fixture(scope="module")
def content(prepared):
    return int8.quantize(prepared, activations="int16")


def _decibel(prepared, content):
    image = prepared.images[0]
    expected, (given, _) = prepared.model.predict_on_batch(image), real_output(content, image)
    return 10 * np.log10(np.mean(expected**2) / np.mean((given - expected) ** 2))


def test_int16_activations_lose_less_than_int8_ones(prepared, content):
    narrow, wider = _decibel(prepared, quantization.with_ranges(prepared.content, prepared.ranges)), _decibel(prepared, content)
    assert wider > 35  # what int8 weights leave
    assert wider > narrow + 8


def test_without_biases_of_their_own_the_gates_would_be_wrong(prepared, content, monkeypatch):
    biases = [one.inputs[2] for one in Graph(prepared.content).operators if one.name == "CONV_2D"]
    assert len(set(biases)) < len(biases)
    monkeypatch.setattr(surgery, "unshare", lambda graph: None)
    assert _decibel(prepared, wide.with_ranges(prepared.content, prepared.ranges)) < _decibel(prepared, content) - 20


@pytest.mark.parametrize("io_type", ["int16", "float32"])
def test_tflite_micro_runs_it_to_the_bit(prepared, io_type):
    content = products.agreeing(wide.with_ranges(prepared.content, prepared.ranges, io_type=io_type))
    loaded = interpreter.ImageModel(content)
    assert loaded.input.dtype == loaded.output.dtype == np.dtype(io_type)
    graph = Graph(content)
    assert {np.dtype(graph.dtype(one.inputs[0])) for one in graph.operators if one.name == "CONV_2D"} == {np.dtype("int16")}
    (resize,) = (one for one in graph.operators if one.name == "RESIZE_BILINEAR")
    assert graph.dtype(resize.outputs[0]) == np.int8  # which is all that TFLite Micro has
    found, _ = parity.compare(content, [[loaded.picture.array(image)] for image in prepared.images])
    assert (found.runs, found.equal) == (2, 2)


def test_other_types_at_its_ends_are_refused(prepared):
    with pytest.raises(InputError, match="io_type 'int8' is unknown; give one of int16, float32"):
        quantization.quantize(prepared, activations="int16", io_type="int8")
