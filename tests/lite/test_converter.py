import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from kerasseg.lite import calibration, converter, interpreter, recipes
from kerasseg.models import build_model

IMAGE = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    return build_model("tiny", size=(64, 64), num_classes=4, batch_size=1)


@pytest.fixture(scope="module")
def representative():
    images = np.random.default_rng(1).integers(0, 256, (4, 64, 64, 3), np.uint8)
    return calibration.representative(iter(images))


@pytest.fixture(scope="module")
def int8_content(model, representative):
    return converter.convert(model, recipe="int8", representative=representative)


@pytest.mark.parametrize("recipe", [name for name, recipe in recipes.RECIPES.items() if not recipe.trained])
def test_every_recipe_gives_the_models_logits(model, representative, recipe, capfd):
    content = converter.convert(model, recipe=recipe, representative=representative)
    assert capfd.readouterr() == ("", "")  # no wall of converter logs
    loaded = interpreter.LoadedModel(content)
    assert loaded.size == (64, 64)
    assert loaded.num_classes == 4
    loaded.set_image(IMAGE)
    loaded.invoke()
    expected = model.predict_on_batch(IMAGE)
    signal = np.abs(expected).max()
    tolerance = {"float32": 1e-4, "float16": 1e-2, "dynamic": 0.1, "int8": 0.35}[recipe]
    assert np.abs(loaded.logits() - expected).max() <= tolerance * signal


def test_an_int8_file_is_int8_throughout_and_has_no_wrapped_convolutions(int8_content):
    raw = Interpreter(model_content=int8_content, experimental_preserve_all_tensors=False)
    raw.allocate_tensors()
    operators = {operation["op_name"] for operation in raw._get_ops_details()}
    assert "SPACE_TO_BATCH_ND" not in operators
    assert not operators & {"QUANTIZE", "DEQUANTIZE"}
    assert {tensor["dtype"] for tensor in raw.get_tensor_details()} <= {np.int8, np.int32}


@pytest.mark.parametrize("io_type", ["uint8", "float32"])
def test_input_and_output_types(model, representative, io_type):
    loaded = interpreter.LoadedModel(converter.convert(model, recipe="int8", representative=representative, io_type=io_type))
    assert loaded.input.dtype == loaded.output.dtype == np.dtype(io_type)


def test_reference_kernels_and_xnnpack_agree_to_a_few_steps(int8_content):
    outputs = []
    for kernels in interpreter.KERNELS:
        loaded = interpreter.LoadedModel(int8_content, kernels=kernels)
        loaded.set_image(IMAGE)
        loaded.invoke()
        outputs.append(loaded.raw_logits().astype(int))
    assert np.abs(outputs[0] - outputs[1]).max() <= 6


def test_what_cannot_be_converted_is_refused(model, representative):
    with pytest.raises(ValueError, match="unknown recipe 'int4'; known are float32, float16, dynamic, int8, int8_qat"):
        converter.convert(model, recipe="int4")
    with pytest.raises(ValueError, match="recipe int8 needs calibration images"):
        converter.convert(model, recipe="int8")
    with pytest.raises(ValueError, match="io_type 'int16' is unknown; give one of int8, uint8, float32"):
        converter.convert(model, recipe="int8", representative=representative, io_type="int16")
    with pytest.raises(ValueError, match=r"takes \(None, 64, 64, 3\); build it with batch_size=1"):
        converter.convert(build_model("tiny", size=(64, 64)), recipe="float32")
