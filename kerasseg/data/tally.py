"""What is counted of a split in one pass over its examples."""

import math
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from kerasseg.data import likeness
from kerasseg.data.labels import IGNORE_LABEL
from kerasseg.data.splits import Example, Split
from kerasseg.errors import InputError

ENOUGH_PIXELS = 2**18  # for a mean colour: a picture of 512x512 is looked at whole


@dataclass
class Tally:
    """What was counted of one split.

    Attributes:
        names: Of the pictures that could be read.
        counts: A row a picture: pixels of each id, (256,) int64.
        sizes: (height, width) -> pictures.
        hashes: Of each picture's pixels.
        thumbnails: Of each picture, as `likeness` compares them.
        colors: For each picture, class -> mean colour (3,) where it has enough pixels.
        refused: (name, error) of those that could not.
        examples: How many pictures the split has, whether they were looked at or not.
        positions: In the split, of the pictures that could be read.
    """

    names: list[str] = field(default_factory=list)
    counts: list[np.ndarray] = field(default_factory=list)
    sizes: Counter = field(default_factory=Counter)
    hashes: list[int] = field(default_factory=list)
    thumbnails: list[np.ndarray] = field(default_factory=list)
    colors: list[dict[int, np.ndarray]] = field(default_factory=list)
    refused: list[tuple[str, InputError]] = field(default_factory=list)
    examples: int = 0
    positions: list[int] = field(default_factory=list)

    def add(self, example: Example) -> None:
        """Counts one example."""
        counts = np.bincount(example.labels.ravel(), minlength=256)
        self.names.append(example.name)
        self.counts.append(counts)
        self.sizes[example.labels.shape] += 1
        self.hashes.append(zlib.crc32(example.image.tobytes(), hash(example.image.shape) & 0xFFFFFFFF))
        self.thumbnails.append(likeness.thumbnail(example.image))
        self.colors.append(_colors(example))

    @property
    def whole(self) -> bool:
        """Whether every picture of the split was looked at."""
        return len(self.names) + len(self.refused) >= self.examples

    @property
    def table(self) -> np.ndarray:
        """(pictures that could be read, 256) int64 pixels of each id."""
        return np.array(self.counts, np.int64).reshape(-1, 256)

    def of_all(self) -> np.ndarray:
        """(pictures of the split, 256) int64 pixels of each id; zeros for those that were not looked at."""
        table = np.zeros((self.examples, 256), np.int64)
        table[self.positions] = self.table
        return table


def _colors(example: Example) -> dict[int, np.ndarray]:
    """Class -> mean colour (3,) where it has enough pixels; of a large picture every so many rows and columns stand for all."""
    step = max(1, math.isqrt(example.labels.size // ENOUGH_PIXELS))
    flat, image = example.labels[::step, ::step].ravel(), example.image[::step, ::step]
    counts = np.bincount(flat, minlength=256)
    sums = np.stack([np.bincount(flat, image[..., i].ravel(), 256) for i in range(3)], -1)
    enough = np.flatnonzero(counts[:IGNORE_LABEL] >= max(50, flat.size // 200))
    return {int(c): sums[c] / counts[c] for c in enough}


def count(
    split: Split,
    *,
    positions: Sequence[int] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Tally:
    """One pass over a split or, where positions are given, over the examples there, and the errors of what cannot be read."""
    found = Tally(examples=len(split))
    order = range(len(split)) if positions is None else positions
    for done, (i, outcome) in enumerate(zip(order, split.outcomes(order), strict=True)):
        progress(done, len(order))
        if isinstance(outcome, InputError):
            found.refused.append((split.names[i], outcome))
        else:
            found.positions.append(i)
            found.add(outcome)
    progress(len(order), len(order))
    return found
