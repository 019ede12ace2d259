"""Pictures kept in memory: decoded where all fit, and as their files are where those alone do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, cast

from kerasseg.data.pictures import Encoded
from kerasseg.errors import InputError

if TYPE_CHECKING:
    from kerasseg.data.splits import Example, Split

PROBES = 64  # pictures of a split whose sizes stand for all


class FileReader(Protocol):
    """What reads a split whose examples are a picture's file and a label map's each."""

    def __call__(self, i: int) -> Example:
        """The example at a position."""

    def encoded(self, i: int) -> tuple[Encoded, Encoded]:
        """Its two files."""

    def decode(self, i: int, files: tuple[Encoded, Encoded]) -> Example:
        """The example of the two files."""

    def file_bytes(self, i: int) -> int:
        """How long the two files are together."""

    def ends(self, i: int) -> bytes:
        """What `pictures.end_of` says of the two files."""


class Cache:
    """What is kept of a split. It fills as examples are read, on whatever thread.

    Attributes:
        decoded_bytes: Most of pixels and ids.
        encoded_bytes: Most of files.
    """

    def __init__(self, *, decoded_bytes: int = 0, encoded_bytes: int = 0):
        self.decoded_bytes, self.encoded_bytes = decoded_bytes, encoded_bytes
        self._decoded: dict[int, Example] = {}
        self._encoded: dict[int, tuple[Encoded, Encoded]] = {}
        self._left = {"decoded": decoded_bytes, "encoded": encoded_bytes}
        self._lock = threading.Lock()

    def part(self, of: int) -> Cache:
        """An empty one with a share of the memory: one of so many."""
        return Cache(decoded_bytes=self.decoded_bytes // of, encoded_bytes=self.encoded_bytes // of)

    def kept(self) -> tuple[int, int]:
        """How many examples are kept decoded, and how many as files."""
        return len(self._decoded), len(self._encoded)

    def example(self, i: int, read: Callable[[int], Example]) -> Example:
        """The example at a position, from memory or by `read`, and kept where there is room.

        Args:
            i: The position.
            read: Reads it; where it is a FileReader, its files can be kept, too.
        """
        example = self._decoded.get(i)
        if example is not None:
            return example
        if not hasattr(read, "encoded") or (i not in self._encoded and (self._left["decoded"] or not self._left["encoded"])):
            example = read(i)
            if self._take("decoded", example.image.nbytes + example.labels.nbytes):
                self._decoded[i] = example
            return example
        reader = cast(FileReader, read)
        files = self._encoded.get(i) or reader.encoded(i)
        example = reader.decode(i, files)  # before they are kept: what cannot be decoded may be mended meanwhile
        if i not in self._encoded and self._take("encoded", sum(len(file.content) for file in files)):
            self._encoded[i] = files
        return example

    def _take(self, kind: str, size: int) -> bool:
        """Whether so many bytes more may be kept; the first that do not fit end it, and the next are kept in the other form."""
        with self._lock:
            fits = self._left[kind] >= size
            self._left[kind] = self._left[kind] - size if fits else 0
            return fits


def plan(splits: Sequence[Split], *, limit_bytes: int) -> None:
    """Gives each split a cache, so that of all together as little as possible is read from the disk twice.

    Where all pictures fit decoded, they are kept so. Where their files fit and the pixels do not, all files' worth is kept, and
    what is left over goes to pixels; where not even the files fit, as many files as do.

    Args:
        splits: Those that are read again and again.
        limit_bytes: What may be kept of all; 0 keeps nothing.
    """
    if not limit_bytes:
        return
    sizes = [_sizes(split) for split in splits]
    decoded, encoded = (max(1, sum(column)) for column in zip(*sizes, strict=True))
    if decoded <= limit_bytes or encoded >= decoded:
        shares = limit_bytes / decoded, 0.0
    elif encoded <= limit_bytes:
        as_pixels = (limit_bytes - encoded) / (decoded - encoded)
        shares = as_pixels, 1 - as_pixels
    else:
        shares = 0.0, limit_bytes / encoded
    for split, (pixels, files) in zip(splits, sizes, strict=True):
        split.cache = Cache(decoded_bytes=int(shares[0] * pixels), encoded_bytes=int(shares[1] * files))


def _sizes(split: Split) -> tuple[int, int]:
    """Bytes of all examples decoded, and of all files: of some, evenly spaced, times as many. Without files, both are alike."""
    probes = split.evenly(PROBES)
    decoded = len(split) * sum(_pixels(split, i) for i in probes) * 4 // len(probes)  # three channels and the ids
    if not hasattr(split.read, "file_bytes"):
        return decoded, decoded
    reader = cast(FileReader, split.read)
    return decoded, len(split) * sum(reader.file_bytes(i) for i in probes) // len(probes)


def _pixels(split: Split, i: int) -> int:
    try:
        height, width = split.size(i)
    except InputError:  # said where the picture is read
        return 0
    return height * width
