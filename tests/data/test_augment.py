import dataclasses
import itertools

import numpy as np
import pytest

from kerasseg.config import TrainConfig
from kerasseg.data import augment

CONFIG = TrainConfig(size=(48, 64))


def _coded(height=60, width=90, block=15):
    """An image whose red channel tells its label: labels and image can be held against each other after any crop."""
    labels = np.random.default_rng(0).integers(0, 6, (height // block, width // block), np.uint8)
    labels = labels.repeat(block, 0).repeat(block, 1)
    return np.stack([labels * 40, np.zeros_like(labels), np.full_like(labels, 9)], -1), labels


def _augment(image, labels, *seed, **changes):
    return augment.augment(image, labels, dataclasses.replace(CONFIG, **changes), random=np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(8))
def test_labels_stay_on_the_image_through_scale_crop_and_flip(seed):
    out, ids = _augment(*_coded(), seed, color=0.0)
    assert out.shape == (48, 64, 3)
    assert (out.dtype, ids.dtype) == (np.float32, np.uint8)
    assert set(np.unique(ids)) <= {*range(6), 255}  # never a mixture of two ids
    # Inside a block, bilinear sampling gives the block's own value; only pixels next to another block are mixed.
    inside = ids != 255
    for shift in itertools.product((-2, -1, 0, 1, 2), repeat=2):
        inside &= np.roll(ids, shift, (0, 1)) == ids
    assert inside.mean() > 0.1
    np.testing.assert_array_equal(out[inside][:, 0], ids[inside] * 40.0)


def test_image_and_labels_are_sampled_at_the_same_points():
    # A ramp of 2 a column: at scale 2 the point between two columns lies a quarter of a column from the nearer one, so a
    # label (nearest) and the image (bilinear) differ by half a step at most. A shift of half a pixel would show as 1.
    ramp = np.repeat(np.arange(0, 180, 2, np.uint8)[None], 60, 0)
    out, ids = augment.scale_crop(
        np.stack([ramp] * 3, -1), ramp, size=(100, 160), scales=(2.0, 2.0), random=np.random.default_rng(1)
    )
    assert (ids != 255).all()
    assert np.abs(out[..., 0].astype(float) - ids)[:, 1:-1].max() <= 1.0  # half a step of 2, whatever the crop's start
    assert abs((out[..., 0].astype(float) - ids).mean()) < 0.6


def test_outside_the_picture_is_unlabelled_and_neutral():
    out, ids = augment.scale_crop(*_coded(), size=(96, 128), scales=(0.5, 0.5), random=np.random.default_rng(3))
    # At half scale the picture is 30x45; at most half a pixel more on a side is lost to sampling.
    assert 28 * 43 <= (ids != 255).sum() <= 31 * 46
    assert (out[ids == 255] == augment.PAD_VALUE).all()


def test_at_scale_1_a_crop_is_a_copy():
    image, labels = _coded()
    out, ids = augment.scale_crop(image, labels, size=(60, 90), scales=(1.0, 1.0), random=np.random.default_rng(5))
    np.testing.assert_array_equal(out, image)
    np.testing.assert_array_equal(ids, labels)


def test_one_seed_one_result_and_colour_leaves_labels_alone():
    image, labels = _coded()
    first, again, other = (_augment(image, labels, 7, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[0], again[0])
    assert not np.array_equal(first[0], other[0])
    plain = _augment(image, labels, 7, 1, color=0.0)
    np.testing.assert_array_equal(first[1], plain[1])
    assert not np.array_equal(first[0], plain[0])
    assert first[0].min() >= 0
    assert first[0].max() <= 255
