import dataclasses
import json
import sys

import keras
import pytest

from kerasseg import int8
from kerasseg.data.datasets import load_for_run
from kerasseg.data.letterbox import letterbox
from kerasseg.int8 import calibration, preparation
from kerasseg.lite import converter
from kerasseg.lite.flatbuffer import Graph
from kerasseg.run import open_run, trained
from tests.lite import nets

pytestmark = pytest.mark.slow

SETTINGS = int8.QuantizationSettings(4, 0, "random")


@pytest.fixture(scope="module")
def run(short_run):
    return open_run(short_run)


@pytest.fixture(scope="module")
def split(run):
    return load_for_run(run.config).split("train")


@pytest.fixture(scope="module")
def prepared(run, split):
    return int8.prepare(run, split, SETTINGS)


def test_what_a_file_was_made_from_can_be_made_again(run, split, prepared):
    story = json.loads(json.dumps(dataclasses.asdict(SETTINGS) | {"names": prepared.names}))
    again = preparation.again(run, split, story)
    assert int8.quantize(again) == int8.quantize(prepared)


def test_a_file_from_before_a_setting_was_there_is_made_again_as_it_was(run, split, monkeypatch):
    asked = []
    monkeypatch.setattr(preparation, "prepare", lambda run, split, settings: asked.append(settings))
    preparation.again(run, split, {"calibration_examples": 4, "calibration_seed": 0, "calibration_choice": "random"})
    assert asked == [dataclasses.replace(SETTINGS, rounding="nearest", outside=0.0)]
    preparation.again(run, split, dataclasses.asdict(SETTINGS))
    assert asked[1] == SETTINGS


def test_pictures_that_are_read_again_give_what_held_ones_give(run, split, prepared):
    images = [letterbox(split[i].image, size=run.eval_size)[0] for i in calibration.choose(len(split), count=4, seed=0)]
    held = int8.prepare_model(trained.load_trained(run), calibration.representative(images))
    assert int8.quantize(held) == int8.quantize(prepared)


def test_a_model_that_was_trained_since_is_converted_anew():
    layers = keras.layers.Conv2D(4, 3, name="first"), keras.layers.ReLU(name="relu"), keras.layers.Conv2D(2, 1, name="last")
    made = int8.prepare_model(nets.network(*layers), calibration.representative(nets.IMAGES))
    assert made.converted() is made.content
    last = made.model.get_layer("last")
    kernel, bias = last.get_weights()
    last.set_weights([2 * kernel, bias])
    assert made.converted() == converter.convert(made.model, recipe="float32") != made.content


def test_without_the_extra_the_command_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "kerasseg.int8.twin", None)
    monkeypatch.delattr(int8, "twin", raising=False)
    with pytest.raises(ValueError, match=r"int8_qat needs tensorflow-model-optimization .*pip install 'kerasseg\[qat\]'"):
        preparation.load_twin()


def test_unknown_choices_are_refused():
    with pytest.raises(ValueError, match="calibration_choice 'best' is unknown; give one of random, covering"):
        int8.QuantizationSettings(calibration_choice="best")
    with pytest.raises(ValueError, match="resizes 'Doubling' is unknown; give one of whole, doubling"):
        int8.QuantizationSettings(resizes="Doubling")
    with pytest.raises(ValueError, match="means 'average' is unknown; give one of mean, pool"):
        int8.QuantizationSettings(means="average")


def test_float_layers_by_name_and_by_loss(prepared):
    named = int8.named_layers(prepared, ["aspp_project"])
    assert named.layers == ("aspp_project",)
    content = int8.quantize(prepared, float_layers=named)
    assert "CONV_2D" in {one.operator for one in int8.where_it_hurts(prepared, content, prepared.images[:1])}
    assert "DEQUANTIZE" in {operator.name for operator in Graph(content).operators}
    worst = int8.worst_layers(prepared, prepared.images[:1], count=3)
    assert len(worst.layers) == len(worst.tensors) == 3
    found = int8.where_it_hurts(prepared, int8.quantize(prepared), prepared.images[:1])
    assert worst.layers[0] == max(found, key=lambda one: one.lost_db).layer
    with pytest.raises(ValueError, match="no layer 'conv_99' to leave in float; those with weights are conv, "):
        int8.named_layers(prepared, ["conv_99"])
    for count in (0, 5000):
        with pytest.raises(ValueError, match=f"{count} layers are to stay in float; give a number from 1 to {len(found)}"):
            int8.worst_layers(prepared, prepared.images[:1], count=count)
