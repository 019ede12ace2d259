import dataclasses
import shutil

import pytest

from kerasseg import files
from kerasseg.data import datasets
from kerasseg.errors import InputError
from kerasseg.run.directory import open_run
from kerasseg.training import opening, start

pytestmark = pytest.mark.slow


@pytest.fixture
def look(short, short_run, tmp_path):
    """Holds `short_run` against a training that starts from its weights; what was said, a line each."""

    def said(weights=short_run / "best.weights.h5", **settings):
        config = dataclasses.replace(short, epochs=1, init_weights=str(weights), **settings)
        dataset, lines = datasets.load_for_run(config), []
        start.look_at_other(opening.resolve(config, dataset.class_names, workdir=tmp_path / "run"), dataset, log=lines.append)
        return [line.replace(str(short_run), "other") for line in lines]

    return said


def test_of_the_same_network_and_data_nothing_is_said(look):
    assert look() == []


def test_pictures_that_the_weights_may_have_seen_are_said(look):
    (line,) = look(train_examples=6)
    assert line == (
        "other/best.weights.h5 was trained on other data: train has 6 examples, and had 8; pictures of this val may be among "
        "what it has seen"
    )
    (line,) = look(holdout="0$")
    assert "train has pictures of other names or sizes; pictures of this val may be" in line


def test_another_activation_or_output_stride_is_said(look, short_run):
    usual = open_run(short_run).spec
    (line,) = look(output_stride=32, activation="relu")
    there = f"output_stride={usual.output_stride}, activation={usual.activation}"
    assert line == f"other/best.weights.h5 was trained with {there}, and goes on with output_stride=32, activation=relu"


def test_other_classes_are_said(look, short_run, tmp_path):
    other = shutil.copytree(short_run, tmp_path / "other")
    stored = files.read_json(other / "config.json")
    names = stored["resolved"]["class_names"]
    stored["resolved"]["class_names"] = names[::-1]
    files.write_json(other / "config.json", stored)
    (line,) = look(other / "best.weights.h5")
    backwards, forwards = ", ".join(names[::-1]), ", ".join(names)
    assert line.endswith(f"was trained on the classes {backwards}: its logits are where {forwards} begin")

    stored["resolved"]["class_names"] = names[:3]
    files.write_json(other / "config.json", stored)
    with pytest.raises(InputError, match=r"is of short with 3 channels and 3 classes, and this is short with 3 channels and 6"):
        look(other / "best.weights.h5")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"channels": 1}, "is of short with 3 channels and 6 classes, and this is short with 1 channel and 6 classes; give"),
        ({"model": "tiny"}, "is of short with 3 channels and 6 classes, and this is tiny with 3 channels and 6 classes; give"),
    ],
)
def test_another_network_is_refused(look, settings, said):
    with pytest.raises(InputError, match=said):
        look(**settings)


def test_weights_that_lie_alone_tell_nothing(look, short_run, tmp_path):
    assert look(shutil.copy(short_run / "best.weights.h5", tmp_path / "a.weights.h5"), train_examples=6) == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"momentum": 0.5}, "--momentum: of no use for adamw"),
        ({"class_weights": "sqrt", "ce_weight": 0.0, "dice_weight": 1.0}, "--class_weights: of no use without cross-entropy"),
        ({"backbone_lr_factor": 0.0}, "--backbone_lr_factor=0 freezes a backbone of random numbers"),
        ({"momentum": 0.5, "optimizer": "sgd"}, ""),
        ({"class_weights": "sqrt"}, ""),
        ({"backbone_lr_factor": 0.0, "backbone_weights": "imagenet"}, ""),
    ],
)
def test_settings_that_do_nothing_are_said(short, tmp_path, settings, said):
    lines = []
    opening.opened(dataclasses.replace(short, **settings), workdir=tmp_path / "run", accept=(), log=lines.append)
    found = [line for line in lines if "--" in line]
    assert len(found) == bool(said)
    assert not said or found[0].startswith(said)


def test_a_holdout_that_is_cut_short_says_how_many_are_left(short):
    held = datasets.load_for_run(dataclasses.replace(short, holdout="0$")).held
    assert "360 are left to train on" in held
    assert held.endswith("; of those the first 8 are trained on, and the first 4 are val")
    assert "first" not in datasets.load_for_run(dataclasses.replace(short, holdout="0$", train_examples=0, val_examples=0)).held
