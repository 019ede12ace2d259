"""The images that activation ranges are measured on."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from kerasseg.errors import InputError

Representative = Callable[[], Iterator[list[np.ndarray]]]

CHOICES = ("random", "covering")


def choose(available: int, *, count: int, seed: int) -> list[int]:
    """Positions of `count` different training examples, in ascending order.

    Raises:
        InputError: more are asked than there are.
    """
    if not 1 <= count <= available:
        raise InputError(f"{count} calibration examples asked, the training split has {available}; ask for 1 to {available}")
    return sorted(int(i) for i in np.random.default_rng(seed).choice(available, count, replace=False))


def choose_covering(pixels: np.ndarray, *, count: int, seed: int) -> list[int]:
    """As `choose`, but each next picture brings the most of the class that the chosen have least of, among 16 drawn.

    Args:
        pixels: (examples, classes) labelled pixels. Those of which nobody looked at any are drawn where the others are too few.
        count: How many.
        seed: Decides what is drawn.
    """
    choose(len(pixels), count=count, seed=seed)  # refuses what cannot be
    rng = np.random.default_rng(seed)
    present = pixels[:, pixels.sum(0) > 0]
    shares = present / present.sum(0)
    known = np.flatnonzero(pixels.any(1))
    pool = known if len(known) >= count else np.arange(len(pixels))
    chosen: list[int] = []
    while len(chosen) < count:
        left = np.setdiff1d(pool, chosen)
        drawn = rng.choice(left, min(16, len(left)), replace=False)
        rarest = np.argmin(shares[chosen].sum(0))
        chosen.append(int(drawn[np.argmax(shares[drawn, rarest])]))
    return sorted(chosen)


def representative(images: Iterable[np.ndarray]) -> Representative:
    """Images (H, W, 3) uint8, preprocessed as for evaluation, in the form the TFLite converter asks for.

    They stay in memory as they are: in float32 they would take four times as much.
    """
    held = list(images)
    return lambda: ([image[None].astype(np.float32)] for image in held)
