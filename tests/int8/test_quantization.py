import math

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from kerasseg import int8
from kerasseg.int8 import calibration
from kerasseg.lite import interpreter
from kerasseg.lite.flatbuffer import Graph
from kerasseg.mcu import parity
from kerasseg.models import build_model
from tests.lite.nets import real_output

pytestmark = pytest.mark.slow

IMAGE = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return build_model("tiny", size=(64, 64), num_classes=4, batch_size=1)


@pytest.fixture(scope="module")
def prepared(model):
    images = np.random.default_rng(1).integers(0, 256, (4, 64, 64, 3), np.uint8)
    return int8.prepare_model(model, calibration.representative(images))


@pytest.fixture(scope="module")
def content(prepared):
    return int8.quantize(prepared)


def test_the_file_gives_the_models_logits(model, content):
    expected = model.predict_on_batch(IMAGE)
    assert np.abs(real_output(content, IMAGE)[0] - expected).max() <= 0.35 * np.abs(expected).max()


def test_a_file_is_int8_throughout_and_has_no_wrapped_convolutions(content):
    raw = Interpreter(model_content=content, experimental_preserve_all_tensors=False)
    raw.allocate_tensors()
    operators = {operation["op_name"] for operation in raw._get_ops_details()}
    assert "SPACE_TO_BATCH_ND" not in operators
    assert not operators & {"QUANTIZE", "DEQUANTIZE"}
    assert {tensor["dtype"] for tensor in raw.get_tensor_details()} <= {np.int8, np.int32}


@pytest.mark.parametrize("io_type", ["uint8", "float32"])
def test_input_and_output_types(prepared, io_type):
    loaded = interpreter.LoadedModel(int8.quantize(prepared, io_type=io_type))
    assert loaded.input.dtype == loaded.output.dtype == np.dtype(io_type)


def test_tflite_micro_gives_the_same_to_the_bit(content):
    graph = Graph(content)
    products = [one for one in graph.operators if one.name == "MUL"]
    assert len(products) > 5  # squeeze-excite and the picture's rescaling
    for operator in products:
        if graph.constant(operator.inputs[1]) is not None:  # whole steps to whole steps, where a last bit does not matter
            continue
        first, second, out = (graph.scales(tensor)[0] for tensor in (*operator.inputs, *operator.outputs))
        multipliers = float(first * second / out), float(first) * float(second) / float(out)
        assert len({round(math.frexp(multiplier)[0] * 2**31) for multiplier in multipliers}) == 1
    images = np.random.default_rng(2).integers(-128, 128, (3, 1, 64, 64, 3)).astype(np.int8)
    found, _ = parity.compare(content, [[image] for image in images])
    assert (found.runs, found.equal) == (3, 3)


def test_means_as_poolings_are_equal_to_the_bit_too(model):
    prepared = int8.prepare_model(model, calibration.representative(IMAGE), rounding="nearest", means="pool")
    content = int8.quantize(prepared)
    kinds = [operator.name for operator in Graph(content).operators]
    assert "MEAN" not in kinds
    assert kinds.count("AVERAGE_POOL_2D") == 10  # nine gates and the head's
    images = np.random.default_rng(2).integers(-128, 128, (2, 1, 64, 64, 3)).astype(np.int8)
    found, _ = parity.compare(content, [[image] for image in images])
    assert (found.runs, found.equal) == (2, 2)
    expected = model.predict_on_batch(IMAGE)
    assert np.abs(real_output(content, IMAGE)[0] - expected).max() <= 0.35 * np.abs(expected).max()


def test_reference_kernels_and_xnnpack_agree_to_a_few_steps(content):
    outputs = []
    for kernels in interpreter.KERNELS:
        loaded = interpreter.LoadedModel(content, kernels=kernels)
        loaded.set_image(IMAGE)
        loaded.invoke()
        outputs.append(loaded.raw_output().astype(int))
    assert np.abs(outputs[0] - outputs[1]).max() <= 6


def test_an_unknown_type_is_refused(prepared):
    with pytest.raises(ValueError, match="io_type 'int16' is unknown; give one of int8, uint8, float32"):
        int8.quantize(prepared, io_type="int16")
