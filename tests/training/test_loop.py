import csv
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from kerasseg import files, training
from kerasseg.run import RunDir
from tests.conftest import REPOSITORY, TINY, assert_one_line, command, folder_dataset, kerasseg, write_picture

pytestmark = pytest.mark.slow

FLAGS = [
    "--model=tiny", "--dataset=shapes", "--size=64,64", "--backbone_weights=none",
    "--batch_size=4", "--train_examples=8", "--val_examples=2",
]  # fmt: skip


def test_a_run_leaves_what_it_promises(tiny_run):
    directory = RunDir(tiny_run)
    for path in (directory.config, directory.checkpoint, directory.best_weights, directory.last_weights, directory.report):
        assert path.is_file()
    rows = list(csv.DictReader(directory.history.read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert 0 <= float(rows[1]["val_miou"]) <= 1
    assert any(path.name.startswith("events.out.tfevents") for path in directory.logs.iterdir())
    report = files.read_json(directory.report)
    assert report["scores"]["miou"] == max(float(row["val_miou"]) for row in rows)
    assert not list(tiny_run.glob(".partial*"))


def test_training_again_returns_the_same_scores(tiny_run):
    lines = []
    scores = training.train(TINY, workdir=tiny_run, log=lines.append)
    assert scores.to_json() == files.read_json(RunDir(tiny_run).report)["scores"]
    assert "resuming after epoch 2 of 2" in lines


def test_every_setting_of_optimizer_loss_and_precision_trains(tmp_path):
    config = dataclasses.replace(
        TINY, epochs=1, train_examples=4, val_examples=1, optimizer="sgd", schedule="cosine", class_weights="sqrt",
        dice_weight=0.5, lovasz_weight=0.5, backbone_lr_factor=0.1, ema_decay=0.0, precision="mixed_bfloat16",
        flip=False, color=0.0,
    )  # fmt: skip
    assert 0 <= training.train(config, workdir=tmp_path / "run").miou <= 1


def test_a_run_can_start_from_anothers_weights(tiny_run, tmp_path):
    """At a learning rate of next to nothing, one epoch leaves the weights, and so the scores, where they were."""
    config = dataclasses.replace(
        TINY, epochs=1, learning_rate=1e-12, bn_momentum=0.999999, init_weights=str(tiny_run / "best.weights.h5")
    )
    scores = training.train(config, workdir=tmp_path / "run")
    assert scores.miou == pytest.approx(files.read_json(tiny_run / "report.json")["scores"]["miou"], abs=1e-3)
    other = dataclasses.replace(config, model="edge_small")
    with pytest.raises(ValueError, match="best.weights.h5 cannot be read .*the same model and classes"):
        training.train(other, workdir=tmp_path / "other")


def _killed_and_resumed(workdir, *, kills):
    """Runs the command, kills it with SIGKILL after each number of seconds past an epoch's line, and lets it end."""
    arguments = [sys.executable, "-m", "kerasseg.train", *FLAGS, "--epochs=3", f"--workdir={workdir}"]
    for epoch, delay in kills:
        process = subprocess.Popen(arguments, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in process.stdout:
            if line.startswith(f"epoch {epoch}/"):
                break
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.stdout.close()
        assert process.wait() == -signal.SIGKILL
    last = command(*arguments[1:])
    assert last.returncode == 0, last.stderr
    return last.stdout


def _without_seconds(progress):
    stored = json.loads(progress.tobytes())
    for row in stored["history"]:
        assert row.pop("seconds") > 0
    return stored


def test_killed_and_resumed_ends_bit_identical(tmp_path):
    assert kerasseg("train", *FLAGS, "--epochs=3", f"--workdir={tmp_path / 'whole'}").returncode == 0
    output = _killed_and_resumed(tmp_path / "killed", kills=[(1, 0.3)])
    assert "resuming after epoch" in output
    with np.load(tmp_path / "whole" / "checkpoint.npz") as whole, np.load(tmp_path / "killed" / "checkpoint.npz") as killed:
        assert set(whole) == set(killed)
        for key in set(whole) - {"progress"}:
            np.testing.assert_array_equal(whole[key], killed[key], err_msg=key)
        assert _without_seconds(whole["progress"]) == _without_seconds(killed["progress"])
    assert (tmp_path / "whole" / "history.csv").read_text() == (tmp_path / "killed" / "history.csv").read_text()


def test_an_epoch_killed_between_weights_and_checkpoint_is_done_again(tmp_path, monkeypatch):
    """The two files belong together: weights newer than the checkpoint must not change the outcome."""
    whole = training.train(TINY, workdir=tmp_path / "whole")
    real = files.replacing

    def dies_at_the_second_checkpoint(path):
        if path.name == "checkpoint.npz" and path.exists():
            raise KeyboardInterrupt
        return real(path)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(files, "replacing", dies_at_the_second_checkpoint)
        training.train(TINY, workdir=tmp_path / "cut")
    assert training.train(TINY, workdir=tmp_path / "cut") == whole


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    config = dataclasses.replace(TINY, learning_rate=1e30, optimizer="sgd", warmup_epochs=0.0, clip_norm=0.0, epochs=3)
    with pytest.raises(ValueError, match=r"the loss is (nan|inf) at step \d+, learning rate .*; try a lower --learning_rate"):
        training.train(config, workdir=tmp_path / "run")


def test_one_step_trains_under_jax_where_there_is_no_tensorflow(tmp_path):
    pytest.importorskip("jax")
    (tmp_path / "tensorflow.py").write_text("raise ImportError('not installed')")
    result = command(
        "-m", "kerasseg.train", *FLAGS, "--epochs=1", "--train_examples=4", "--val_examples=1", f"--workdir={tmp_path / 'run'}",
        f"--compile_cache={tmp_path / 'compiled'}", KERAS_BACKEND="jax", PYTHONPATH=str(tmp_path),
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "epoch 1/1: loss" in result.stdout
    assert re.search(r"compiling the training step\nfirst step after \d+\.\d s\n", result.stdout)
    assert any((tmp_path / "compiled").iterdir())
    assert (tmp_path / "run" / "best.weights.h5").is_file()


def test_the_command_prints_little(tmp_path):
    result = command("-m", "kerasseg.train", *FLAGS, "--epochs=1", f"--workdir={tmp_path / 'run'}")
    assert result.returncode == 0
    assert result.stderr == ""
    assert len(result.stdout.splitlines()) < 30


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--model=resnet"], ["unknown model 'resnet'", "v3large_sliced"]),
        (["--dataset=coco"], ["unknown dataset 'coco'", "camvid"]),
        (["--size=60,64"], ["size 60,64", "48,64 or 64,64"]),
        (["--train_examples=2"], ["2 training examples do not fill a batch of 4"]),
        (["--dataset=camvid"], ["needs --data_dir"]),
        (["--dataset=camvid", "--data_dir=/nowhere"], ["no folder /nowhere"]),
        (["--epochs=x"], ["epochs"]),
        (["--init_weights=gone.weights.h5"], ["gone.weights.h5 cannot be read"]),
        (["--backbone_weights=gone.npz"], ["no file gone.npz", "imagenet, none"]),
    ],
)
def test_bad_settings_are_one_line_and_leave_nothing(tmp_path, flags, words):
    result = kerasseg("train", *FLAGS, *flags, f"--workdir={tmp_path / 'run'}")
    assert_one_line(result, *words)
    assert not (tmp_path / "run").exists()


def test_bad_pictures_are_found_before_training(tmp_path):
    root = folder_dataset(tmp_path / "data")
    flags = [FLAGS[0], "--dataset=folder", f"--data_dir={root}", *FLAGS[2:-2], f"--workdir={tmp_path / 'run'}"]
    write_picture(root / "labels" / "train" / "p2.png", np.full((40, 60), 9, np.uint8))
    assert_one_line(kerasseg("train", *flags), "p2.png has class ids 9 (2400 pixels)", "0..2")
    path = write_picture(root / "labels" / "train" / "p2.png", np.zeros((40, 60), np.uint8))
    image = root / "images" / "train" / "p1.png"
    image.write_bytes(image.read_bytes()[:500])
    assert_one_line(kerasseg("train", *flags), "p1.png cannot be decoded")
    assert path.exists()
    assert not (tmp_path / "run" / "checkpoint.npz").exists()


def test_a_full_device_is_one_line(tmp_path):
    """Files of more than 200 kB are refused by the kernel: the weights do not fit."""
    program = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "import os; os.execv(sys.executable, [sys.executable, *sys.argv[1:]])\n"
    )
    workdir = tmp_path / "run"
    result = command("-c", program, "-m", "kerasseg.train", *FLAGS, "--epochs=1", f"--workdir={workdir}")
    assert_one_line(result, "cannot write", "free some space")
    assert sorted(os.listdir(workdir)) == ["config.json"]
