import dataclasses

import numpy as np
import pytest

from kerasseg.config import TrainConfig
from kerasseg.data import load_dataset, pasting, pipeline, shapes
from kerasseg.data.splits import Example, Split
from kerasseg.data.workers import crop
from kerasseg.errors import InputError
from tests.conftest import folder_dataset

CONFIG = TrainConfig(size=(32, 48), batch_size=3, seed=5, color=0.0, rare_paste=1.0)


def test_rare_is_what_has_less_than_an_even_share():
    """Of 3 classes an even share of 90 pixels is 30: class 1 has that and is not rare, class 2 has 10, unlabelled count not."""
    table = np.zeros((3, 256), np.int64)
    table[:, 0], table[0, 1], table[:, 2], table[:, 255] = (50, 0, 0), 30, (0, 4, 6), 1000
    assert pasting.donors(table, num_classes=3) == pasting.Donors([2], [[1, 2]])
    with pytest.raises(InputError, match="no class has less than an even share .* leave it out"):
        pasting.donors(table[:1], num_classes=1)


def _two_pictures():
    """Grey pictures of class 0; the second one has class 1 in a region of 6x8 whose pixels say where they are."""
    plain = np.full((40, 60, 3), 50, np.uint8), np.zeros((40, 60), np.uint8)
    image, labels = plain[0].copy(), plain[1].copy()
    labels[10:16, 20:28] = 1
    image[10:16, 20:28] = np.stack([*np.mgrid[100:106, 100:108], np.full((6, 8), 200)], -1)
    examples = [Example("a", *plain), Example("b", image, labels)]
    return Split(("a", "b"), lambda i: examples[i], donors=pasting.Donors([1], [[1]]))


def test_a_region_goes_with_its_labels_and_the_rest_stays():
    split = _two_pictures()
    config = dataclasses.replace(CONFIG, scale_min=1.0, scale_max=1.0, flip=False)
    places = set()
    for epoch in range(20):
        bare, bare_labels = crop(split, dataclasses.replace(config, rare_paste=0.0), epoch=epoch, position=0)
        image, labels = crop(split, config, epoch=epoch, position=0)
        mask = labels == 1
        assert mask.any()
        np.testing.assert_array_equal(image[~mask], bare[~mask])
        np.testing.assert_array_equal(labels[~mask], bare_labels[~mask])
        rows, columns = np.nonzero(mask)
        moved = image[mask].astype(int) - np.stack([rows, columns, 0 * rows], -1)
        assert (moved == moved[0]).all()  # one shift for all, colours as they were
        assert moved[0, 2] == 200
        places.add(tuple(moved[0]))
    assert len(places) > 10


def test_a_picture_is_not_pasted_into_itself_and_a_share_is_a_share():
    split = _two_pictures()
    assert all(pasting.patch(split, CONFIG, epoch=epoch, position=1) is None for epoch in range(10))
    half = dataclasses.replace(CONFIG, rare_paste=0.5)
    pasted = sum(pasting.patch(split, half, epoch=epoch, position=0) is not None for epoch in range(200))
    assert 70 < pasted < 130  # 100, with a standard deviation of 7


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_batches_of_threads_and_processes_are_the_same_to_the_bit(tmp_path, backend, monkeypatch):
    monkeypatch.setattr("keras.backend.backend", lambda: backend)
    split = load_dataset("folder", data_dir=str(folder_dataset(tmp_path, count=7))).split("train")
    split.donors = pasting.Donors([1, 2], [list(range(7)), [0, 3]])

    def batches(workers=None):
        return [np.asarray(part) for b in pipeline.train_batches(split, config, epoch=1, workers=workers) for part in b]

    config = dataclasses.replace(CONFIG, color=0.2, workers=1)
    expected = batches()
    with pipeline.started_workers(split, config) as workers:
        found = batches(workers)
    assert len(found) == len(expected) == 4
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    bare = dataclasses.replace(config, rare_paste=0.0)
    images, _ = next(iter(pipeline.train_batches(split, bare, epoch=1)))
    assert not np.array_equal(images, expected[0])


def test_what_is_rare_in_shapes_becomes_more():
    """All but the background are rare there: what is rare in a crop stays it, and others become it."""
    split = shapes.load()["train"].first(10)
    split.donors = pasting.donors(split.count_labels(), num_classes=6)
    assert split.donors.classes == [1, 2, 3, 4, 5]
    bare, pasted = (
        np.isin(
            [crop(split, dataclasses.replace(CONFIG, rare_paste=share), epoch=0, position=i)[1] for i in range(10)], range(1, 6)
        )
        for share in (0.0, 1.0)
    )
    assert (pasted >= bare).all()
    assert pasted.sum() > bare.sum()


def test_what_is_no_share_is_refused():
    for share in (-0.1, 1.5):
        with pytest.raises(InputError, match=f"rare_paste={share} is no share; give 0 to 1"):
            TrainConfig(rare_paste=share)
