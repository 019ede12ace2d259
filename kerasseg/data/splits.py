"""A split: numbered examples, each an image and its labels."""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np

from kerasseg.data import cache, pairing, pictures
from kerasseg.data.cache import Cache
from kerasseg.data.pasting import Donors
from kerasseg.data.pictures import Encoded, Source
from kerasseg.errors import DataError, InputError

READ_AHEAD = 8  # examples, so that a split larger than memory never is in it, and at most so many threads


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
        cache: Keeps examples in memory; None keeps none.
        sizes: Position -> (height, width), those that were looked at.
        donors: Which of them have rare classes; None where nothing is pasted.
    """

    names: tuple[str, ...]
    read: Callable[[int], Example]
    size_of: Callable[[int], tuple[int, int]] | None = None
    cache: Cache | None = None
    sizes: dict[int, tuple[int, int]] = field(default_factory=dict)
    donors: Donors | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, i: int) -> Example:
        return self.cache.example(i, self.read) if self.cache else self.read(i)

    def examples(self, positions: Iterable[int] | None = None) -> Iterator[Example]:
        """Yields examples in order, read ahead on a thread a processor.

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
            first = refused[0][1]
            raise DataError(
                f"{len(refused)} of {len(order)} pictures cannot be read: {names}; the first: {first}",
                kind=first.kind if isinstance(first, DataError) else "unreadable",
            )

    def outcomes(self, positions: Iterable[int] | None = None) -> Iterator[Example | InputError]:
        """As `examples`, with the error in the place of an example that cannot be read."""

        def one(i: int) -> Example | InputError:
            try:
                return self[i]
            except InputError as error:
                return error

        order = list(range(len(self)) if positions is None else positions)
        with ThreadPoolExecutor(min(READ_AHEAD, os.cpu_count() or 1)) as pool:
            ahead = deque(pool.submit(one, i) for i in order[:READ_AHEAD])
            for i in order[READ_AHEAD:]:
                yield ahead.popleft().result()
                ahead.append(pool.submit(one, i))
            while ahead:
                yield ahead.popleft().result()

    def keep(self, *, limit_bytes: int) -> None:
        """Reads all examples once and keeps in memory what fits into so many bytes."""
        cache.plan([self], limit_bytes=limit_bytes)
        for _ in self.examples():
            pass

    def count_labels(self, positions: Iterable[int] | None = None) -> np.ndarray:
        """Pixels of each id a picture, (pictures, 256) int64; zeros for pictures that are at none of the positions."""
        order = list(range(len(self)) if positions is None else positions)
        table = np.zeros((len(self), 256), np.int64)
        for i, example in zip(order, self.examples(order), strict=True):
            table[i] = np.bincount(example.labels.ravel(), minlength=256)
        return table

    def first(self, count: int) -> "Split":
        """The first `count` examples; all of them where `count` is 0."""
        if count > len(self):
            raise InputError(f"{count} examples asked, the split has {len(self)}; ask for fewer")
        return Split(self.names[:count], self.read, self.size_of) if count else self

    def fingerprint(self, *, sizes: int = 0) -> str:
        """A hash of the names and, where they can be had, the sizes of the pictures, in order.

        Args:
            sizes: Looks at those of so many pictures, evenly spaced; 0 at all.
        """
        looked = set(self.evenly(sizes or len(self)))
        digest = hashlib.sha256()
        for i, name in enumerate(self.names):
            size = self.size(i) if self.size_of and i in looked else ()
            digest.update(f"{name} {size}\n".encode())
        return digest.hexdigest()[:16]

    def contents(self, *, sizes: int = 0) -> str:
        """A hash of how long the files of pictures and labels are and of their last bytes; empty where they are no files.

        Args:
            sizes: As of `fingerprint`.

        Raises:
            InputError: one cannot be read.
        """
        if not hasattr(self.read, "ends"):
            return ""
        reader, digest = cast(cache.FileReader, self.read), hashlib.sha256()
        for i in self.evenly(sizes or len(self)):
            digest.update(reader.ends(i))
        return digest.hexdigest()[:16]

    def size(self, i: int) -> tuple[int, int]:
        """(height, width) of the picture at a position; it is read where that is the only way.

        Raises:
            InputError: it cannot be read.
        """
        if i not in self.sizes:
            height, width = self.size_of(i) if self.size_of else self[i].labels.shape
            self.sizes[i] = height, width
        return self.sizes[i]

    def evenly(self, count: int) -> list[int]:
        """Positions of `count` examples, evenly spaced; of all where there are fewer."""
        return [int(i) for i in np.linspace(0, len(self) - 1, min(count, len(self)))]

    def choose(self, positions: Iterable[int]) -> "Split":
        """The examples at some positions, as a split."""
        order = list(positions)
        return Split(tuple(self.names[i] for i in order), lambda i: self[order[i]])


@dataclass(frozen=True)
class PairReader:
    """Reads examples whose image and labels are a file each.

    Attributes:
        found: (name, image, labels) a example.
        num_classes: Ids at or above it, but 255, are refused.
        remap: From the file's ids to the data set's; a function of a module, so that other processes can have it.
    """

    found: Sequence[tuple[str, Source, Source]]
    num_classes: int
    remap: Callable[[np.ndarray], np.ndarray] | None = None

    def __call__(self, i: int) -> Example:
        """The example at a position.

        Raises:
            InputError: a file cannot be read, or the two do not fit.
        """
        _, image, labels = self.found[i]
        return self._example(i, image, labels)

    def encoded(self, i: int) -> tuple[Encoded, Encoded]:
        """Its two files."""
        _, image, labels = self.found[i]
        return pictures.load(image), pictures.load(labels)

    def decode(self, i: int, files: tuple[Encoded, Encoded]) -> Example:
        """The example of its two files."""
        return self._example(i, *files)

    def file_bytes(self, i: int) -> int:
        """How long the two files are together; 0 where one cannot be read, which will be said when it is."""
        try:
            return sum(len(file.content) for file in self.encoded(i))
        except InputError:
            return 0

    def ends(self, i: int) -> bytes:
        """What `pictures.end_of` says of its two files."""
        _, image, labels = self.found[i]
        return pictures.end_of(image) + pictures.end_of(labels)

    def size_of(self, i: int) -> tuple[int, int]:
        """(height, width) of the picture at a position."""
        return pictures.size_of(self.found[i][1])

    def _example(self, i: int, image_path: Source, labels_path: Source) -> Example:
        image, labels = pictures.read_image(image_path), pictures.read_labels(labels_path)
        if image.shape[:2] != labels.shape:
            raise DataError(
                f"{image_path} is {image.shape[0]}x{image.shape[1]} and {labels_path} is {labels.shape[0]}x{labels.shape[1]} "
                "(height x width); an image and its labels must be of one size"
                + (", and the image is turned by its EXIF orientation" if pictures.orientation_of(image_path) > 1 else ""),
                kind="sizes",
            )
        labels = self.remap(labels) if self.remap else labels
        pictures.check_ids(labels, self.num_classes, source=str(labels_path))
        return Example(self.found[i][0], image, labels)


def from_pairs(
    found: Sequence[tuple[str, Path, Path]], *, num_classes: int, remap: Callable[[np.ndarray], np.ndarray] | None = None
) -> Split:
    """A split over files.

    Args:
        found: (name, image path, labels path), as `pairing.pairs` finds them.
        num_classes: Of PairReader, as `remap`.
        remap: None leaves the ids as they are.
    """
    read = PairReader(found, num_classes, remap)
    return Split(tuple(name for name, _, _ in found), read, read.size_of)
