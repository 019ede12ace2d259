"""The evaluation preprocessing: any picture into the model's fixed size, and its predictions back out."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from PIL import Image

from kerasseg import grey
from kerasseg.errors import InputError
from kerasseg.logits import MOST_CLASSES

PAD_VALUE = 127  # nearest 8-bit value to the 0 of the model's rescaling


@dataclass(frozen=True)
class Placement:
    """Where a picture lies in the model's input: in the top left, (height, width) pixels large."""

    inner: tuple[int, int]
    original: tuple[int, int]


def letterbox(image: np.ndarray, *, size: tuple[int, int]) -> tuple[np.ndarray, Placement]:
    """Fits an image into `size`, keeping its proportions, and pads on the right and at the bottom.

    An image that fits and fills one side is not resampled.

    Args:
        image: (H, W, 3) uint8.
        size: (height, width).

    Returns:
        (*size, 3) uint8, and where the image lies in it.

    Raises:
        InputError: it is no such picture.
    """
    height, width = grey.check(image).shape[:2]
    scale = min(size[0] / height, size[1] / width)
    inner = min(size[0], max(1, round(height * scale))), min(size[1], max(1, round(width * scale)))
    if inner != (height, width):
        image = np.asarray(Image.fromarray(image).resize(inner[::-1], Image.Resampling.BILINEAR))
    out = np.full((*size, 3), PAD_VALUE, np.uint8)
    out[: inner[0], : inner[1]] = image
    return out, Placement(inner, (height, width))


def restore(preds: np.ndarray, placement: Placement) -> np.ndarray:
    """Class ids (size) back to the picture's own resolution, nearest. Returns (H, W) uint8.

    Raises:
        InputError: an id that a byte does not hold.
    """
    if preds.dtype != np.uint8 and (preds.min() < 0 or preds.max() > MOST_CLASSES):
        raise InputError(f"the model predicts classes {preds.min()} to {preds.max()}; class ids are 0 to {MOST_CLASSES}")
    preds = preds[: placement.inner[0], : placement.inner[1]].astype(np.uint8)
    if placement.inner == placement.original:
        return preds
    return np.asarray(Image.fromarray(preds).resize(placement.original[::-1], Image.Resampling.NEAREST))


def segment(predict: Callable[[np.ndarray], np.ndarray], image: np.ndarray, *, size: tuple[int, int]) -> np.ndarray:
    """Class ids of a picture at its own resolution.

    Args:
        predict: images (1, *size, 3) uint8 -> class ids (1, *size).
        image: (H, W, 3) uint8, of any size.
        size: (height, width) that `predict` takes.

    Returns:
        (H, W) uint8.
    """
    (ids,) = segment_all(predict, [image], size=size)
    return ids


def segment_all(
    predict: Callable[[np.ndarray], np.ndarray], images: Iterable[np.ndarray], *, size: tuple[int, int], together: int = 1
) -> Iterator[np.ndarray]:
    """`segment` for pictures of any sizes, so many of which are given to `predict` at a time."""
    rest = iter(images)
    while some := list(islice(rest, together)):
        boxed, placements = zip(*(letterbox(image, size=size) for image in some), strict=True)
        yield from map(restore, predict(np.stack(boxed)), placements)
