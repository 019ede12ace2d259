import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from kerasseg.score import metrics

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 4, (30, 40)).astype(np.uint8)
LABELS[:3] = 255
PREDS = np.where(RNG.uniform(size=LABELS.shape) < 0.6, np.where(LABELS == 255, 0, LABELS), RNG.integers(0, 4, LABELS.shape))


def _slow_matrix(labels, preds, num_classes):
    matrix = np.zeros((num_classes, num_classes), int)
    for label, pred in zip(labels.ravel(), preds.ravel(), strict=True):
        if label != 255:
            matrix[label, pred] += 1
    return matrix


def test_confusion_matrix_against_its_slow_twin_and_scikit_learn():
    matrix = metrics.confusion_matrix(LABELS, PREDS, num_classes=4)
    np.testing.assert_array_equal(matrix, _slow_matrix(LABELS, PREDS, 4))
    valid = LABELS != 255
    np.testing.assert_array_equal(matrix, sklearn_metrics.confusion_matrix(LABELS[valid], PREDS[valid], labels=range(4)))


def test_scores_against_scikit_learn():
    valid = LABELS != 255
    matrix = metrics.confusion_matrix(LABELS, PREDS, num_classes=4)
    scores = metrics.scores(matrix, np.zeros((5, 5), int), class_names=tuple("abcd"), pictures=1)
    iou = sklearn_metrics.jaccard_score(LABELS[valid], PREDS[valid], average=None)
    np.testing.assert_allclose(scores.iou, iou)
    assert scores.miou == pytest.approx(iou.mean())
    assert scores.pixel_accuracy == pytest.approx(sklearn_metrics.accuracy_score(LABELS[valid], PREDS[valid]))
    assert scores.frequency_weighted_iou == pytest.approx(
        sklearn_metrics.jaccard_score(LABELS[valid], PREDS[valid], average="weighted")
    )
    np.testing.assert_allclose(scores.accuracy, sklearn_metrics.recall_score(LABELS[valid], PREDS[valid], average=None))


def test_absent_classes_do_not_enter_the_mean():
    # Class 0: 1 of 2 right, class 1 predicted once wrongly, classes 2 and 3 nowhere: IoU 1/2, 0/1, -, -; mean 1/4.
    matrix = metrics.confusion_matrix(np.array([[0, 0]]), np.array([[0, 1]]), num_classes=4)
    scores = metrics.scores(matrix, np.zeros((5, 5), int), class_names=tuple("abcd"), pictures=1)
    assert scores.iou == [0.5, 0.0, None, None]
    assert scores.miou == 0.25
    assert "c" in scores.table()
    assert scores.to_json()["iou"][2] is None


def _slow_near_boundary(ids, distance):
    height, width = ids.shape
    out = np.zeros(ids.shape, bool)
    for y in range(height):
        for x in range(width):
            window = [
                ids[j, i] if 0 <= j < height and 0 <= i < width else -1
                for j in range(y - distance, y + distance + 1)
                for i in range(x - distance, x + distance + 1)
            ]
            out[y, x] = any(value != ids[y, x] for value in window)
    return out


def test_boundaries_against_their_slow_twin():
    ids = np.kron(RNG.integers(0, 3, (3, 4)), np.ones((7, 7), int))
    np.testing.assert_array_equal(metrics.near_boundary(ids, distance=2), _slow_near_boundary(ids, 2))


def test_boundary_iou_is_1_for_the_labels_themselves_and_less_for_a_shift():
    labels = np.kron(np.array([[0, 1], [2, 0]], np.uint8), np.ones((20, 20), np.uint8))
    same = metrics.class_iou(metrics.boundary_confusion(labels, labels, num_classes=3))[:-1]
    np.testing.assert_array_equal(same, [1, 1, 1])
    shifted = metrics.class_iou(metrics.boundary_confusion(labels, np.roll(labels, 1, 1), num_classes=3))[:-1]
    assert (shifted < 1).all()


@pytest.mark.parametrize("distance", [1, 3, 6])
def test_unlabelled_pixels_neither_make_nor_end_a_boundary(distance):
    ids = np.kron(RNG.integers(0, 3, (3, 4)), np.ones((7, 7), int)).astype(np.uint8)
    ids[5:12, 8:11], ids[0, :5] = 255, 255
    near, expected = metrics.near_boundary(ids, distance=distance), np.zeros(ids.shape, bool)
    height, width = ids.shape
    for y, x in np.ndindex(ids.shape):
        around = ids[max(y - distance, 0) : y + distance + 1, max(x - distance, 0) : x + distance + 1]
        edge = min(y, x) < distance or y + distance >= height or x + distance >= width
        expected[y, x] = edge or len(np.unique(around[around != 255])) > 1
    np.testing.assert_array_equal(near[ids != 255], expected[ids != 255])


def test_an_oracle_that_is_right_on_every_labelled_pixel_scores_1():
    labels = np.kron(RNG.integers(0, 3, (3, 4)), np.ones((20, 20), int)).astype(np.uint8)
    oracle = labels.copy()
    labels[10:30, 15:35], labels[50:, :9] = 255, 255  # what it says there nobody knows
    matrix = metrics.boundary_confusion(labels, oracle, num_classes=3)
    np.testing.assert_array_equal(metrics.class_iou(matrix), [1, 1, 1, 1])


@pytest.mark.parametrize(
    ("label", "pred", "words"),
    [(3, 0, "labels hold class 3"), (254, 0, "labels hold class 254"), (0, 3, "predictions hold class 3")],
)
def test_an_id_that_is_no_class_is_refused(label, pred, words):
    with pytest.raises(ValueError, match=f"the {words}, there are 3 classes"):
        metrics.confusion_matrix(np.array([[label, 1]], np.uint8), np.array([[pred, 1]], np.uint8), num_classes=3)
    # Where nothing is labelled a prediction counts for nothing.
    assert metrics.confusion_matrix(np.array([[255]], np.uint8), np.array([[9]], np.uint8), num_classes=3).sum() == 0


def test_boundary_distance_is_two_percent_of_the_diagonal():
    assert metrics.boundary_distance((360, 480)) == 12  # diagonal 600
    assert metrics.boundary_distance((3, 4)) == 1


def test_one_stray_pixel_costs_no_class_where_the_labels_have_none():
    """32x32 pixels of two classes, all right but one, which is given to a third: mIoU falls by a third."""
    matrix = np.array([[500, 0, 0], [0, 523, 1], [0, 0, 0]])
    found = metrics.scores(matrix, np.zeros((4, 4), int), class_names=("a", "b", "c"), pictures=1)
    assert found.miou == pytest.approx((1 + 523 / 524 + 0) / 3)
    assert found.miou_of_labelled == pytest.approx((1 + 523 / 524) / 2)
