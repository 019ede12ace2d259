import csv
import dataclasses
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image

from kerasseg import files, training
from kerasseg.errors import InputError
from kerasseg.models import backbone, build_model
from kerasseg.run import RunDir, load_trained, open_run
from kerasseg.run.lock import locked
from tests.conftest import REPOSITORY, SHORT, WITH_SHORT, assert_one_line, command, folder_dataset, kerasseg

pytestmark = pytest.mark.slow

FLAGS = [
    "--model=short", "--dataset=shapes", "--size=64,64", "--backbone_weights=none",
    "--batch_size=4", "--train_examples=8", "--val_examples=2",
]  # fmt: skip


def test_a_run_leaves_what_it_promises(short_run):
    directory = RunDir(short_run)
    for path in (directory.config, directory.checkpoint, directory.best_weights, directory.last_weights, directory.report):
        assert path.is_file()
    rows = list(csv.DictReader(directory.history.read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    # Two epochs of two steps, the first epoch the rise: the last step is half way down.
    assert [float(row["learning_rate"]) for row in rows] == pytest.approx([1e-3, 1e-3 * 0.5**0.9], rel=1e-5)
    assert 0 <= float(rows[1]["val_miou"]) <= 1
    assert any(path.name.startswith("events.out.tfevents") for path in directory.logs.iterdir())
    report = files.read_json(directory.report)
    assert report["scores"]["miou"] == max(float(row["val_miou"]) for row in rows)
    assert not list(short_run.glob(".partial*"))


def test_training_again_returns_the_same_scores(short_run):
    lines = []
    scores = training.train(SHORT, workdir=short_run, log=lines.append)
    assert scores.to_json() == files.read_json(RunDir(short_run).report)["scores"]
    assert "resuming after epoch 2 of 2" in lines


def test_every_setting_of_optimizer_loss_and_precision_trains(short, tmp_path):
    config = dataclasses.replace(
        short, train_examples=4, val_examples=1, optimizer="sgd", schedule="cosine", class_weights="sqrt",
        dice_weight=0.5, lovasz_weight=0.5, backbone_lr_factor=0.1, ema_decay=0.0, precision="mixed_bfloat16",
        flip=False, color=0.0,
    )  # fmt: skip
    assert 0 <= training.train(config, workdir=tmp_path / "run").miou <= 1


def test_a_run_can_start_from_anothers_weights(short, short_run, tmp_path):
    """At a learning rate of next to nothing, one epoch leaves the weights, and so the scores, where they were."""
    config = dataclasses.replace(
        short, learning_rate=1e-12, bn_momentum=0.999999, init_weights=str(short_run / "best.weights.h5")
    )
    scores = training.train(config, workdir=tmp_path / "run")
    assert scores.miou == pytest.approx(files.read_json(short_run / "report.json")["scores"]["miou"], abs=1e-3)
    alone = shutil.copy(short_run / "best.weights.h5", tmp_path / "alone.weights.h5")  # nothing tells what they are of
    other = dataclasses.replace(config, model="edge_small", init_weights=str(alone))
    with pytest.raises(ValueError, match="alone.weights.h5 cannot be read .*the same model and classes"):
        training.train(other, workdir=tmp_path / "other")


@pytest.fixture(scope="module")
def whole(short, tmp_path_factory):
    """A run of three epochs that nothing disturbed."""
    workdir = tmp_path_factory.mktemp("whole") / "run"
    assert kerasseg("train", *FLAGS, "--epochs=3", f"--workdir={workdir}").returncode == 0
    return workdir


def _assert_same(run, other):
    """The same weights, optimizer, progress and table, to the bit."""
    with np.load(run / "checkpoint.npz") as ours, np.load(other / "checkpoint.npz") as theirs:
        assert set(ours) == set(theirs)
        for key in set(ours) - {"progress"}:
            np.testing.assert_array_equal(ours[key], theirs[key], err_msg=key)
        assert _without_seconds(ours["progress"]) == _without_seconds(theirs["progress"])
    assert (run / "history.csv").read_text() == (other / "history.csv").read_text()


def _without_seconds(progress):
    stored = json.loads(progress.tobytes())
    for row in stored["history"]:
        assert row.pop("seconds") > 0
    return stored


def _strange_settings(folder):
    """What other people have set: another float type and data format for Keras, limits of its, no UTF-8, no HOME."""
    folder.mkdir()
    settings = {"floatx": "float16", "image_data_format": "channels_first", "epsilon": 1e-7, "backend": "tensorflow"}
    (folder / "keras.json").write_text(json.dumps(settings))
    return {
        "KERAS_HOME": str(folder), "KERAS_MAX_EPOCHS": "1", "KERAS_MAX_STEPS_PER_EPOCH": "1", "HOME": "/proc/nowhere",
        "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0",
    }  # fmt: skip


def test_a_run_from_other_weights_goes_on_from_another_folder(short, short_run, tmp_path, monkeypatch):
    """A path that was given from one folder is the same file from another."""
    monkeypatch.chdir(short_run.parent)
    start = f"{short_run.name}/best.weights.h5"
    config = dataclasses.replace(short, init_weights=start, epochs=1)
    lines = []
    training.train(config, workdir="begun", log=lines.append)
    assert not any("was trained" in line for line in lines)
    assert any(line.startswith("warmup_epochs=1 is all of the run: the learning rate rises") for line in lines)
    monkeypatch.chdir(tmp_path)
    again = dataclasses.replace(config, init_weights=os.path.relpath(short_run / "best.weights.h5"))
    training.train(again, workdir=short_run.parent / "begun", log=lines.append)
    assert "resuming after epoch 1 of 1" in lines


def test_killed_and_resumed_ends_bit_identical(whole, tmp_path):
    """Its reader ends, then it is killed, and then resumed with settings of other people's that should change nothing."""
    workdir = tmp_path / "läuft"
    arguments = ["-c", WITH_SHORT, "train", *FLAGS, "--epochs=3", f"--workdir={workdir}"]
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    for line in process.stdout:
        if line.startswith("compiling"):
            break
    process.stdout.close()
    while not (workdir / "history.csv").exists():
        time.sleep(0.02)
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    leftover = workdir / files.replacing(workdir / "x").__enter__().name.replace(str(os.getpid()), str(process.pid))
    leftover.write_text("half")

    last = command(*arguments, **_strange_settings(tmp_path / "keras"))
    assert last.returncode == 0, last.stderr
    assert last.stderr == ""
    assert re.search(r"resuming after epoch [12] of 3", last.stdout)
    assert len(last.stdout.splitlines()) < 45  # the table of classes has ten
    _assert_same(whole, workdir)
    assert not leftover.exists()
    assert not (workdir / "lock").exists()


def test_an_epoch_killed_between_weights_and_checkpoint_is_done_again(whole, tmp_path, monkeypatch):
    """The two files belong together: weights newer than the checkpoint must not change the outcome."""
    real = files.replacing

    def dies_at_the_second_checkpoint(path):
        if path.name == "checkpoint.npz" and path.exists():
            raise KeyboardInterrupt
        return real(path)

    train = ("train", *FLAGS, "--epochs=3", f"--workdir={tmp_path / 'cut'}")
    with monkeypatch.context() as patched:
        patched.setattr(files, "replacing", dies_at_the_second_checkpoint)
        assert kerasseg(*train).returncode == 130
    assert kerasseg(*train).returncode == 0
    _assert_same(whole, tmp_path / "cut")


def test_a_loss_that_is_not_finite_stops_the_run(short, tmp_path):
    config = dataclasses.replace(short, learning_rate=1e30, optimizer="sgd", warmup_epochs=0.0, clip_norm=0.0, epochs=3)
    with pytest.raises(ValueError, match=r"the loss is (nan|inf) at step \d+, learning rate .*; try a lower --learning_rate"):
        training.train(config, workdir=tmp_path / "run")


def test_one_step_trains_under_jax_where_there_is_no_tensorflow(tmp_path):
    pytest.importorskip("jax")
    (tmp_path / "tensorflow.py").write_text("raise ImportError('not installed')")
    result = command(
        "-c", WITH_SHORT, "train", *FLAGS, "--epochs=1", "--train_examples=4", "--val_examples=1",
        f"--workdir={tmp_path / 'run'}", f"--compile_cache={tmp_path / 'compiled'}",
        KERAS_BACKEND="jax", PYTHONPATH=str(tmp_path),
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "epoch 1/1: loss" in result.stdout
    assert re.search(r"compiling the training step\nfirst step after \d+\.\d s\n", result.stdout)
    assert any((tmp_path / "compiled").iterdir())
    assert (tmp_path / "run" / "best.weights.h5").is_file()


def test_best_weights_that_are_damaged_or_gone_are_one_line(short_run, tmp_path):
    shutil.copytree(short_run, tmp_path / "run")
    weights = tmp_path / "run" / "best.weights.h5"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(InputError, match="best.weights.h5 cannot be read"):
        training.train(SHORT, workdir=tmp_path / "run")
    weights.unlink()
    with pytest.raises(InputError, match="no file .*best.weights.h5"):
        training.train(SHORT, workdir=tmp_path / "run")


def test_a_full_device_is_one_line(short, tmp_path):
    """Files of more than 200 kB are refused by the kernel: the weights do not fit."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))  # Python ignores SIGXFSZ
    try:
        result = kerasseg("train", *FLAGS, "--epochs=1", f"--workdir={tmp_path / 'run'}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert_one_line(result, "cannot write", "free some space")
    assert sorted(os.listdir(tmp_path / "run")) == ["config.json", "data.json", "labels.npz"]


def test_too_little_space_is_said_before_the_first_step(short, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10**5))
    result = kerasseg("train", *FLAGS, f"--workdir={tmp_path / 'run'}")
    assert_one_line(result, "has 0 MiB free", "free some space")
    assert "compiling" not in result.stdout
    assert not (tmp_path / "run").exists()


def test_one_training_at_a_time(whole):
    with locked(whole):
        result = kerasseg("train", *FLAGS, "--epochs=3", f"--workdir={whole}")  # test_lock has another process hold it
        assert_one_line(result, f"process {os.getpid()} is at work in {whole}")


def test_another_backend_is_said_at_the_resume_and_kept_in_the_report(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    stored = files.read_json(whole / "config.json")
    assert stored["made_with"]["backend"].startswith("tensorflow 2.")
    stored["made_with"]["backend"] = "jax 0.1"
    files.write_json(tmp_path / "run" / "config.json", stored)
    result = kerasseg("train", *FLAGS, "--epochs=3", f"--workdir={tmp_path / 'run'}")
    assert result.returncode == 0
    assert re.search(r"begun with jax 0.1 and Keras \S+, goes on with tensorflow \S+ and Keras \S+: the weights", result.stdout)
    assert {row["backend"] for row in files.read_json(whole / "report.json")["history"]} == {
        files.read_json(whole / "config.json")["made_with"]["backend"]
    }


def test_a_frozen_backbone_keeps_its_weights_and_statistics(short, tmp_path):
    config = dataclasses.replace(short, train_examples=4, val_examples=1, backbone_lr_factor=0.0, weight_decay=0.5)
    training.train(dataclasses.replace(config, ema_decay=0.0), workdir=tmp_path / "run")
    keras.utils.set_random_seed(config.seed)
    fresh = build_model("short", size=(64, 64), num_classes=6)
    trained = load_trained(open_run(tmp_path / "run"))
    moved = {
        variable.path
        for variable, before in zip(trained.weights, fresh.get_weights(), strict=True)
        if not np.array_equal(keras.ops.convert_to_numpy(variable), before)
    }
    assert moved
    assert not {path for path in moved if backbone.owns(path)}


@pytest.mark.parametrize("source", [{"init_weights": "gone.weights.h5"}, {"backbone_weights": "gone.npz"}])
def test_weights_that_are_not_there_are_said_before_the_pictures_are_read(short, tmp_path, monkeypatch, source):
    monkeypatch.setattr("kerasseg.training.admission.admit", lambda *args, **kwargs: pytest.fail("the pictures were read"))
    with pytest.raises(InputError, match="no file .*gone"):
        training.train(dataclasses.replace(short, **source), workdir=tmp_path / "run")
    assert not (tmp_path / "run").exists() or not any((tmp_path / "run").iterdir())


def test_a_picture_that_goes_while_it_trains_is_one_line(short, tmp_path):
    root = folder_dataset(tmp_path / "data")
    config = dataclasses.replace(short, dataset="folder", data_dir=str(root), train_examples=0, val_examples=0, cache_mib=0)

    def log(line):
        if "parameters" in line:
            (root / "images" / "train" / "p1.png").unlink()

    with pytest.raises(InputError, match=r"^no file .*p1.png; check the path$"):
        training.train(config, workdir=tmp_path / "run", log=log)


def test_a_data_set_may_move_but_not_change(short, tmp_path):
    root = folder_dataset(tmp_path / "data")
    flags = ["--model=short", "--dataset=folder", *FLAGS[2:5], "--epochs=1", f"--workdir={tmp_path / 'run'}"]
    assert kerasseg("train", *flags, f"--data_dir={root}").returncode == 0
    stored = files.read_json(tmp_path / "run" / "config.json")["data"]
    assert stored["train"]["examples"] == 4
    moved = root.rename(tmp_path / "moved")
    assert kerasseg("train", *flags, f"--data_dir={moved}", "--cache_mib=1").returncode == 0
    labels = moved / "labels" / "val" / "p3.png"
    before = labels.read_bytes()
    Image.fromarray(1 - np.asarray(Image.open(labels))).save(labels)  # mended by hand: names and sizes are the same
    best = (tmp_path / "run" / "best.json").read_bytes()
    changed = "val has pictures or labels that were changed"
    assert_one_line(kerasseg("train", *flags, f"--data_dir={moved}"), f"was begun on other data: {changed}")
    assert (tmp_path / "run" / "best.json").read_bytes() == best
    assert_one_line(kerasseg("evaluate", f"--workdir={tmp_path / 'run'}", f"--data_dir={moved}"), changed, "--other_data")
    labels.write_bytes(before)
    (moved / "images" / "val" / "p3.png").rename(moved / "images" / "val" / "q3.png")
    (moved / "labels" / "val" / "p3.png").rename(moved / "labels" / "val" / "q3.png")
    words = ["was begun on other data: val has pictures of other names or sizes", "--init_weights="]
    assert_one_line(kerasseg("train", *flags, f"--data_dir={moved}"), *words)
    evaluate = ("evaluate", f"--workdir={tmp_path / 'run'}", f"--data_dir={moved}")
    assert_one_line(kerasseg(*evaluate), "val has pictures of other names or sizes", "--other_data if it is meant")
    result = kerasseg(*evaluate, "--other_data")
    assert result.returncode == 0
    assert "other data than the run was trained on: val has pictures" in result.stdout
    report = files.read_json(tmp_path / "run" / "evaluate_val" / "report.json")
    assert report["other_data"] == ["val has pictures of other names or sizes"]
