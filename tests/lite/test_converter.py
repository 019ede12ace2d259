import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from kerasseg.lite import converter, interpreter, recipes
from kerasseg.models import build_model
from tests.lite.nets import real_output

pytestmark = pytest.mark.slow

IMAGE = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def model(short):
    return build_model(short.model, size=(64, 64), num_classes=4, batch_size=1)


@pytest.mark.parametrize("recipe", [name for name, recipe in recipes.RECIPES.items() if not recipe.calibrated])
def test_every_recipe_gives_the_models_logits(model, recipe, capfd):
    content = converter.convert(model, recipe=recipe)
    assert capfd.readouterr() == ("", "")  # no wall of converter logs
    assert list(Interpreter(model_content=content).get_signature_list()) == ["serving_default"]
    loaded = interpreter.LoadedModel(content)
    assert loaded.size == (64, 64)
    assert loaded.num_classes == 4
    expected = model.predict_on_batch(IMAGE)
    tolerance = {"float32": 1e-4, "float16": 1e-2, "dynamic": 0.1}[recipe]
    assert np.abs(real_output(content, IMAGE)[0] - expected).max() <= tolerance * np.abs(expected).max()


def test_what_cannot_be_converted_is_refused(model):
    with pytest.raises(ValueError, match="unknown recipe 'int4'; known are float32, float16, dynamic, int8, int8_qat"):
        converter.convert(model, recipe="int4")
    with pytest.raises(
        ValueError, match="recipe int8 measures activations, which kerasseg.int8.quantize does; here are float32, "
    ):
        converter.convert(model, recipe="int8")
    with pytest.raises(ValueError, match=r"takes \(None, 64, 64, 3\); build it with batch_size=1"):
        converter.convert(build_model("micro_96", size=(64, 64)), recipe="float32")
