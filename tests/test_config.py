import json

import pytest

from kerasseg import config as config_lib
from kerasseg.config import TrainConfig
from kerasseg.errors import InputError


def test_json_and_back():
    config = TrainConfig(size=(64, 96), flip=False, learning_rate=1.0, model="tiny")
    assert config_lib.from_json(json.loads(json.dumps(config_lib.to_json(config))), source="x") == config


def test_every_setting_has_a_help_text():
    for field in TrainConfig.__dataclass_fields__.values():
        assert len(field.metadata["help"]) > 5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"colour": 1}, "c.json has unknown settings colour; accepted are model, dataset"),
        ({"epochs": "many"}, 'c.json has epochs="many"; write it like 60'),
        ({"size": [64]}, r"c.json has size=\[64\]; write it like \[256, 256\]"),
        ({"flip": 1}, "c.json has flip=1; write it like true"),
    ],
)
def test_wrong_json_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        config_lib.from_json(values, source="c.json")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "epochs=0 is too small; give at least 1"),
        ({"workers": -1}, "workers=-1 is too small; give at least 0"),
        ({"bn_momentum": 1.0}, "bn_momentum=1.0 is out of range"),
        ({"learning_rate": 0.0}, "learning_rate=0.0 is not positive"),
        ({"scale_min": 2.0}, "scale_min=2.0, scale_max=1.6 is no range"),
        ({"ce_weight": 0.0}, "are all 0; give at least one"),
        ({"optimizer": "adam"}, "optimizer='adam' is unknown; give one of adamw, sgd"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**values)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"flip": "False"}, "flip='False'; write it like True"),
        ({"epochs": 1.5}, "epochs=1.5; write it like 60"),
        ({"epochs": "2"}, "epochs='2'"),
        ({"size": 64}, "size=64"),
        ({"size": (64, 64, 3)}, r"size=\(64, 64, 3\)"),
        ({"model": 3}, "model=3"),
    ],
)
def test_settings_of_another_type_are_refused_from_python_too(settings, words):
    with pytest.raises(InputError, match=words):
        TrainConfig(**settings)


def test_lists_and_whole_numbers_become_what_the_settings_are():
    config = TrainConfig(size=[64, 96], learning_rate=1)
    assert config.size == (64, 96)
    assert type(config.learning_rate) is float
