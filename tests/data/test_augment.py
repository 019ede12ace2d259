import dataclasses
import itertools

import numpy as np
import pytest
from PIL import Image

from kerasseg.config import TrainConfig
from kerasseg.data import augment, letterbox

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
    assert (out.dtype, ids.dtype) == (np.uint8, np.uint8)
    assert set(np.unique(ids)) <= {*range(6), 255}  # never a mixture of two ids
    # Inside a block, bilinear sampling gives the block's own value; only pixels next to another block are mixed.
    inside = ids != 255
    for shift in itertools.product((-2, -1, 0, 1, 2), repeat=2):
        inside &= np.roll(ids, shift, (0, 1)) == ids
    assert inside.mean() > 0.1
    np.testing.assert_array_equal(out[inside][:, 0], ids[inside] * 40)


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


@pytest.mark.parametrize("seed", range(6))
def test_a_crop_reads_no_more_than_it_needs_and_sees_the_same(seed, monkeypatch):
    """Of a large picture only a window is copied; sampled from the whole, the crop is the same but for a last rounding."""
    rng = np.random.default_rng(seed)
    image, labels = rng.integers(0, 256, (300, 500, 3), np.uint8), rng.integers(0, 9, (300, 500), np.uint8)

    def crop():
        return augment.scale_crop(image, labels, size=(48, 64), scales=(0.5, 4.0), random=np.random.default_rng(seed))

    windowed = crop()
    monkeypatch.setattr(augment, "_reach", lambda scale: 1000)
    whole = crop()
    assert np.abs(windowed[0].astype(int) - whole[0]).max() <= 1
    np.testing.assert_array_equal(windowed[1], whole[1])


@pytest.mark.parametrize(("top", "left"), [(-500.0, 3.0), (900.0, 3.0), (3.0, -500.0), (3.0, 900.0)])
def test_a_crop_beside_the_picture_is_empty(top, left):
    for scale in (0.2, 1.0, 3.0):
        out, ids = augment.sampled(*_coded(), size=(48, 64), scale=scale, top=top, left=left)
        assert (out == augment.PAD_VALUE).all()
        assert (ids == 255).all()


@pytest.mark.parametrize("side", [(30, 45), (20, 30), (12, 18), (10, 15), (60, 90), (120, 180)])
def test_a_crop_of_the_whole_picture_is_what_is_scored(side):
    """To the bit, made smaller and larger: training and scoring see pictures through the same filter."""
    image = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    scored, _ = letterbox.letterbox(image, size=side)
    out, _ = augment.sampled(image, image[..., 0], size=side, scale=side[0] / 60, top=0.0, left=0.0)
    np.testing.assert_array_equal(out, scored)


@pytest.mark.parametrize("scale", [0.15, 0.27, 0.6])
def test_crops_hold_no_more_high_frequencies_than_what_is_scored(scale):
    """Energy of differences of neighbours, over random places of noise: within 10 % of that of the whole picture fitted."""
    image = np.random.default_rng(0).integers(0, 256, (360, 480, 3), np.uint8)
    fitted, _ = letterbox.letterbox(image, size=(round(360 * scale), round(480 * scale)))
    expected = np.diff(fitted.astype(float), axis=1).var()
    found = [
        np.diff(
            augment.scale_crop(
                image, image[..., 0], size=(32, 32), scales=(scale, scale), random=np.random.default_rng(i)
            )[0].astype(float), axis=1,
        ).var()
        for i in range(40)
    ]  # fmt: skip
    assert np.mean(found) == pytest.approx(expected, rel=0.1)  # aliased: 2.3, 1.9 and 1.5 times as much


def test_colour_is_brightness_then_contrast_then_saturation():
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    brightness, contrast, saturation = 1.15, 0.85, 1.2
    expected = image * brightness
    expected = (expected - expected.mean()) * contrast + expected.mean()
    grey = expected.mean(-1, keepdims=True)
    expected = np.clip((expected - grey) * saturation + grey, 0, 255)
    picture = Image.fromarray(image)
    out = np.asarray(augment.change_color(picture, brightness=brightness, contrast=contrast, saturation=saturation))
    assert np.abs(out - expected).max() <= 0.501  # one rounding, of float32
    np.testing.assert_array_equal(augment.change_color(picture, brightness=1, contrast=1, saturation=1), image)


def test_gamma_is_a_power_a_channel():
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    powers = np.array([0.5, 1.0, 2.0])
    out = np.asarray(augment.change_gamma(Image.fromarray(image), powers=powers))
    np.testing.assert_array_equal(out, np.rint(255 * (image / 255) ** powers))
    np.testing.assert_array_equal(out[..., 1], image[..., 1])


def test_random_gamma_spans_what_it_says_and_leaves_the_rest_of_a_crop_alone():
    image = np.full((48, 64, 3), 128, np.uint8)
    labels = np.random.default_rng(0).integers(0, 6, (48, 64), np.uint8)
    one = {"color": 0.0, "scale_min": 1.0, "scale_max": 1.0}
    pairs = [[_augment(image, labels, seed, gamma=gamma, **one) for gamma in (0.0, 0.7)] for seed in range(300)]
    for plain, changed in pairs:
        np.testing.assert_array_equal(plain[1], changed[1])  # the same crop, the same flip
    powers = np.log(np.array([changed[0][0, 0] / 255 for _, changed in pairs])) / np.log(128 / 255)
    assert np.exp(-0.7 * 1.3) - 0.02 < powers.min() < 0.5
    assert 2 < powers.max() < np.exp(0.7 * 1.3) + 0.02
    assert abs(np.log(powers).mean()) < 0.05  # as often darker as lighter
    between = np.log(powers).max(1) - np.log(powers).min(1)
    assert 0.1 < between.mean() < 0.7 * 2 * augment.TINT  # channels differ, but by less than pictures do
