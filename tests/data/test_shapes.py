import numpy as np

from kerasseg.data import labels, shapes


def test_the_same_seed_draws_the_same_picture():
    first, second = (shapes.draw(np.random.default_rng((0, 7)), size=(160, 160)) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


def test_splits_differ_and_hold_every_class_and_unlabelled_pixels():
    splits = shapes.load()
    assert not np.array_equal(splits["train"][0].image, splits["val"][0].image)
    seen = np.unique(np.stack([splits["val"][i].labels for i in range(10)]))
    assert set(seen) == {*range(len(labels.SHAPES)), 255}
