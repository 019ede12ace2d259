"""Scores of anything that maps images to class ids: Keras, LiteRT and TFLite Micro by the same code over the same pixels."""

from collections.abc import Callable, Sequence

import numpy as np

from kerasseg.data.letterbox import segment
from kerasseg.data.splits import Split
from kerasseg.errors import InputError
from kerasseg.score import metrics
from kerasseg.score.metrics import Scores

Predict = Callable[[np.ndarray], np.ndarray]


Each = Callable[[str, np.ndarray], None]


def evaluate(
    predict: Predict,
    split: Split,
    *,
    class_names: tuple[str, ...],
    size: tuple[int, int],
    each: Each = lambda name, confusion: None,
) -> Scores:
    """Scores anything that maps images to class ids: Keras, LiteRT and TFLite Micro alike.

    Every picture is letterboxed to `size`; the predictions go back to the labels' resolution before they are counted.

    Args:
        predict: images (1, *size, 3) uint8 -> class ids (1, *size).
        split: The examples.
        class_names: One a class.
        size: (height, width) that `predict` takes.
        each: Gets the name and the confusion matrix of every picture.

    Raises:
        InputError: a picture or its labels cannot be used, no pixel is labelled, or `predict` gives ids outside the classes.
    """
    (scores,), _ = evaluate_together([predict], split, class_names=class_names, size=size, each=each)
    return scores


def evaluate_together(
    predicts: Sequence[Predict],
    split: Split,
    *,
    class_names: tuple[str, ...],
    size: tuple[int, int],
    each: Each = lambda name, confusion: None,
) -> tuple[list[Scores], list[float]]:
    """`evaluate` for several engines on the same pixels; `each` gets the matrices of the first.

    Returns:
        The scores of each, and the share of pixels (0..1, unlabelled ones too) on which each agrees with the first.
    """
    num_classes = len(class_names)
    matrices = [np.zeros((num_classes, num_classes), np.int64) for _ in predicts]
    boundaries = [np.zeros((num_classes + 1, num_classes + 1), np.int64) for _ in predicts]
    agreeing, pixels = np.zeros(len(predicts)), 0
    for example in split.examples():
        all_preds = [segment(predict, example.image, size=size) for predict in predicts]
        pixels += all_preds[0].size
        for i, preds in enumerate(all_preds):
            if preds.max() >= num_classes:
                raise InputError(
                    f"the model predicts class {preds.max()}, the data set has {num_classes} classes; use its own model"
                )
            confusion = metrics.confusion_matrix(example.labels, preds, num_classes=num_classes)
            matrices[i] += confusion
            if i == 0:
                each(example.name, confusion)
            boundaries[i] += metrics.boundary_confusion(example.labels, preds, num_classes=num_classes)
            agreeing[i] += np.count_nonzero(preds == all_preds[0])
    if not matrices[0].any():
        raise InputError(f"no pixel of the {len(split)} pictures is labelled: there is nothing to score; give more, or labels")
    scores = [
        metrics.scores(matrix, boundary, class_names=class_names, pictures=len(split))
        for matrix, boundary in zip(matrices, boundaries, strict=True)
    ]
    return scores, list(agreeing / pixels)
