import numpy as np
import pytest

from kerasseg.data import labels, shapes
from kerasseg.data.splits import Example, Split
from kerasseg.score import evaluate, evaluate_together
from tests.conftest import command


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


def test_pictures_of_other_sizes_are_scored_together_as_one_by_one():
    """Five pictures, two at a time: the same scores to the pixel, pictures in their order."""
    rng = np.random.default_rng(0)
    sizes = ((30, 40), (64, 64), (50, 20), (64, 128), (7, 9))
    kept = [
        Example(str(i), rng.integers(0, 256, (*hw, 3), np.uint8), rng.integers(0, 3, hw, np.uint8))
        for i, hw in enumerate(sizes)
    ]
    split, given = Split(tuple("01234"), kept.__getitem__), []

    def predict(images):
        given.append(len(images))
        return (images[..., 0] % 3).astype(np.uint8)

    found = {}
    for together in (1, 2):
        by_picture = {}
        scores = evaluate(
            predict, split, class_names=tuple("abc"), size=(64, 64), together=together, each=by_picture.__setitem__
        )
        found[together] = scores, {name: matrix.tolist() for name, matrix in by_picture.items()}
    assert given == [1] * 5 + [2, 2, 1]
    assert found[1] == found[2]
    assert list(found[2][1]) == list("01234")


BATCHES = """
import keras, numpy as np
from kerasseg.models import build_model
from kerasseg.run import predictor
from kerasseg.training import backends

keras.utils.set_random_seed(0)
images = np.random.default_rng(0).integers(0, 256, (3, 64, 96, 3), np.uint8)
for model in ("edge_small", "edge_mini_plain"):
    one = backends.with_fast_kernels(build_model(model, size=(64, 96), num_classes=5, batch_size=1))
    four = backends.with_fast_kernels(build_model(model, size=(64, 96), num_classes=5, batch_size=4))
    four.set_weights(one.get_weights())
    single = predictor(one)
    expected = np.concatenate([single(image[None]) for image in images])
    assert len(np.unique(expected)) > 1
    found = predictor(four)(images)
    assert found.shape == (3, 64, 96) and found.dtype == np.uint8, (found.shape, found.dtype)
    np.testing.assert_array_equal(found, expected)
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "torch"])  # JAX scores one at a time on a processor
def test_a_network_of_several_pictures_gives_the_ids_of_one_at_a_time(backend):
    """Three pictures to a network of four, whose logits are as large as they or smaller."""
    pytest.importorskip(backend)
    result = command("-c", BATCHES, KERAS_BACKEND=backend)
    assert result.returncode == 0, result.stderr


def test_how_many_are_scored_together_depends_on_their_size(monkeypatch):
    from kerasseg.training import backends

    monkeypatch.setattr(backends, "_accelerators", lambda backend: ["a GPU"])
    together = {
        (*size, classes, pictures): backends.scored_together(size, classes, pictures=pictures)
        for size, classes, pictures in (
            ((384, 480), 11, 101),
            ((384, 480), 11, 2),
            ((1024, 2048), 19, 500),
            ((512, 512), 150, 20),
        )
    }
    assert list(together.values()) == [4, 2, 1, 1]
