"""Scores of anything that maps images to class ids: Keras, LiteRT and TFLite Micro by the same code over the same pixels."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np

from kerasseg.data.letterbox import segment_all
from kerasseg.data.splits import Example, Split
from kerasseg.errors import InputError
from kerasseg.score import metrics
from kerasseg.score.metrics import Scores

Predict = Callable[[np.ndarray], np.ndarray]
Each = Callable[[str, np.ndarray], None]
Show = Callable[[int, int], None]
WAITING = 4  # pictures that are segmented and not yet counted: what a slow count may hold in memory


def evaluate(
    predict: Predict,
    split: Split,
    *,
    class_names: tuple[str, ...],
    size: tuple[int, int],
    together: int = 1,
    each: Each = lambda name, confusion: None,
    show: Show = lambda done, total: None,
) -> Scores:
    """Scores anything that maps images to class ids: Keras, LiteRT and TFLite Micro alike.

    Every picture is letterboxed to `size`; the predictions go back to the labels' resolution before they are counted.

    Args:
        predict: images (N, *size, 3) uint8 -> class ids (N, *size).
        split: The examples.
        class_names: One a class.
        size: (height, width) that `predict` takes.
        together: The largest N: how many pictures it is given at a time.
        each: Gets the name and the confusion matrix of every picture.
        show: Gets the number of pictures that are done, and of all.

    Raises:
        InputError: a picture or its labels cannot be used, no pixel is labelled, or `predict` gives ids outside the classes.
    """
    (scores,), _ = evaluate_together(
        [predict], split, class_names=class_names, size=size, together=together, each=each, show=show
    )
    return scores


def evaluate_together(
    predicts: Sequence[Predict],
    split: Split,
    *,
    class_names: tuple[str, ...],
    size: tuple[int, int],
    together: int = 1,
    each: Each = lambda name, confusion: None,
    show: Show = lambda done, total: None,
) -> tuple[list[Scores], list[float]]:
    """`evaluate` for several engines on the same pixels; `each` gets the matrices of the first.

    Pixels are counted on threads of their own, beside the networks.

    Returns:
        The scores of each, and the share of pixels (0..1, unlabelled ones too) on which each agrees with the first.
    """
    counts = _Counts.of(len(predicts), num_classes=len(class_names))
    counted: deque[tuple[str, Future[_Counts]]] = deque()

    def take() -> None:
        name, future = counted.popleft()
        found = future.result()
        counts.add(found)
        each(name, found.matrices[0])

    with ThreadPoolExecutor(2) as pool:
        for done, (example, all_preds) in enumerate(_segmented(predicts, split, size, together), start=1):
            counted.append((example.name, pool.submit(_count, example, all_preds, len(class_names))))
            if len(counted) > WAITING:
                take()
            show(done, len(split))
        while counted:
            take()
    if not counts.matrices[0].any():
        raise InputError(f"no pixel of the {len(split)} pictures is labelled: there is nothing to score; give more, or labels")
    scores = [
        metrics.scores(matrix, boundary, class_names=class_names, pictures=len(split))
        for matrix, boundary in zip(counts.matrices, counts.boundaries, strict=True)
    ]
    return scores, list(counts.agreeing / counts.pixels)


def _segmented(
    predicts: Sequence[Predict], split: Split, size: tuple[int, int], together: int
) -> Iterator[tuple[Example, list[np.ndarray]]]:
    """Every example, and its class ids by each of `predicts`."""
    examples = split.examples()
    while some := list(islice(examples, together)):
        images = [one.image for one in some]
        by_engine = [segment_all(predict, images, size=size, together=together) for predict in predicts]
        for example, *all_preds in zip(some, *by_engine, strict=True):
            yield example, all_preds


@dataclass
class _Counts:
    """Of one picture or of many, for E engines and C classes.

    Attributes:
        matrices: (E, C, C) int64, confusion matrices.
        boundaries: (E, C + 1, C + 1) int64, of boundary pixels.
        agreeing: (E,) pixels on which each agrees with the first.
        pixels: All of them.
    """

    matrices: np.ndarray
    boundaries: np.ndarray
    agreeing: np.ndarray
    pixels: int

    @classmethod
    def of(cls, engines: int, *, num_classes: int) -> "_Counts":
        matrices, boundaries = (np.zeros((engines, side, side), np.int64) for side in (num_classes, num_classes + 1))
        return cls(matrices, boundaries, np.zeros(engines), 0)

    def add(self, other: "_Counts") -> None:
        self.matrices += other.matrices
        self.boundaries += other.boundaries
        self.agreeing += other.agreeing
        self.pixels += other.pixels


def _count(example: Example, all_preds: Sequence[np.ndarray], num_classes: int) -> _Counts:
    for preds in all_preds:
        if preds.max() >= num_classes:
            raise InputError(
                f"the model predicts class {preds.max()}, the data set has {num_classes} classes; use its own model"
            )
    labels = example.labels
    near = metrics.boundary_ids(labels, labels, num_classes=num_classes)
    matrices, boundaries = [], []
    for preds in all_preds:
        matrices.append(metrics.confusion_matrix(labels, preds, num_classes=num_classes))
        theirs = metrics.boundary_ids(preds, labels, num_classes=num_classes)
        boundaries.append(metrics.confusion_matrix(near, theirs, num_classes=num_classes + 1))
    agreeing = np.array([np.count_nonzero(preds == all_preds[0]) for preds in all_preds])
    return _Counts(np.array(matrices), np.array(boundaries), agreeing, labels.size)
