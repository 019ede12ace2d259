"""What is counted of a split in one pass over its examples."""

import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from kerasseg.data.labels import IGNORE_LABEL
from kerasseg.data.splits import Example, Split
from kerasseg.errors import InputError


@dataclass
class Tally:
    """What was counted of one split.

    Attributes:
        names: Of the pictures that could be read.
        counts: A row a picture: pixels of each id, (256,) int64.
        sizes: (height, width) -> pictures.
        hashes: Of each picture's pixels.
        colors: For each picture, class -> mean colour (3,) where it has enough pixels.
        refused: (name, error) of the others.
    """

    names: list[str] = field(default_factory=list)
    counts: list[np.ndarray] = field(default_factory=list)
    sizes: Counter = field(default_factory=Counter)
    hashes: list[int] = field(default_factory=list)
    colors: list[dict[int, np.ndarray]] = field(default_factory=list)
    refused: list[tuple[str, InputError]] = field(default_factory=list)

    def add(self, example: Example) -> None:
        """Counts one example."""
        counts = np.bincount(example.labels.ravel(), minlength=256)
        self.names.append(example.name)
        self.counts.append(counts)
        self.sizes[example.labels.shape] += 1
        self.hashes.append(zlib.crc32(example.image.tobytes(), hash(example.image.shape) & 0xFFFFFFFF))
        flat = example.labels.ravel()
        sums = np.stack([np.bincount(flat, example.image[..., i].ravel(), 256) for i in range(3)], -1)
        enough = np.flatnonzero(counts[:IGNORE_LABEL] >= max(50, flat.size // 200))
        self.colors.append({int(c): sums[c] / counts[c] for c in enough})

    @property
    def table(self) -> np.ndarray:
        """(pictures, 256) int64 pixels of each id."""
        return np.array(self.counts, np.int64).reshape(-1, 256)


def count(split: Split, *, limit_bytes: int = 0, progress: Callable[[int, int], None] = lambda done, total: None) -> Tally:
    """One pass over a split, which keeps in memory what fits into `limit_bytes`, and the errors of what cannot be read."""
    found = Tally()
    used = 0
    for i, outcome in enumerate(split.outcomes()):
        progress(i, len(split))
        if isinstance(outcome, InputError):
            found.refused.append((split.names[i], outcome))
            continue
        found.add(outcome)
        used += outcome.image.nbytes + outcome.labels.nbytes
        if used <= limit_bytes:
            split.kept[i] = outcome
    progress(len(split), len(split))
    return found
