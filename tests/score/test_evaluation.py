import numpy as np
import pytest

from kerasseg.data import labels, shapes
from kerasseg.data.splits import Example, Split
from kerasseg.score import evaluate, evaluate_together


def test_a_perfect_oracle_scores_1_whatever_the_size():
    """Labels of 45x30 in a model of 90x60: the oracle sees its input doubled, and the way back undoes it."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 3, (5, 9), np.uint8).repeat(6, 0).repeat(5, 1)
    image = np.repeat(ids[..., None], 3, -1) * 80
    split = Split(("a",), lambda _: Example("a", image, ids))
    # Nearest class to the resampled grey value; block edges may be off by one pixel of the doubled picture.
    scores = evaluate(lambda x: np.rint(x[..., 0] / 80).astype(np.uint8), split, class_names=tuple("abc"), size=(60, 90))
    assert scores.miou > 0.9
    assert scores.pictures == 1


def test_engines_are_scored_on_the_same_pixels():
    split = shapes.load()["val"].first(2)
    zeros = lambda images: np.zeros(images.shape[:3], np.uint8)  # noqa: E731
    stripes = lambda images: np.indices(images.shape[:3])[2] % 2  # noqa: E731
    (first, second), agreement = evaluate_together([zeros, stripes], split, class_names=labels.SHAPES, size=(128, 128))
    assert agreement == [1.0, 0.5]
    assert np.sum(first.confusion) == np.sum(second.confusion)


def test_ids_outside_the_classes_are_refused():
    split = shapes.load()["val"].first(1)
    with pytest.raises(ValueError, match="the model predicts class 9, the data set has 6 classes"):
        evaluate(lambda images: np.full(images.shape[:3], 9), split, class_names=labels.SHAPES, size=(128, 128))
