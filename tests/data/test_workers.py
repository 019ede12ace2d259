import dataclasses
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from kerasseg.config import TrainConfig
from kerasseg.data import cache, load_dataset, pipeline, shapes
from kerasseg.data.splits import Example, Split
from kerasseg.data.workers import Workers
from kerasseg.errors import DataError, InputError
from tests.conftest import REPOSITORY, folder_dataset

CONFIG = TrainConfig(size=(32, 48), batch_size=3, seed=5, workers=2)


def _batches(split, config, epoch, workers=None):
    batches = pipeline.train_batches(split, config, epoch=epoch, workers=workers)
    return [[np.asarray(part) for part in batch] for batch in batches]


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_batches_are_those_of_threads_to_the_bit(tmp_path, backend, monkeypatch):
    monkeypatch.setattr("keras.backend.backend", lambda: backend)
    split = load_dataset("folder", data_dir=str(folder_dataset(tmp_path / "data", count=7))).split("train")
    expected = [_batches(split, dataclasses.replace(CONFIG, workers=0), epoch) for epoch in (0, 1)]
    cache.plan([split], limit_bytes=2**20)
    with pipeline.started_workers(split, CONFIG) as workers:
        assert split.cache is None  # the processes have the memory
        found = [_batches(split, CONFIG, epoch, workers) for epoch in (0, 1)]
        # What was read in the first epoch is in the processes' memory: the files are not opened again.
        for path in (tmp_path / "data").rglob("*.png"):
            path.unlink()
        again = _batches(split, CONFIG, 1, workers)
    assert [len(epoch) for epoch in found] == [2, 2]  # 7 examples, batches of 3
    for ours, theirs in zip([*found, again], [*expected, expected[1]], strict=True):
        for (images, labels), (other_images, other_labels) in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(images, other_images)
            np.testing.assert_array_equal(labels, other_labels)
            assert (images.dtype, labels.dtype) == (np.float32, np.uint8)


def test_an_error_comes_through_with_its_kind(tmp_path):
    root = folder_dataset(tmp_path / "data")
    split = load_dataset("folder", data_dir=str(root)).split("train")
    (root / "images" / "train" / "p1.png").write_bytes(b"no picture")
    with Workers(split, CONFIG, count=1) as workers:
        with pytest.raises(DataError, match=r"p1.png cannot be decoded .*; replace the file or remove it$") as caught:
            workers.crops([0, 1], epoch=0)
        assert caught.value.kind == "unreadable"
        assert len(workers.crops([0, 2], epoch=0)) == 2  # and the process goes on


def test_drawn_pictures_have_workers_too():
    split = shapes.load()["train"].first(4)
    with Workers(split, CONFIG, count=1) as workers:
        (image, labels), _ = workers.crops([0, 1], epoch=0)
    assert (image.shape, labels.shape) == ((32, 48, 3), (32, 48))


def test_what_another_process_cannot_read_is_refused():
    split = Split(("a",), lambda i: Example("a", np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8)))
    with pytest.raises(InputError, match="^workers=2: these pictures cannot be read by another process .*; give workers=0"):
        Workers(split, CONFIG, count=2)


def test_a_process_that_has_ended_is_said_with_what_may_be_the_reason(tmp_path):
    split = load_dataset("folder", data_dir=str(folder_dataset(tmp_path / "data"))).split("train")
    with Workers(split, CONFIG, count=1) as workers:
        workers.crops([0], epoch=0)
        for process in workers._pools[0]._processes.values():
            process.kill()
            process.join()
        with pytest.raises(InputError, match="^a process that reads pictures has ended: out of memory, or this is a script"):
            workers.crops([1], epoch=0)


STARTS_ONE = """
import time
from kerasseg.config import TrainConfig
from kerasseg.data import shapes
from kerasseg.data.workers import Workers
workers = Workers(shapes.load()["train"], TrainConfig(size=(32, 32)), count=1)
workers.crops([0], epoch=0)
print(*workers._pools[0]._processes, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_processes_end_with_a_parent_that_is_killed():
    with subprocess.Popen([sys.executable, "-c", STARTS_ONE], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as parent:
        child = Path("/proc", parent.stdout.readline().strip())
        assert child.exists()
        parent.kill()
    end = time.monotonic() + 30
    while _runs(child) and time.monotonic() < end:
        time.sleep(0.05)
    assert not _runs(child)


def _runs(process):
    """Whether a process does more than wait for someone to take note of its end."""
    try:
        return process.joinpath("stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
