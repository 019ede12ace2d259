import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from kerasseg.data import likeness, load_dataset


@pytest.fixture(scope="module")
def drawn():
    """Twenty-four drawn pictures."""
    return [example.image for example in load_dataset("shapes").split("train").first(24).examples()]


def _encoded(picture):
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=30)
    return Image.open(file)


CHANGES = {
    "same": lambda picture: picture,
    "compressed": _encoded,
    "smaller": lambda picture: picture.resize((77, 50)),
    "larger": lambda picture: picture.resize((900, 1100)),
    "darker": lambda picture: ImageEnhance.Brightness(picture).enhance(0.5),
    "cut": lambda picture: picture.crop((2, 2, 126, 126)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_nearest_to_its_original(drawn, change):
    made = [CHANGES[change](Image.fromarray(image)) for image in drawn]
    thumbnails = [likeness.thumbnail(np.asarray(one)) for one in made]
    alike, where = likeness.nearest(thumbnails, [likeness.thumbnail(image) for image in drawn])
    assert where.tolist() == list(range(24))
    assert alike.min() >= likeness.NEAR


def test_other_pictures_are_not(drawn):
    thumbnails = [likeness.thumbnail(image) for image in drawn]
    alike, _ = likeness.nearest(thumbnails[:12], thumbnails[12:])
    assert alike.max() < likeness.NEAR
    assert alike.dtype == np.float32


def test_it_is_the_correlation_of_edges_less_their_mean(drawn):
    """Against loops over pairs and parts."""
    parts = [likeness.thumbnail(image).astype(float) for image in drawn[:5]]
    edges = [np.concatenate([(p[1:] - p[:-1]).ravel(), (p[:, 1:] - p[:, :-1]).ravel()]) for p in parts]
    edges = [one / np.linalg.norm(one) for one in edges]
    rest = [one - np.mean(edges[2:], 0) for one in edges]
    expected = [max(np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b) for b in rest[2:]) for a in rest[:2]]
    alike, _ = likeness.nearest([likeness.thumbnail(i) for i in drawn[:2]], [likeness.thumbnail(i) for i in drawn[2:5]])
    np.testing.assert_allclose(alike, expected, rtol=1e-4)


def test_one_scene_behind_other_things_is_no_copy():
    """A camera that stands still: all but a tenth of each picture is the same."""
    rng = np.random.default_rng(0)
    scene, pictures = rng.integers(0, 256, (60, 80, 3), np.uint8), []
    for _ in range(20):
        picture = scene.copy()
        top, left = rng.integers(0, 40), rng.integers(0, 56)
        picture[top : top + 20, left : left + 24] = rng.integers(0, 256, 3)
        pictures.append(likeness.thumbnail(picture))
    alike, _ = likeness.nearest(pictures[:5], pictures[5:])
    assert np.median(alike) < likeness.NEAR
    alike, where = likeness.nearest(pictures[3:5], pictures)
    assert where.tolist() == [3, 4]
    assert alike.min() > 0.99


def test_plain_pictures_are_like_nothing():
    plain = [np.full((10, 10, 3), grey, np.uint8) for grey in (0, 128, 255)]
    assert likeness.nearest(plain, plain)[0].tolist() == [0, 0, 0]
    assert [one.tolist() for one in likeness.nearest(plain, [])] == [[0, 0, 0], [0, 0, 0]]
    assert [one.tolist() for one in likeness.nearest([], plain)] == [[], []]


def test_two_thousand_against_five_hundred_are_compared_block_by_block():
    rng = np.random.default_rng(0)
    among = list(rng.integers(0, 256, (2000, 10, 10, 3), np.uint8))
    alike, where = likeness.nearest(among[:500], among)
    assert where.tolist() == list(range(500))
    np.testing.assert_allclose(alike, 1, rtol=1e-4)
