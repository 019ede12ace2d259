import numpy as np
import pytest

from kerasseg.int8 import calibration


def test_a_seed_chooses_different_pictures_once():
    chosen = calibration.choose(50, count=20, seed=1)
    assert chosen == calibration.choose(50, count=20, seed=1)
    assert len(set(chosen)) == 20
    assert chosen == sorted(chosen)
    assert chosen != calibration.choose(50, count=20, seed=2)


def test_more_than_there_are_is_refused():
    with pytest.raises(ValueError, match="60 calibration examples asked, the training split has 50; ask for 1 to 50"):
        calibration.choose(50, count=60, seed=0)


def test_images_reach_the_converter_as_batches_of_one():
    image = np.full((4, 6, 3), 200, np.uint8)
    (batch,), *_ = list(calibration.representative(iter([image, image]))())
    assert batch.shape == (1, 4, 6, 3)
    assert batch.dtype == np.float32
    assert (batch == 200).all()


def test_covering_brings_rare_classes():
    # Class 1 lives in example 7 alone: among the first two chosen by cover, whatever the seed draws from all ten.
    pixels = np.tile([100, 0], (10, 1))
    pixels[7] = [0, 5]
    for seed in range(5):
        chosen = calibration.choose_covering(pixels, count=2, seed=seed)
        assert 7 in chosen
        assert chosen == calibration.choose_covering(pixels, count=2, seed=seed)
    with pytest.raises(ValueError, match="11 calibration examples asked"):
        calibration.choose_covering(pixels, count=11, seed=0)


def test_covering_draws_among_pictures_that_were_looked_at():
    pixels = np.zeros((1000, 2), int)
    pixels[::100] = 5, 1
    assert calibration.choose_covering(pixels, count=10, seed=0) == list(range(0, 1000, 100))
    assert len(calibration.choose_covering(pixels, count=11, seed=0)) == 11  # too few of them
