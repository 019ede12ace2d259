"""From logits to class ids, the same for every engine."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from kerasseg.errors import InputError

MOST_CLASSES = 254  # an id is a byte, 255 is unlabelled
TOGETHER = 600_000  # resized logits that a thread works on: two arrays of 2.4 MB, about what a core's cache holds


def class_ids(logits: np.ndarray, *, size: tuple[int, int]) -> np.ndarray:
    """The class of the largest logit of each pixel; coarser logits are first resized, bilinear with half-pixel centres.

    Args:
        logits: (N, h, w, C), float or the integers of a quantized output.
        size: (height, width) of the class ids.

    Returns:
        (N, *size) uint8.

    Raises:
        InputError: a logit is NaN or infinite; arg max would call NaN class 0.
    """
    if logits.dtype.kind == "f":
        refuse_not_finite(int(np.count_nonzero(~np.isfinite(logits))), of=logits.size)
    if logits.shape[1:3] == tuple(size):
        return np.argmax(logits, -1).astype(np.uint8)
    return np.stack([_of_coarse(one, size) for one in logits])


def _of_coarse(coarse: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Class ids (*size) of logits (h, w, C) that are resized."""
    height, width = size
    top, bottom, down = _neighbours(coarse.shape[0], height)
    left, right, across = _neighbours(coarse.shape[1], width)
    ids = np.empty(size, np.uint8)

    def decide(rows: slice) -> None:
        upper, lower = (coarse[some[rows]].astype(np.float32) for some in (top, bottom))
        between = _blend(upper, lower, down[rows, None, None])
        ids[rows] = _blend(between.take(left, 1), between.take(right, 1), across[:, None]).argmax(-1)

    step = max(1, TOGETHER // (width * coarse.shape[2]))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(decide, (slice(row, row + step) for row in range(0, height, step))))
    return ids


def refuse_not_finite(count: int, *, of: int) -> None:
    """Raises InputError where some logits are NaN or infinite."""
    if count:
        raise InputError(
            f"{count} of {of} logits are not finite; the weights, or what float16 cannot hold, overflowed: train again with a "
            "lower --learning_rate, or convert with another --recipe"
        )


def _neighbours(count: int, wanted: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of `wanted` places among `count`: the one before, the one after, and how far between them it lies, float32 0..1."""
    places = np.clip((np.arange(wanted) + 0.5) * (count / wanted) - 0.5, 0, count - 1)
    before = places.astype(np.intp)
    return before, np.minimum(before + 1, count - 1), (places - before).astype(np.float32)


def _blend(one: np.ndarray, other: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Gives one + (other - one) * share, in the memory of `other`."""
    other -= one
    other *= share
    other += one
    return other
