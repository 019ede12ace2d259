"""Losses on logits, with unlabelled pixels left out. keras.ops only."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from kerasseg.config import TrainConfig
from kerasseg.data.labels import IGNORE_LABEL
from kerasseg.training import pointwise_losses

LARGEST_RATIO = 100.0  # of class weights, a choice
# From here on planes cost more memory than they save time; under JAX they save none, unless Lovasz-softmax needs them anyway.
MANY_CLASSES = 2 if keras.backend.backend() == "jax" else 32
MANY_WITH_LOVASZ = 32


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
        self.pointwise = {"ce_weight": ce_weight, "dice_weight": dice_weight, "class_weights": class_weights}
        self.terms = [
            (ce_weight, lambda planes: cross_entropy(planes, class_weights=class_weights)),
            (dice_weight, dice),
            (lovasz_weight, lovasz_softmax),
        ]

    def call(self, y_true, y_pred):
        labels = ops.cast(y_true, "int32")
        if y_pred.shape[1:3] != labels.shape[1:3]:
            y_pred = ops.image.resize(y_pred, labels.shape[1:3], interpolation="bilinear")
        terms, value = self.terms, 0.0
        *rest, lovasz = terms
        if any(weight for weight, _ in rest) and y_pred.shape[-1] >= (MANY_WITH_LOVASZ if lovasz[0] else MANY_CLASSES):
            terms, value = [lovasz], pointwise_losses.weighted(labels, y_pred, **self.pointwise)
        if any(weight for weight, _ in terms):
            planes = Planes.of(labels, y_pred)
            value += sum(weight * term(planes) for weight, term in terms if weight)
        return value


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
    """Factors for the cross-entropy, (num_classes,) float32 with mean 1, the largest at most LARGEST_RATIO times the smallest.

    Args:
        counts: Labelled pixels a class.
        kind: "balanced" weighs a class by 1 / frequency, "sqrt" by 1 / sqrt(frequency).
    """
    frequency = np.maximum(counts, 1) / max(counts.sum(), 1)
    weights = frequency ** {"balanced": -1.0, "sqrt": -0.5}[kind]
    weights = np.minimum(weights, LARGEST_RATIO * weights.min())  # or the rarest class's few pixels are all that is learned
    return (weights / weights.mean()).astype(np.float32)


class Planes(NamedTuple):
    """What the terms are made of, a plane a class: sums along a row of pixels are fast, along 11 classes they are not.

    Attributes:
        truth: (B, C, H, W) float32, 1 in the plane of a pixel's class; all 0 where it is unlabelled.
        labelled: (B, 1, H, W) float32, 1 where a pixel is labelled.
        log_probabilities: (B, C, H, W) float32.
    """

    truth: Any
    labelled: Any
    log_probabilities: Any

    @classmethod
    def of(cls, labels, logits) -> "Planes":
        """From labels, (B, H, W) int with 255 where unlabelled, and logits, (B, H, W, C) float."""
        labels = ops.expand_dims(ops.cast(labels, "int32"), 1)
        classes = ops.reshape(ops.arange(logits.shape[-1], dtype="int32"), (1, -1, 1, 1))
        return cls(
            truth=ops.cast(ops.equal(labels, classes), "float32"),
            labelled=ops.cast(ops.not_equal(labels, IGNORE_LABEL), "float32"),
            log_probabilities=ops.log_softmax(ops.transpose(ops.cast(logits, "float32"), (0, 3, 1, 2)), 1),
        )


def cross_entropy(planes: Planes, *, class_weights=None):
    """Mean cross-entropy of the labelled pixels, weighted by class.

    Args:
        planes: Labels and scores.
        class_weights: (C,) factors; the mean is taken over their sum, as torch.nn.CrossEntropyLoss does.

    Returns:
        A scalar, 0 where nothing is labelled.
    """
    losses, pixels = (ops.sum(x, (0, 2, 3)) for x in (-planes.truth * planes.log_probabilities, planes.truth))
    weights = 1.0 if class_weights is None else ops.convert_to_tensor(class_weights, "float32")
    return ops.sum(losses * weights) / ops.maximum(ops.sum(pixels * weights), 1e-6)


def dice(planes: Planes):
    """1 - Dice, a mean over the classes in the batch. Milletari et al. 2016, section 3, without the squares."""
    probabilities = ops.exp(planes.log_probabilities)
    area, shared, found = (
        ops.sum(x, (0, 2, 3)) for x in (planes.truth, planes.truth * probabilities, planes.labelled * probabilities)
    )
    score = 2 * shared / ops.maximum(area + found, 1e-6)
    present = ops.cast(area > 0, "float32")
    return 1 - ops.sum(score * present) / ops.maximum(ops.sum(present), 1.0)


def lovasz_softmax(planes: Planes):
    """Lovasz-softmax, a mean over the classes in the batch. Berman et al., CVPR 2018, section 3.1 and algorithm 1."""
    # An unlabelled pixel has error 0 and no truth: it sorts last and changes no Jaccard index before it.
    errors = ops.abs(planes.truth - ops.exp(planes.log_probabilities)) * planes.labelled
    errors, truth = (ops.reshape(ops.transpose(x, (1, 0, 2, 3)), (x.shape[1], -1)) for x in (errors, planes.truth))
    order = ops.argsort(-errors, 1)
    errors = ops.take_along_axis(errors, order, 1)
    truth = ops.take_along_axis(truth, order, 1)
    area = ops.sum(truth, 1, keepdims=True)
    hits = counted(truth)
    intersection = area - ops.cast(hits, "float32")
    union = area + ops.cast(ops.arange(1, truth.shape[1] + 1, dtype="int32") - hits, "float32")
    jaccard = 1 - intersection / ops.maximum(union, 1e-6)
    steps = ops.concatenate([jaccard[:, :1], jaccard[:, 1:] - jaccard[:, :-1]], 1)
    present = ops.cast(area[:, 0] > 0, "float32")
    return ops.sum(ops.sum(errors * steps, 1) * present) / ops.maximum(ops.sum(present), 1.0)


def counted(marks):
    """How many 1s a row has up to each place, (R, N) int32: a sum of float32 stops at 2**24.

    Args:
        marks: (R, N) of 0 and 1.
    """
    return ops.cumsum(ops.cast(marks, "int32"), 1)
