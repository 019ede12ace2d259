"""Confusion matrices and the scores that are read off them."""

import dataclasses
import json
from dataclasses import dataclass

import numpy as np

from kerasseg.data.labels import IGNORE_LABEL
from kerasseg.errors import InputError


def confusion_matrix(labels: np.ndarray, preds: np.ndarray, *, num_classes: int) -> np.ndarray:
    """Counts of labelled pixels.

    Args:
        labels: (H, W) or (B, H, W) int, 255 where unlabelled.
        preds: The same shape, 0..num_classes - 1.
        num_classes: Number of classes.

    Returns:
        (num_classes, num_classes) int64: row the label, column the prediction.

    Raises:
        InputError: a label that is neither a class nor 255, or a prediction that is no class.
    """
    labels, preds = (
        _bytes(ids, what=what, num_classes=num_classes) for ids, what in ((labels, "labels"), (preds, "predictions"))
    )
    index = labels.astype(np.uint16).ravel() << 8 | preds.ravel()
    pairs = np.bincount(index, minlength=2**16).reshape(256, 256)[:IGNORE_LABEL]  # faster than leaving pixels out first
    for counts, what in ((pairs.sum(1), "labels"), (pairs.sum(0), "predictions")):
        if counts[num_classes:].any():
            raise _no_class(np.flatnonzero(counts).max(), what=what, num_classes=num_classes)
    return pairs[:num_classes, :num_classes].astype(np.int64)


def _bytes(ids: np.ndarray, *, what: str, num_classes: int) -> np.ndarray:
    ids = np.asarray(ids)
    if ids.dtype != np.uint8 and ids.size and not 0 <= ids.min() <= ids.max() <= IGNORE_LABEL:
        raise _no_class(ids.max() if ids.max() > IGNORE_LABEL else ids.min(), what=what, num_classes=num_classes)
    return ids.astype(np.uint8, copy=False)


def _no_class(odd: int, *, what: str, num_classes: int) -> InputError:
    return InputError(f"the {what} hold class {odd}, there are {num_classes} classes; use labels and model of one data set")


def boundary_distance(shape: tuple[int, int]) -> int:
    """Width in pixels of what counts as boundary: 2 % of the diagonal (Cheng et al., CVPR 2021, section 5.1)."""
    return max(1, round(0.02 * float(np.hypot(*shape))))


def near_boundary(ids: np.ndarray, *, distance: int) -> np.ndarray:
    """Pixels that a square of `distance` around them does not show to be inside their segment.

    The picture's edge counts as a boundary, as in Cheng et al.'s own code; an unlabelled pixel neither makes nor ends one.

    Args:
        ids: (H, W) int, 0..255; 255 where unlabelled.
        distance: In pixels, along a row or column.

    Returns:
        (H, W) bool; of no meaning where `ids` is 255.
    """
    values = np.asarray(ids).astype(np.uint8) + np.uint8(1)  # 0 is left for what lies outside the picture, and 255 became it
    highest = _largest_around(values, distance, outside=0)
    values[values == 0] = IGNORE_LABEL
    lowest = IGNORE_LABEL - _largest_around(IGNORE_LABEL - values, distance, outside=IGNORE_LABEL)
    return highest != lowest


def _largest_around(values: np.ndarray, distance: int, *, outside: int) -> np.ndarray:
    """The largest value in the square around each pixel, uint8: windows that double, then overlap."""
    values, window = np.pad(values, distance, constant_values=outside), 2 * distance + 1
    for axis in (0, 1):
        span = 1
        while span < window:
            step = min(span, window - span)
            values = np.maximum(_without(values, axis, last=step), _without(values, axis, first=step))
            span += step
    return values


def _without(values: np.ndarray, axis: int, *, first: int = 0, last: int = 0) -> np.ndarray:
    kept = slice(first, values.shape[axis] - last)
    return values[kept] if axis == 0 else values[:, kept]


def boundary_ids(ids: np.ndarray, labels: np.ndarray, *, num_classes: int) -> np.ndarray:
    """The class near boundaries, and `num_classes` elsewhere: what `boundary_confusion` compares.

    Args:
        ids: (H, W) int, the labels themselves or predictions.
        labels: (H, W) int, 255 where unlabelled; those pixels are left out, of the predictions too.
        num_classes: Number of classes.

    Returns:
        (H, W) uint8, 255 where unlabelled.
    """
    ids, unlabelled = np.array(ids, np.uint8), np.asarray(labels) == IGNORE_LABEL
    ids[unlabelled] = IGNORE_LABEL
    near = near_boundary(ids, distance=boundary_distance(ids.shape))
    return np.where(near | unlabelled, ids, np.uint8(num_classes))


