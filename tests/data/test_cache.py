import numpy as np
import pytest

from kerasseg.data import cache, load_dataset
from kerasseg.data.splits import Example, Split
from tests.conftest import folder_dataset, write_picture

PIXELS = 40 * 60 * 4  # of one example of `folder_dataset`, three channels and the ids


@pytest.fixture
def dataset(tmp_path):
    """Four pictures for train and four for val, plain ones, whose files are much smaller than their pixels."""
    root = folder_dataset(tmp_path / "data")
    for kind, shape in (("images", (40, 60, 3)), ("labels", (40, 60))):
        for path in sorted((root / kind).rglob("*.png")):
            write_picture(path, np.full(shape, int(path.stem[1:]) % 3, np.uint8))
    return load_dataset("folder", data_dir=str(root))


def _read_twice(splits, monkeypatch):
    """Reads all examples twice; returns what the second reading opened and what is kept of each split."""
    opened = []
    real = type(splits[0].read).encoded, type(splits[0].read).__call__
    for split in splits:
        list(split.examples())
    monkeypatch.setattr(type(splits[0].read), "encoded", lambda self, i: opened.append(i) or real[0](self, i))
    monkeypatch.setattr(type(splits[0].read), "__call__", lambda self, i: opened.append(i) or real[1](self, i))
    again = [[example.image[0, 0, 0] for example in split.examples()] for split in splits]
    assert again == [[0, 1, 2, 0], [0, 1, 2, 0]]
    return len(opened), [split.cache.kept() for split in splits]


def _bytes(split):
    return sum(split.read.file_bytes(i) for i in range(len(split)))


def test_where_all_pixels_fit_all_are_kept(dataset, monkeypatch):
    splits = [dataset.split("train"), dataset.split("val")]
    cache.plan(splits, limit_bytes=8 * PIXELS)
    assert _read_twice(splits, monkeypatch) == (0, [(4, 0), (4, 0)])


def test_where_pixels_do_not_fit_files_are_kept_and_pixels_of_what_is_left(dataset, monkeypatch):
    splits = [dataset.split("train"), dataset.split("val")]
    files = sum(map(_bytes, splits))
    assert files < PIXELS
    # Half of all pixels and half of all files: 2 of 4 pictures of each split decoded, the others as files. Which come first is
    # up to the threads, and two files may be some bytes more than half of four: then one of them is read again.
    cache.plan(splits, limit_bytes=4 * PIXELS + files // 2 + 1)
    opened, kept = _read_twice(splits, monkeypatch)
    assert all(decoded == 2 and encoded in (1, 2) for decoded, encoded in kept)
    assert opened <= len(splits)


def test_where_files_do_not_fit_as_many_as_do(dataset, monkeypatch):
    splits = [dataset.split("train"), dataset.split("val")]
    cache.plan(splits, limit_bytes=sum(map(_bytes, splits)) * 5 // 8)
    opened, kept = _read_twice(splits, monkeypatch)
    # 5/8 of the 4 files' worth of a split is 2.5: 2 are kept, and 2 of each are read again.
    assert (opened, kept) == (4, [(0, 2), (0, 2)])


def test_nothing_is_kept_where_nothing_may_be(dataset):
    cache.plan([dataset.split("train")], limit_bytes=0)
    assert dataset.split("train").cache is None


def test_examples_that_are_no_files_are_kept_decoded():
    split = Split(tuple("abcd"), lambda i: Example("x", np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8)))
    cache.plan([split], limit_bytes=2 * 64 + 1)  # 4 * 4 * 4 bytes each
    list(split.examples())
    assert split.cache.kept() == (2, 0)
