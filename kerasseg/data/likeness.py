"""Which pictures are near copies of others: frames of one video, a picture resized, compressed again, or made brighter."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

SIDE = 10  # of a thumbnail: coarse enough that a second of driving leaves edges where they are
ENOUGH_PIXELS = 2**15  # for the mean colours: of a larger picture every so many rows and columns stand for all
LEAST_STEP = 0.5  # grey levels, root of the mean square: what has less is plain, and its edges are noise
NEAR = 0.65  # BUILD.md says what it was chosen by
ROWS = 256  # compared at once, so that the table of all pairs never is in memory


def thumbnail(image: np.ndarray) -> np.ndarray:
    """What is compared of a picture (H, W, 3) uint8: (SIDE, SIDE, 3) uint8, the mean colours of its parts."""
    step = max(1, math.isqrt(image.shape[0] * image.shape[1] // ENOUGH_PIXELS))
    return np.asarray(Image.fromarray(image[::step, ::step]).resize((SIDE, SIDE), Image.Resampling.BOX))


def nearest(thumbnails: Sequence[np.ndarray], among: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """For each picture, which of others is most like it.

    Compared are the edges of the thumbnails, scaled to one length, less their mean over `among`: where all pictures show one
    scene, only what is not in every one of them counts.

    Args:
        thumbnails: Of the pictures.
        among: Of the others.

    Returns:
        Likenesses (pictures,) float32, correlations: 1 of a copy, 0 of a plain picture; and positions in `among` (pictures,).
    """
    if not len(thumbnails) or not len(among):
        return np.zeros(len(thumbnails), np.float32), np.zeros(len(thumbnails), np.int64)
    ours, theirs = _edges(thumbnails), _edges(among)
    middle = theirs.mean(0)
    ours, theirs = _centred(ours, middle), _centred(theirs, middle)
    likeness, position = np.zeros(len(ours), np.float32), np.zeros(len(ours), np.int64)
    for start in range(0, len(ours), ROWS):
        part = ours[start : start + ROWS] @ theirs.T
        position[start : start + ROWS] = part.argmax(1)
        likeness[start : start + ROWS] = part.max(1)
    return likeness, position


def _edges(thumbnails: Sequence[np.ndarray]) -> np.ndarray:
    """(pictures, steps) float32 of length 1: steps from each part to the next, down and across; zeros of a plain picture."""
    parts = np.stack(thumbnails).astype(np.float32)
    down, across = np.diff(parts, axis=1), np.diff(parts, axis=2)
    steps = np.concatenate([down.reshape(len(parts), -1), across.reshape(len(parts), -1)], 1)
    length = np.linalg.norm(steps, axis=1, keepdims=True)
    return np.where(length >= LEAST_STEP * steps.shape[1] ** 0.5, steps / np.maximum(length, 1e-6), np.float32(0))


def _centred(edges: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """Edges less the mean, of length 1 again; zeros of a plain picture."""
    rest = np.where(edges.any(1, keepdims=True), edges - middle, np.float32(0))
    return rest / np.maximum(np.linalg.norm(rest, axis=1, keepdims=True), 1e-6)
