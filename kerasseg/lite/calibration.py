"""The images that activation ranges are measured on."""

from collections.abc import Callable, Iterator

import numpy as np

from kerasseg.errors import InputError


def choose(available: int, *, count: int, seed: int) -> list[int]:
    """Positions of `count` different training examples, in ascending order.

    Raises:
        InputError: more are asked than there are.
    """
    if not 1 <= count <= available:
        raise InputError(f"{count} calibration examples asked, the training split has {available}; ask for 1 to {available}")
    return sorted(int(i) for i in np.random.default_rng(seed).choice(available, count, replace=False))


def representative(images: Iterator[np.ndarray]) -> Callable[[], Iterator[list[np.ndarray]]]:
    """Images (H, W, 3) uint8, preprocessed as for evaluation, in the form the TFLite converter asks for."""
    inputs = [image[None].astype(np.float32) for image in images]
    return lambda: ([image] for image in inputs)
