import json
import shutil

import numpy as np
import pytest

from kerasseg import files
from kerasseg.data import load_dataset
from tests.conftest import assert_one_line, kerasseg, write_picture

pytestmark = pytest.mark.slow

HELD = "held out by '^a': 3 pictures, 2 of train and 1 of val, are val now; 4 are left to train on, and 2 of val are unused"


@pytest.fixture(scope="module")
def drives(tmp_path_factory):
    """Two pictures of scene a and four of b for train, one of a and two of c for val; scene a alone has class 2 at a corner."""
    root, rng = tmp_path_factory.mktemp("drives"), np.random.default_rng(0)
    for split, names in (("train", ("a1", "a2", "b1", "b2", "b3", "b4")), ("val", ("a9", "c1", "c2"))):
        for name in names:
            labels = rng.integers(0, 2, (40, 60), np.uint8)
            labels[:2] = 2
            write_picture(root / "images" / split / f"{name}.png", rng.integers(0, 256, (40, 60, 3), np.uint8))
            write_picture(root / "labels" / split / f"{name}.png", labels[:, ::-1] if name[0] == "a" else labels)
    (root / "classes.txt").write_text("floor\nbox\nlid\n")
    return root


@pytest.fixture(scope="module")
def run(short, drives, tmp_path_factory):
    """A run that holds scene a out, its training flags, and what it said."""
    workdir = tmp_path_factory.mktemp("held") / "run"
    flags = ["train", "--model=short", "--dataset=folder", f"--data_dir={drives}", "--size=32,32", "--backbone_weights=none",
        "--epochs=1", "--class_weights=sqrt", f"--workdir={workdir}"]  # fmt: skip
    result = kerasseg(*flags, "--holdout=^a")
    assert result.returncode == 0, result.stderr
    return workdir, flags, result.stdout


def test_it_is_trained_and_scored_on_what_the_expression_leaves(run, drives):
    workdir, _, said = run
    assert said.splitlines()[0] == HELD
    assert "reading 4 train examples of folder" in said
    assert "reading 3 val examples of folder" in said
    stored = files.read_json(workdir / "config.json")
    assert stored["config"]["holdout"] == "^a"
    assert (stored["data"]["train"]["examples"], stored["data"]["val"]["examples"]) == (4, 3)
    assert list(files.read_json(workdir / "best.json")["by_picture"]) == ["a1", "a2", "a9"]
    assert files.read_json(workdir / "report.json")["config"]["holdout"] == "^a"
    with np.load(workdir / "labels.npz") as kept:  # what class weights are made of: scene b alone
        whole = load_dataset("folder", data_dir=str(drives)).split("train").count_labels()
        np.testing.assert_array_equal(kept["pixels"], whole[2:])
    page = (workdir / "report.html").read_text()
    assert "--holdout=^a" in page
    assert "val, held out by" in page


def test_a_resume_is_of_the_same_holdout(run):
    _, flags, _ = run
    assert_one_line(kerasseg(*flags), "holds a run with other settings", "holdout (^a there, none asked)")
    assert_one_line(kerasseg(*flags, "--holdout=^b"), "holdout (^a there, ^b asked)")
    result = kerasseg(*flags, "--holdout=^a")
    assert result.returncode == 0, result.stderr
    assert "resuming after epoch 1 of 1" in result.stdout


def test_scores_and_calibration_are_of_the_same_splits(run, tmp_path):
    workdir, *_ = run
    result = kerasseg("evaluate", f"--workdir={workdir}")
    assert HELD in result.stdout
    report = files.read_json(workdir / "evaluate_val" / "report.json")
    assert report["scores"] == files.read_json(workdir / "report.json")["scores"]
    assert report["scores"]["pictures"] == 3
    file = tmp_path / "int8.tflite"
    result = kerasseg("convert", f"--workdir={workdir}", f"--output={file}", "--rounding=nearest")
    assert result.returncode == 0, result.stderr
    story = json.loads((tmp_path / "int8.tflite.json").read_text())
    assert sorted(story["calibration"]["names"]) == ["b1", "b2", "b3", "b4"]
    copy = shutil.copytree(workdir, tmp_path / "copy")
    for suffix in ("", ".json"):
        shutil.copy(f"{file}{suffix}", copy / f"int8.tflite{suffix}")
    said = kerasseg("report", f"--workdir={copy}").stdout
    assert "scoring Keras and 1 file(s)" in said
    assert said.count(HELD) == 1  # by the page and by its check


def test_other_data_need_not_have_what_was_held_out(run, drives, tmp_path):
    workdir, *_ = run
    other = tmp_path / "other"
    for kind in ("images", "labels"):
        for split, old, new in (("train", "b1", "x1"), ("val", "c1", "y1")):
            (other / kind / split).mkdir(parents=True)
            (other / kind / split / f"{new}.png").write_bytes((drives / kind / split / f"{old}.png").read_bytes())
    (other / "classes.txt").write_text("floor\nbox\nlid\n")
    evaluate = ("evaluate", f"--workdir={workdir}", f"--data_dir={other}", f"--output_dir={tmp_path / 'scores'}")
    assert_one_line(kerasseg(*evaluate), "--holdout=^a matches no name; there are x1 in train, y1 in val")
    assert kerasseg(*evaluate, "--other_data").returncode == 0
    report = files.read_json(tmp_path / "scores" / "report.json")
    assert report["scores"]["pictures"] == 1
    assert report["other_data"][0].startswith("nothing is held out (--holdout=^a matches no name")


def test_bad_expressions_are_one_line_and_leave_nothing(drives, tmp_path):
    flags = [
        "train",
        "--model=tiny",
        "--dataset=folder",
        f"--data_dir={drives}",
        "--size=32,32",
        f"--workdir={tmp_path / 'run'}",
    ]
    for expression, words in (
        ("a[", "is no regular expression"),
        ("z", "matches no name"),
        ("^[ab]", "matches all 6 pictures"),
    ):
        assert_one_line(kerasseg(*flags, f"--holdout={expression}"), f"--holdout={expression} ", words)
    assert not (tmp_path / "run").exists()
