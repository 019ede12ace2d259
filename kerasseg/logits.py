"""From logits to class ids, the same for every engine."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from kerasseg.errors import InputError


def class_ids(logits: np.ndarray, *, size: tuple[int, int]) -> np.ndarray:
    """The class of the largest logit of each pixel; coarser logits are first resized, bilinear with half-pixel centres.

    Args:
        logits: (1, h, w, C), float or the integers of a quantized output.
        size: (height, width) of the class ids.

    Returns:
        (1, *size) uint8.

    Raises:
        InputError: a logit is NaN or infinite; arg max would call NaN class 0.
    """
    if logits.dtype.kind == "f":
        refuse_not_finite(int(np.count_nonzero(~np.isfinite(logits))), of=logits.size)
    if logits.shape[1:3] == tuple(size):
        return np.argmax(logits, -1).astype(np.uint8)
    channels = np.ascontiguousarray(np.moveaxis(logits[0], -1, 0).astype(np.float32))
    firsts = [int(part[0]) for part in np.array_split(np.arange(len(channels)), min(len(channels), os.cpu_count() or 1))]
    parts = [channels[first:end] for first, end in zip(firsts, [*firsts[1:], len(channels)], strict=True)]
    with ThreadPoolExecutor(len(parts)) as pool:
        (best, ids), *others = pool.map(lambda part, first: _largest(part, size=size, first=first), parts, firsts)
    for largest, theirs in others:
        ids = np.where(largest > best, theirs, ids)  # of equals the first class, as np.argmax has it
        np.maximum(best, largest, out=best)
    return ids[None]


def refuse_not_finite(count: int, *, of: int) -> None:
    """Raises InputError where some logits are NaN or infinite."""
    if count:
        raise InputError(
            f"{count} of {of} logits are not finite; the weights, or what float16 cannot hold, overflowed: train again with a "
            "lower --learning_rate, or convert with another --recipe"
        )


def _largest(channels: np.ndarray, *, size: tuple[int, int], first: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest of some channels (C, h, w) at each pixel of `size`, float32, and its number, uint8, counted from `first`.

    A channel at a time: those of 150 classes at 512x512 would take 157 MB together.
    """
    best, ids = np.full(size, -np.inf, np.float32), np.zeros(size, np.uint8)
    for i, channel in enumerate(channels, start=first):
        resized = np.asarray(Image.fromarray(channel).resize(size[::-1], Image.Resampling.BILINEAR))
        # Numbers grow, so that the larger one is the later; a `where` takes ten times as long.
        np.maximum(ids, (resized > best).view(np.uint8) * np.uint8(i), out=ids)
        np.maximum(best, resized, out=best)
    return best, ids
