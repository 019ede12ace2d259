"""Losses on logits, with unlabelled pixels left out. keras.ops only."""

from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from kerasseg.config import TrainConfig
from kerasseg.data.labels import IGNORE_LABEL


class SegmentationLoss(keras.losses.Loss):
    """A weighted sum of cross-entropy, soft Dice and Lovasz-softmax over the labelled pixels of a batch.

    Called with y_true (B, H, W), class ids or 255, and y_pred (B, h, w, C) logits, which are resized to the labels where
    they are coarser; gives a scalar.

    Args:
        ce_weight: Factor of `cross_entropy`.
        dice_weight: Factor of `dice`.
        lovasz_weight: Factor of `lovasz_softmax`.
        class_weights: One factor a class for the cross-entropy; None for 1.
    """

    def __init__(
        self, *, ce_weight: float = 1.0, dice_weight: float = 0.0, lovasz_weight: float = 0.0, class_weights=None
    ):  # fmt: skip
        super().__init__(name="segmentation_loss", reduction=None, dtype="float32")
        self.terms = [
            (ce_weight, lambda labels, logits: cross_entropy(labels, logits, class_weights=class_weights)),
            (dice_weight, dice),
            (lovasz_weight, lovasz_softmax),
        ]

    def call(self, y_true, y_pred):
        labels = ops.cast(y_true, "int32")
        if y_pred.shape[1:3] != labels.shape[1:3]:
            y_pred = ops.image.resize(y_pred, labels.shape[1:3], interpolation="bilinear")
        return sum(weight * term(labels, y_pred) for weight, term in self.terms if weight)


def build_loss(config: TrainConfig, *, counts: Callable[[], np.ndarray]) -> SegmentationLoss:
    """The loss of a run.

    Args:
        config: Gives the factors and the kind of class weights.
        counts: Gives the labelled pixels a class, (num_classes,); called only where they are needed.
    """
    weights = None if config.class_weights == "none" else class_weights(counts(), kind=config.class_weights)
    return SegmentationLoss(
        ce_weight=config.ce_weight, dice_weight=config.dice_weight, lovasz_weight=config.lovasz_weight, class_weights=weights
    )  # fmt: skip


def class_weights(counts: np.ndarray, *, kind: str) -> np.ndarray:
    """Factors for the cross-entropy, (num_classes,) float32 with mean 1.

    Args:
        counts: Labelled pixels a class.
        kind: "balanced" weighs a class by 1 / frequency, "sqrt" by 1 / sqrt(frequency).
    """
    frequency = np.maximum(counts, 1) / max(counts.sum(), 1)
    weights = frequency ** {"balanced": -1.0, "sqrt": -0.5}[kind]
    return (weights / weights.mean()).astype(np.float32)


def _labelled(labels):
    """Labels with 0 where nothing is labelled, and 1.0 where something is."""
    valid = ops.not_equal(labels, IGNORE_LABEL)
    return ops.where(valid, labels, 0), ops.cast(valid, "float32")


def cross_entropy(labels, logits, *, class_weights=None):
    """Mean cross-entropy of the labelled pixels, weighted by class.

    Args:
        labels: (B, H, W) int, 255 where unlabelled.
        logits: (B, H, W, C) float.
        class_weights: (C,) factors; the mean is taken over their sum, as torch.nn.CrossEntropyLoss does.

    Returns:
        A scalar, 0 where nothing is labelled.
    """
    safe, weights = _labelled(labels)
    losses = ops.sparse_categorical_crossentropy(safe, logits, from_logits=True)
    if class_weights is not None:
        weights = weights * ops.take(ops.convert_to_tensor(class_weights, "float32"), safe)
    return ops.sum(losses * weights) / ops.maximum(ops.sum(weights), 1e-6)


def dice(labels, logits):
    """1 - Dice, a mean over the classes in the batch. Milletari et al. 2016, section 3, without the squares."""
    safe, weights = _labelled(labels)
    probabilities = ops.softmax(logits) * weights[..., None]
    truth = ops.one_hot(safe, logits.shape[-1]) * weights[..., None]
    area = ops.sum(truth, (0, 1, 2))
    score = 2 * ops.sum(truth * probabilities, (0, 1, 2)) / ops.maximum(area + ops.sum(probabilities, (0, 1, 2)), 1e-6)
    present = ops.cast(area > 0, "float32")
    return 1 - ops.sum(score * present) / ops.maximum(ops.sum(present), 1.0)


def lovasz_softmax(labels, logits):
    """Lovasz-softmax, a mean over the classes in the batch. Berman et al., CVPR 2018, section 3.1 and algorithm 1."""
    safe, weights = _labelled(labels)
    probabilities = ops.reshape(ops.softmax(logits), (-1, logits.shape[-1]))
    truth = ops.reshape(ops.one_hot(safe, logits.shape[-1]) * weights[..., None], (-1, logits.shape[-1]))
    # An unlabelled pixel has error 0 and no truth: it sorts last and changes no Jaccard index before it.
    errors = ops.abs(truth - probabilities) * ops.reshape(weights, (-1, 1))
    order = ops.argsort(-errors, 0)
    errors = ops.take_along_axis(errors, order, 0)
    truth = ops.take_along_axis(truth, order, 0)
    area = ops.sum(truth, 0)
    intersection = area - ops.cumsum(truth, 0)
    union = area + ops.cumsum(1 - truth, 0)
    jaccard = 1 - intersection / ops.maximum(union, 1e-6)
    steps = ops.concatenate([jaccard[:1], jaccard[1:] - jaccard[:-1]], 0)
    present = ops.cast(area > 0, "float32")
    return ops.sum(ops.sum(errors * steps, 0) * present) / ops.maximum(ops.sum(present), 1.0)
