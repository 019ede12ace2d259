import numpy as np
import pytest
from keras import ops

from kerasseg.training import losses

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, (2, 4, 5))
LABELS[0, 0, :3] = 255
LOGITS = RNG.normal(size=(2, 4, 5, 3)).astype(np.float32)
PLANES = losses.Planes.of(LABELS, LOGITS)


def _softmax(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def test_cross_entropy_leaves_unlabelled_pixels_out():
    valid = LABELS != 255
    chosen = _softmax(LOGITS)[valid][np.arange(valid.sum()), LABELS[valid]]
    assert float(losses.cross_entropy(PLANES)) == pytest.approx(-np.log(chosen).mean(), rel=1e-5)


def test_class_weights_weigh_the_mean():
    valid = LABELS != 255
    weights = np.array([1.0, 2.0, 0.5])
    chosen = _softmax(LOGITS)[valid][np.arange(valid.sum()), LABELS[valid]]
    expected = (-np.log(chosen) * weights[LABELS[valid]]).sum() / weights[LABELS[valid]].sum()
    assert float(losses.cross_entropy(PLANES, class_weights=weights)) == pytest.approx(expected, rel=1e-5)


def test_dice_against_a_hand_count():
    # Two pixels, probabilities (1, 0) and (0, 1) up to e-9, labels 0 and 0.
    # Class 0 has 2 * 1 / (2 + 1) = 2/3, class 1 is absent.
    logits = np.array([[[[20.0, 0.0], [0.0, 20.0]]]], np.float32)
    assert float(losses.dice(losses.Planes.of(np.array([[[0, 0]]]), logits))) == pytest.approx(1 / 3, abs=1e-6)


def _slow_lovasz(labels, logits):
    """Berman et al.'s definition, a class and a pixel at a time."""
    valid = labels != 255
    labels, probabilities = labels[valid], _softmax(logits)[valid]
    total = []
    for c in range(logits.shape[-1]):
        truth = labels == c
        if not truth.any():
            continue
        errors = np.where(truth, 1 - probabilities[:, c], probabilities[:, c])
        order = np.argsort(-errors, kind="stable")
        value, previous = 0.0, 0.0
        for count in range(1, len(order) + 1):
            wrong = np.zeros(len(order), bool)
            wrong[order[:count]] = True
            jaccard_loss = 1 - (truth & ~wrong).sum() / (truth | wrong).sum()
            value += errors[order[count - 1]] * (jaccard_loss - previous)
            previous = jaccard_loss
        total.append(value)
    return np.mean(total)


def test_lovasz_against_its_slow_twin():
    assert float(losses.lovasz_softmax(PLANES)) == pytest.approx(_slow_lovasz(LABELS, LOGITS), rel=1e-4)


def test_terms_add_up_with_their_factors():
    loss = losses.SegmentationLoss(ce_weight=1.0, dice_weight=0.5, lovasz_weight=2.0)
    parts = (losses.cross_entropy(PLANES), losses.dice(PLANES), losses.lovasz_softmax(PLANES))
    expected = float(parts[0] + 0.5 * parts[1] + 2 * parts[2])
    assert float(loss(LABELS.astype(np.uint8), LOGITS)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("term", [losses.cross_entropy, losses.dice, losses.lovasz_softmax])
def test_an_unlabelled_batch_gives_a_finite_loss(term):
    assert np.isfinite(float(term(losses.Planes.of(np.full((1, 2, 2), 255), ops.zeros((1, 2, 2, 3))))))


def test_class_weights_against_hand_counts():
    # Frequencies 0.8, 0.2: 1 / f = 1.25, 5, mean 3.125; 1 / sqrt(f) has the ratio sqrt(4) = 2.
    np.testing.assert_allclose(losses.class_weights(np.array([80, 20]), kind="balanced"), [0.4, 1.6])
    np.testing.assert_allclose(losses.class_weights(np.array([80, 20]), kind="sqrt"), [2 / 3, 4 / 3], rtol=1e-6)


def test_coarse_logits_are_resized_to_the_labels():
    labels = np.zeros((1, 4, 4), np.uint8)
    coarse = np.zeros((1, 2, 2, 2), np.float32)
    coarse[..., 0] = [[2.0, 0.0], [2.0, 0.0]]
    # Half-pixel centres: the columns of the 4 wide result lie at -0.25, 0.25, 0.75, 1.25, that is 2, 1.5, 0.5, 0.
    fine = np.zeros((1, 4, 4, 2), np.float32)
    fine[..., 0] = [2.0, 1.5, 0.5, 0.0]
    loss = losses.SegmentationLoss()
    assert float(loss(labels, coarse)) == pytest.approx(float(loss(labels, fine)), rel=1e-6)


def test_balanced_weights_are_bounded():
    """One pixel of a rare class among a billion would take all of the gradient."""
    weights = losses.class_weights(np.array([10**9, 10**8, 10, 0]), kind="balanced")
    assert weights.max() / weights.min() == pytest.approx(losses.LARGEST_RATIO)
    assert weights[1] / weights[0] == pytest.approx(10)
    assert weights.mean() == pytest.approx(1)


def test_counts_go_on_past_what_float32_counts():
    """Lovasz-softmax of 8 crops of 1024x2048 adds up 2**24 ones, where float32 stops."""
    ones = np.ones((1, 2**24 + 10), np.float32)
    assert int(losses.counted(ones)[0, -1]) == 2**24 + 10
