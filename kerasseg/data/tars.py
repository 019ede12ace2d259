"""A tar of pictures and their label maps: where in it each lies.

An index beside the tar says so; where there is none, the tar's headers are gone through once.
"""

import io
import tarfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from kerasseg import files
from kerasseg.data import pairing, pictures
from kerasseg.errors import DataError, InputError

LABELS = "seg.png"
INDEX = ("tar_bytes", "examples")  # what an index has


@dataclass(frozen=True)
class Member:
    """A file in a tar.

    Attributes:
        tar: Path of the tar.
        name: In it.
        offset: Of its first byte, which follows the 512 of its header.
        size: Bytes.
        checksum: Of the header: by it another tar of the same name is known.
    """

    tar: Path
    name: str
    offset: int
    size: int
    checksum: int

    def __str__(self) -> str:
        return f"{self.tar}:{self.name}"

    def open(self, mode: Literal["rb"] = "rb", /) -> BinaryIO:
        """The bytes, from the first; they are read at once, in one request to a mounted bucket.

        Raises:
            InputError: the tar is not the one that its index was made of.
        """
        with self.tar.open("rb") as file:
            file.seek(self.offset - tarfile.BLOCKSIZE)
            read = file.read(tarfile.BLOCKSIZE + self.size)
        try:
            header = tarfile.TarInfo.frombuf(read[: tarfile.BLOCKSIZE], "utf-8", "surrogateescape")
            is_same = (header.chksum, header.size) == (self.checksum, len(read) - tarfile.BLOCKSIZE)
        except tarfile.HeaderError:
            is_same = False
        if not is_same:
            raise DataError(
                f"{self.tar} is not the tar that {index_of(self.tar).name} was made of: {self.name} does not lie where that "
                "says; fetch both again, or remove the .json",
                kind="unreadable",
            )
        return io.BytesIO(read[tarfile.BLOCKSIZE :])

    def end(self) -> bytes:
        """What `pictures.end_of` says of it, of which no more is read than that."""
        count = min(self.size, pictures.END_BYTES)
        with self.tar.open("rb") as file:
            file.seek(self.offset + self.size - count)
            return self.size.to_bytes(8, "big") + file.read(count)


@dataclass(frozen=True)
class Entry:
    """An example in a tar; `size` is the picture's (height, width), where the index knows it."""

    name: str
    image: Member
    labels: Member
    size: tuple[int, int] | None = None


def index_of(tar: Path) -> Path:
    """Where the index of a tar lies."""
    return tar.with_suffix(".json")


def write_index(tar: Path, entries: Iterable[Entry]) -> None:
    """Writes the index beside a tar."""
    rows = [
        [entry.name, entry.size, *([one.name, one.offset, one.size, one.checksum] for one in (entry.image, entry.labels))]
        for entry in entries
    ]
    files.write_json(index_of(tar), {"tar_bytes": tar.stat().st_size, "examples": rows})


def read_index(tar: Path) -> list[Entry] | None:
    """What the index beside a tar says; None where there is none.

    Raises:
        InputError: it is none, or that of another tar.
    """
    path = index_of(tar)
    if not path.is_file():
        return None
    stored: Any = files.read_json(path)
    try:
        rows, tar_bytes = stored["examples"], stored["tar_bytes"]
        entries = [
            Entry(name, Member(tar, *image), Member(tar, *labels), tuple(size) if size else None)
            for name, size, image, labels in rows
        ]
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path} is no index of {tar.name}; remove it, and the tar itself is gone through") from None
    if tar.stat().st_size != tar_bytes:
        raise DataError(
            f"{tar} has {tar.stat().st_size} bytes, and {path.name} was made of one with {tar_bytes}; fetch both again, or "
            "remove the .json",
            kind="unreadable",
        )
    return entries


def scan(tar: Path) -> list[Entry]:
    """The examples in a tar, by its headers, in the order of their names' first member.

    Raises:
        InputError: it is no whole tar, or holds a picture without labels, labels without a picture, or neither.
    """
    by_key: dict[str, dict[str, Member]] = defaultdict(dict)
    try:
        with tarfile.open(tar, "r:") as opened:
            for one in opened:
                if one.isreg() and not Path(one.name).name.startswith("."):
                    folder, _, base = one.name.rpartition("/")
                    stem, _, suffix = base.partition(".")  # WebDataset's rule: the name ends at the first dot
                    key = f"{folder}/{stem}".removeprefix("./").lstrip("/")
                    if suffix.lower() in by_key[key]:
                        raise DataError(f"{tar} holds {one.name} twice; write it again", kind="pairs")
                    by_key[key][suffix.lower()] = Member(tar, one.name, one.offset_data, one.size, one.chksum)
                    if one.offset_data + one.size > tar.stat().st_size:
                        raise tarfile.ReadError("unexpected end of data")
            with tar.open("rb") as file:
                file.seek(-tarfile.BLOCKSIZE, 2)
                if file.read() != bytes(tarfile.BLOCKSIZE):
                    raise tarfile.ReadError("no end mark: it was cut, or something was put behind it")
    except (tarfile.TarError, OSError) as error:
        raise DataError(f"{tar} cannot be read as a tar ({error}); fetch or write it again", kind="unreadable") from None
    if not by_key:
        raise InputError(f"{tar} holds no pictures; it must hold NAME.jpg, or another picture, and NAME.{LABELS} of each")
    return [_entry(tar, key, members) for key, members in by_key.items()]


def _entry(tar: Path, key: str, members: dict[str, Member]) -> Entry:
    images = [member for suffix, member in members.items() if f".{suffix}" in pairing.SUFFIXES]
    if len(images) != 1 or LABELS not in members:
        there = ", ".join(member.name for member in members.values())
        raise DataError(
            f"{tar} holds {there} of {key}; it must be one picture ({key}.jpg, {key}.png) and its label map {key}.{LABELS}",
            kind="pairs",
        )
    return Entry(key, images[0], members[LABELS])