def boundary_confusion(labels: np.ndarray, preds: np.ndarray, *, num_classes: int) -> np.ndarray:
    """The confusion matrix of boundary pixels; its last row and column count "no boundary here".

    Args:
        labels: (H, W) int, 255 where unlabelled.
        preds: (H, W) int.
        num_classes: Number of classes.

    Returns:
        (num_classes + 1, num_classes + 1) int64.
    """
    maps = (boundary_ids(ids, labels, num_classes=num_classes) for ids in (labels, preds))
    return confusion_matrix(*maps, num_classes=num_classes + 1)


def class_iou(matrix: np.ndarray) -> np.ndarray:
    """Intersection over union a class, 0..1; NaN for a class absent from labels and predictions."""
    hits = np.diag(matrix).astype(float)
    union = matrix.sum(0) + matrix.sum(1) - hits
    return np.divide(hits, union, out=np.full(len(hits), np.nan), where=union > 0)


@dataclass(frozen=True)
class Scores:
    """Scores over a split, all 0..1; None stands for a class that is not there.

    Attributes:
        miou: Mean of `iou` over the classes present in labels or predictions.
        pixel_accuracy: Share of labelled pixels that are right.
        frequency_weighted_iou: Mean of `iou` weighted by labelled pixels.
        boundary_iou: Mean over classes of the IoU near boundaries (Cheng et al., CVPR 2021).
        iou: A class.
        accuracy: A class: share of its labelled pixels that are right.
        boundary_iou_by_class: A class.
        class_names: In the order of the lists.
        confusion: Pixel counts, row the label, column the prediction.
        pictures: How many were scored.
    """

    miou: float
    pixel_accuracy: float
    frequency_weighted_iou: float
    boundary_iou: float
    iou: list[float | None]
    accuracy: list[float | None]
    boundary_iou_by_class: list[float | None]
    class_names: list[str]
    confusion: list[list[int]]
    pictures: int

    @property
    def miou_of_labelled(self) -> float:
        """Mean of `iou` over the classes in the labels: one stray pixel of another class does not change it by a class."""
        present = [iou for iou, counts in zip(self.iou, self.confusion, strict=True) if iou is not None and any(counts)]
        return sum(present) / len(present) if present else 0.0

    @property
    def scored_classes(self) -> str:
        """Which classes `miou` is the mean of: "9 of 11 classes; no pixel of Pole, Fence in the labels"."""
        here = sum(iou is not None for iou in self.iou)
        absent = [name for name, counts in zip(self.class_names, self.confusion, strict=True) if not any(counts)]
        shown = ", ".join(absent[:8]) + (f" and {len(absent) - 8} more" if len(absent) > 8 else "")
        return f"{here} of {len(self.iou)} classes" + (f"; no pixel of {shown} in the labels" if absent else "")

    def to_json(self) -> dict:
        """As plain JSON values."""
        return json.loads(json.dumps(dataclasses.asdict(self) | {"miou_over": self.scored_classes}))

    def table(self) -> str:
        """The scores as text, in per cent."""
        width = max(len("frequency-weighted IoU"), *map(len, self.class_names))
        lines = [f"{'class':<{width}}     IoU  accuracy  boundary IoU"]
        for row in zip(self.class_names, self.iou, self.accuracy, self.boundary_iou_by_class, strict=True):
            lines.append(f"{row[0]:<{width}}  {_percent(row[1]):>6}  {_percent(row[2]):>8}  {_percent(row[3]):>12}")
        for name, value in (
            ("mIoU", self.miou), ("pixel accuracy", self.pixel_accuracy),
            ("frequency-weighted IoU", self.frequency_weighted_iou), ("boundary IoU", self.boundary_iou),
        ):  # fmt: skip
            lines.append(f"{name:<{width}}  {_percent(value):>6}")
        lines[len(self.iou) + 1] += f"  over {self.scored_classes}"
        return "\n".join(lines)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


def scores(matrix: np.ndarray, boundary: np.ndarray, *, class_names: tuple[str, ...], pictures: int) -> Scores:
    """Reads every score off the confusion matrix of a split and the one of its boundaries."""
    iou = class_iou(matrix)
    boundary_iou = class_iou(boundary)[:-1]
    labelled = matrix.sum(1)
    accuracy = np.divide(np.diag(matrix), labelled, out=np.full(len(iou), np.nan), where=labelled > 0)
    total = max(int(matrix.sum()), 1)

    def mean(values: np.ndarray) -> float:
        return float(np.nanmean(values)) if np.isfinite(values).any() else 0.0

    def listed(values: np.ndarray) -> list[float | None]:
        return [None if np.isnan(value) else float(value) for value in values]

    return Scores(
        miou=mean(iou),
        pixel_accuracy=float(np.trace(matrix) / total),
        frequency_weighted_iou=float(np.nansum(iou * labelled) / total),
        boundary_iou=mean(boundary_iou),
        iou=listed(iou),
        accuracy=listed(accuracy),
        boundary_iou_by_class=listed(boundary_iou),
        class_names=list(class_names),
        confusion=matrix.tolist(),
        pictures=pictures,
    )
