import keras
import pytest
from ai_edge_litert import schema_py_generated as schema

from kerasseg.lite.flatbuffer import Graph
from kerasseg.mcu import operators
from tests.lite.nets import as_float, from_tf, int8, network


@pytest.fixture(scope="module")
def content():
    return int8(network(keras.layers.Conv2D(4, 3, strides=2, padding="same"), keras.layers.Resizing(16, 16)))


def test_every_operator_has_a_method_by_its_name():
    for kind, method in {"CONV_2D": "Conv2D", "PADV2": "PadV2", "L2_POOL_2D": "L2Pool2D", "CUMSUM": "CumSum"}.items():
        assert operators.METHODS[kind.replace("_", "").lower()] == method


def _open_network():
    image = keras.Input((None, None, 3))
    return keras.Model(image, keras.layers.Conv2D(4, 1)(image))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: from_tf(network(keras.layers.Conv2D(4, 1))), r"f.tflite is a float model: CONV_2D at .* computes in float32"),
        (
            lambda: from_tf(network(keras.layers.UpSampling2D(2, interpolation="nearest"))),
            r"has TILE \(at .*\), which TFLite Micro lacks; use Resizing\(interpolation='nearest'\)",
        ),
        (
            lambda: from_tf(_open_network()),
            r"has an open size \(-1, -1, .* convert it with batch 1",
        ),
    ],
)
def test_what_tflite_micro_would_refuse(make, message):
    with pytest.raises(ValueError, match=message):
        operators.check(Graph(make()), file="f.tflite")


def test_a_hybrid_model_and_weights_outside_the_file(content):
    layers = network(keras.layers.Conv2D(4, 1), keras.layers.Conv2D(4, 1), keras.layers.Conv2D(4, 1))

    middle = Graph(as_float(layers))
    hybrid = int8(layers, float_tensors=[middle.name(middle.operators[1].outputs[0])])
    with pytest.raises(ValueError, match=r"is in part a float model \(hybrid\).*without --float_layers"):
        operators.check(Graph(hybrid), file="f.tflite")
    graph = Graph(content)
    operators.check(graph, file="f.tflite")
    graph.model.buffers[1].offset = 4096
    with pytest.raises(ValueError, match="keeps weights outside the flatbuffer, where TFLite Micro reads nonsense"):
        operators.check(graph, file="f.tflite")


def test_uint8_models_of_old_are_refused(content):
    graph = Graph(content)
    graph.tensors[graph.operators[0].outputs[0]].type = schema.TensorType.UINT8
    with pytest.raises(ValueError, match=r"computes in uint8 \(CONV_2D at .*convert the model again"):
        operators.check(graph, file="f.tflite")


def test_what_cmsis_nn_computes_is_counted_one_by_one():
    image = keras.Input((16, 16, 3), batch_size=1)
    x = keras.layers.Conv2D(4, 3, padding="same")(image)
    y = keras.layers.DepthwiseConv2D(3, padding="same")(x)
    z = keras.layers.DepthwiseConv2D(3, padding="same", dilation_rate=2)(x)
    pooled = keras.layers.GlobalAveragePooling2D(keepdims=True)(x)
    graph = Graph(int8(keras.Model(image, keras.layers.Multiply()([keras.layers.Add()([y, z]), pooled]))))
    assert operators.count(graph) == {"CONV_2D": 1, "DEPTHWISE_CONV_2D": 2, "ADD": 1, "MEAN": 1, "MUL": 1}
    # The dilated one is plain C, the product is a broadcast, and there is no kernel for MEAN.
    assert operators.optimized(graph) == {"CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "ADD": 1}
