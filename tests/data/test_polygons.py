import numpy as np
import pytest

from kerasseg.data import polygons
from kerasseg.data.formats.annotated import paint, polygon


def _painted(found, shape):
    return np.maximum(paint(shape, [(one.class_id, polygon(one.points.tolist(), shape)) for one in found]), 0)


@pytest.mark.parametrize("names", [("background", "a", "b", "c"), ("u", "v", "w", "x")])
def test_outlines_painted_in_order_give_the_map_again(names):
    for seed in range(40):
        rng = np.random.default_rng(seed)
        ids = rng.integers(0, len(names), rng.integers(1, 24, 2)).astype(np.uint8)
        ids = np.kron(ids, np.ones((1 + seed % 3,) * 2, np.uint8))  # single pixels that touch at corners, and larger blocks
        found = polygons.outlines(ids, class_names=names)
        np.testing.assert_array_equal(_painted(found, ids.shape), ids)
        assert [one.area for one in found] == sorted((one.area for one in found), reverse=True)


def test_a_square_has_its_chamfered_corners_and_no_other_points():
    ids = np.zeros((10, 12), np.uint8)
    ids[2:6, 3:9] = 1
    (one,) = polygons.outlines(ids, class_names=("background", "a"))
    # Pixel centres from x 3.5 to 8.5 and y 2.5 to 5.5, and 0.45 around them.
    np.testing.assert_allclose([one.points.min(0), one.points.max(0)], [[3.05, 2.05], [8.95, 5.95]])
    assert len(one.points) == 8
    assert one.area == pytest.approx(5.9 * 3.9 - 4 * 0.45**2 / 2)


def test_background_is_outlined_where_something_encloses_it():
    ids = np.ones((9, 9), np.uint8)
    ids[4, 4] = 0
    ids[0] = 0  # reaches the edge
    outer, hole = polygons.outlines(ids, class_names=("background", "a"))
    assert (outer.class_id, hole.class_id) == (1, 0)
    assert len(polygons.outlines(ids, class_names=("sky", "a"))) == 3
