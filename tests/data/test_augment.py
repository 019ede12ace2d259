import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf

from kerasseg.config import TrainConfig
from kerasseg.data import augment

CONFIG = TrainConfig(size=(48, 64))


def _coded(height=60, width=90, block=15):
    """An image whose red channel tells its label: labels and image can be held against each other after any crop."""
    labels = np.random.default_rng(0).integers(0, 6, (height // block, width // block), np.uint8)
    labels = labels.repeat(block, 0).repeat(block, 1)
    image = np.stack([labels * 40, np.zeros_like(labels), np.full_like(labels, 9)], -1)
    return tf.constant(image), tf.constant(labels)


@pytest.mark.parametrize("seed", range(8))
def test_labels_stay_on_the_image_through_scale_crop_and_flip(seed):
    image, labels = _coded()
    out, ids = augment.augment(image, labels, tf.constant([seed, 1]), dataclasses.replace(CONFIG, color=0.0))
    out, ids = out.numpy(), ids.numpy()
    assert out.shape == (48, 64, 3)
    assert ids.dtype == np.uint8
    assert set(np.unique(ids)) <= {*range(6), 255}  # never a mixture of two ids
    # Inside a block, bilinear sampling gives the block's own value; only pixels next to another block are mixed.
    inside = ids != 255
    for shift in itertools.product((-2, -1, 0, 1, 2), repeat=2):
        inside &= np.roll(ids, shift, (0, 1)) == ids
    assert inside.mean() > 0.1
    np.testing.assert_allclose(out[inside][:, 0], ids[inside] * 40.0, atol=0.02)


def test_outside_the_picture_is_unlabelled_and_neutral():
    image, labels = _coded()
    out, ids = augment.scale_crop(image, labels, tf.constant([3, 3]), size=(96, 128), scales=(0.5, 0.5))
    out, ids = out.numpy(), ids.numpy()
    # At half scale the picture is 30x45; at most half a pixel more on a side is lost to sampling.
    assert 28 * 43 <= (ids != 255).sum() <= 30 * 45
    assert (out[ids == 255] == augment.PAD_VALUE).all()


def test_at_scale_1_a_crop_is_a_copy():
    image, labels = _coded()
    out, ids = augment.scale_crop(image, labels, tf.constant([0, 5]), size=(60, 90), scales=(1.0, 1.0))
    np.testing.assert_allclose(out, tf.cast(image, tf.float32), atol=1e-2)
    np.testing.assert_array_equal(ids, labels)


def test_one_seed_one_result_and_colour_leaves_labels_alone():
    image, labels = _coded()
    first, again, other = (augment.augment(image, labels, tf.constant([7, s]), CONFIG) for s in (1, 1, 2))
    np.testing.assert_array_equal(first[0], again[0])
    assert not np.array_equal(first[0], other[0])
    plain = augment.augment(image, labels, tf.constant([7, 1]), dataclasses.replace(CONFIG, color=0.0))
    np.testing.assert_array_equal(first[1], plain[1])
    assert not np.array_equal(first[0], plain[0])
    assert first[0].numpy().min() >= 0
    assert first[0].numpy().max() <= 255
