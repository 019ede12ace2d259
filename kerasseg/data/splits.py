"""A split: numbered examples, each an image and its labels."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kerasseg.data import pairing, pictures
from kerasseg.errors import DataError, InputError

READ_AHEAD = 8  # examples, so that a split larger than memory never is in it


@dataclass(frozen=True)
class Example:
    """One picture: its name, image (H, W, 3) uint8, and labels (H, W) uint8 with 255 where nothing is labelled."""

    name: str
    image: np.ndarray
    labels: np.ndarray


@dataclass
class Split:
    """Examples that can be read in any order.

    Attributes:
        names: One a example.
        read: Position -> Example.
        size_of: Position -> (height, width), without reading the picture; None where that cannot be.
        kept: Position -> Example, those that `keep` has put in memory.
    """

    names: tuple[str, ...]
    read: Callable[[int], Example]
    size_of: Callable[[int], tuple[int, int]] | None = None
    kept: dict[int, Example] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, i: int) -> Example:
        return self.kept[i] if i in self.kept else self.read(i)

    def examples(self, positions: Iterable[int] | None = None) -> Iterator[Example]:
        """Yields examples in order, read ahead on two threads.

        Raises:
            InputError: some cannot be read; all are tried first, so that the message can count them.
        """
        order = list(range(len(self)) if positions is None else positions)
        refused: list[tuple[str, InputError]] = []
        for i, outcome in zip(order, self.outcomes(order), strict=True):
            if isinstance(outcome, InputError):
                refused.append((self.names[i], outcome))
            elif not refused:
                yield outcome
        if len(refused) == 1:
            raise refused[0][1]
        if refused:
            names = pairing.named([name for name, _ in refused])
            raise InputError(f"{len(refused)} of {len(order)} pictures cannot be read: {names}; the first: {refused[0][1]}")

    def outcomes(self, positions: Iterable[int] | None = None) -> Iterator[Example | InputError]:
        """As `examples`, with the error in the place of an example that cannot be read."""

        def one(i: int) -> Example | InputError:
            try:
                return self[i]
            except InputError as error:
                return error

        order = list(range(len(self)) if positions is None else positions)
        with ThreadPoolExecutor(2) as pool:
            for start in range(0, len(order), READ_AHEAD):
                yield from pool.map(one, order[start : start + READ_AHEAD])

    def count_labels(self) -> np.ndarray:
        """Pixels of each id a picture, (pictures, 256) int64."""
        return np.array([np.bincount(example.labels.ravel(), minlength=256) for example in self.examples()], np.int64)

    def first(self, count: int) -> "Split":
        """The first `count` examples; all of them where `count` is 0."""
        if count > len(self):
            raise InputError(f"{count} examples asked, the split has {len(self)}; ask for fewer")
        return Split(self.names[:count], self.read, self.size_of) if count else self

    def fingerprint(self) -> str:
        """A hash of the names and, where they can be had, the sizes of the pictures, in order."""
        digest = hashlib.sha256()
        for i, name in enumerate(self.names):
            size = self.size_of(i) if self.size_of else ()
            digest.update(f"{name} {size}\n".encode())
        return digest.hexdigest()[:16]

    def evenly(self, count: int) -> list[int]:
        """Positions of `count` examples, evenly spaced; of all where there are fewer."""
        return [int(i) for i in np.linspace(0, len(self) - 1, min(count, len(self)))]

    def choose(self, positions: Iterable[int]) -> "Split":
        """The examples at some positions, as a split."""
        order = list(positions)
        return Split(tuple(self.names[i] for i in order), lambda i: self[order[i]])


def from_pairs(
    found: list[tuple[str, Path, Path]], *, num_classes: int, remap: Callable[[np.ndarray], np.ndarray] | None = None
) -> Split:
    """A split over files.

    Args:
        found: (name, image path, labels path), as `pairing.pairs` finds them.
        num_classes: Ids at or above it, but 255, are refused.
        remap: From the file's ids to the data set's.
    """

    def read(i: int) -> Example:
        name, image_path, labels_path = found[i]
        image, labels = (pictures.read_image(image_path), pictures.read_labels(labels_path))
        if image.shape[:2] != labels.shape:
            raise DataError(
                f"{image_path} is {image.shape[0]}x{image.shape[1]} and {labels_path} is {labels.shape[0]}x{labels.shape[1]} "
                "(height x width); an image and its labels must be of one size"
                + (", and the image is turned by its EXIF orientation" if pictures.orientation_of(image_path) > 1 else ""),
                kind="sizes",
            )
        labels = remap(labels) if remap else labels
        pictures.check_ids(labels, num_classes, source=str(labels_path))
        return Example(name, image, labels)

    return Split(tuple(name for name, _, _ in found), read, lambda i: pictures.size_of(found[i][1]))
