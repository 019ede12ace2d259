import dataclasses

import numpy as np
import pytest

from kerasseg import files, training
from kerasseg.data import load_dataset
from kerasseg.errors import InputError
from kerasseg.int8 import calibration
from kerasseg.run import histogram, open_run, origin
from kerasseg.training import admission
from tests.conftest import assert_one_line, folder_dataset, kerasseg, write_picture

pytestmark = pytest.mark.slow


@pytest.fixture
def large(tmp_path, monkeypatch):
    """Twelve pictures for train and twelve for val, which are many where a large set is one of more than ten."""
    monkeypatch.setattr(admission, "LARGE", 10)
    monkeypatch.setattr(admission, "LEAST", 3)
    monkeypatch.setattr(admission, "LOOKED_PIXELS", 1)
    monkeypatch.setattr(origin, "MANY", 3)
    monkeypatch.setattr(origin, "SIZES", 3)
    root = folder_dataset(tmp_path / "data", count=12)
    # Class 2 is in p8 alone, the eleventh by name (p0, p1, p10, p11, p2, ...); evenly spaced, 0, 5 and 11 are looked at.
    for path in (root / "labels" / "train").iterdir():
        labels = np.zeros((40, 60), np.uint8)
        labels[:20] = 1
        labels[0, 0] = 2 if path.stem == "p8" else 1
        write_picture(path, labels)
    return root


@pytest.fixture
def config(short, large):
    return dataclasses.replace(
        short, dataset="folder", data_dir=str(large), train_examples=0, val_examples=0, class_weights="sqrt"
    )


def test_of_a_large_set_some_are_looked_at_and_a_resume_knows_what_was_seen(config, large, tmp_path, monkeypatch):
    lines = []
    training.train(config, workdir=tmp_path / "run", log=lines.append)
    assert "reading 3 of 12 train examples of folder" in lines
    assert "reading 3 of 12 val examples of folder" in lines
    assert "class weights are of the 3 training examples that were read" in lines
    said = "\n".join(lines)
    assert "warning (sampled): 3 of 12 train and 3 of 12 val pictures were looked at" in said
    assert "warning (absent): a class with no pixel in the 3 train pictures looked at: class2" in said  # no error
    with np.load(tmp_path / "run" / "labels.npz") as stored:
        pixels = stored["pixels"]
    assert np.flatnonzero(pixels.sum(1)).tolist() == [0, 5, 11]
    assert pixels[5, :3].tolist() == [1200, 1200, 0]  # half of 40x60 each
    run = open_run(tmp_path / "run")
    assert run.data["train"]["sizes"] == 3
    assert files.read_json(run.directory.data)["pictures"] == {"train": 12, "val": 12}
    # Calibration takes pictures that were counted: the others have no share of any class.
    split = load_dataset("folder", data_dir=str(large)).split("train")
    assert calibration.choose_covering(histogram.pixels(run, split)[:, :255], count=3, seed=0) == [0, 5, 11]

    before = [path.read_bytes() for path in (run.directory.data, run.directory.labels)]
    monkeypatch.setattr("kerasseg.data.tally.count", None)  # would be called to look again
    training.train(config, workdir=tmp_path / "run", log=lines.append)
    assert "12 train and 12 val examples of folder, looked at when the run began" in lines
    assert [path.read_bytes() for path in (run.directory.data, run.directory.labels)] == before
    for kind in ("images", "labels"):
        (large / kind / "train" / "p3.png").rename(large / kind / "train" / "q3.png")
    with pytest.raises(InputError, match="was begun on other data: train has pictures of other names or sizes"):
        training.train(config, workdir=tmp_path / "run")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_bad_picture_of_the_first_epoch_is_one_line(config, large, tmp_path, workers):
    (large / "images" / "train" / "p7.png").write_bytes(b"no picture")
    config = dataclasses.replace(config, workers=workers, model="tiny")  # of no other does another process know
    words = r"p7.png cannot be decoded .*; replace the file or remove it; kerasseg inspect finds all such files at once$"
    with pytest.raises(InputError, match=words):
        training.train(config, workdir=tmp_path / "run")


def test_a_bad_picture_of_val_leaves_the_epoch_that_came_before(config, large, tmp_path):
    config = dataclasses.replace(config, epochs=2)
    there = large / "labels" / "val" / "p7.png"
    good = there.read_bytes()
    there.write_bytes(b"no picture")
    with pytest.raises(InputError, match="p7.png cannot be decoded .*; kerasseg inspect finds all such files at once$"):
        training.train(config, workdir=tmp_path / "run")
    there.write_bytes(good)
    lines = []
    training.train(config, workdir=tmp_path / "run", log=lines.append)
    assert "resuming after epoch 1 of 2" in lines


def test_a_small_set_is_looked_at_whole(short, tmp_path):
    root = folder_dataset(tmp_path / "data")
    (root / "images" / "train" / "p2.png").write_bytes(b"no picture, but a head is read of every one")
    flags = ["train", "--model=short", "--dataset=folder", f"--data_dir={root}", "--size=32,32", "--backbone_weights=none",
        "--epochs=1", f"--workdir={tmp_path / 'run'}"]  # fmt: skip
    assert_one_line(kerasseg(*flags), "p2.png cannot be decoded")
    assert not (tmp_path / "run").exists()
