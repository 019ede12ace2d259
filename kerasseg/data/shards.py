"""Pictures in a few large tar files (WebDataset's layout), for disks and mounted buckets that are slow to open many files.

train/00000.tar holds NAME.jpg or another picture, and NAME.seg.png, its label map. Beside it lies 00000.json, which says where
in the tar each begins, so that they are read in any order; where there is none, the tar's headers are gone through once.
"""

import io
import tarfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from kerasseg import files
from kerasseg.data import class_files, pairing, pictures
from kerasseg.data.folder import SPLITS
from kerasseg.data.splits import PairReader, Split
from kerasseg.errors import DataError, InputError

CLASSES = "classes.json"
LABELS = "seg.png"
PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
INDEX = ("tar_bytes", "examples")  # what an index has
LAYOUT = f"--data_dir must hold {CLASSES}, train/*.tar and val/*.tar, as kerasseg prepare --shards writes them"


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


@dataclass(frozen=True)
class ShardReader(PairReader):
    """Reads examples out of tars.

    Attributes:
        sizes: (height, width) a example, None where only the picture knows.
    """

    sizes: tuple[tuple[int, int] | None, ...] = ()

    def size_of(self, i: int) -> tuple[int, int]:
        """(height, width) of the picture at a position."""
        return self.sizes[i] or super().size_of(i)

    def ends(self, i: int) -> bytes:
        """What `pictures.end_of` says of its two files."""
        _, *members = self.found[i]
        return b"".join(cast(Member, member).end() for member in members)


def load(data_dir: Path) -> tuple[tuple[str, ...], dict[str, Split]]:
    """Class names, and the splits train, val and, where it is there, test.

    Raises:
        InputError: the folder is laid out in another way, or a tar is none, is packed, or holds a picture without labels.
    """
    class_names = _class_names(data_dir)
    splits = {}
    for name in SPLITS:
        if not (data_dir / name).is_dir():
            if name == "test":
                continue
            raise InputError(f"{data_dir} has no folder {name}; {LAYOUT}")
        tars = _tars(data_dir / name)
        _refuse_lost(data_dir, name, tars)
        entries = [entry for tar in tars for entry in (read_index(tar) or scan(tar))]
        where: dict[str, Member] = {}
        for entry in entries:
            if entry.name in where:
                raise DataError(f"{where[entry.name]} and {entry.image} are called alike; give each a name", kind="pairs")
            where[entry.name] = entry.image
        found = [(entry.name, entry.image, entry.labels) for entry in entries]
        read = ShardReader(found, len(class_names), sizes=tuple(entry.size for entry in entries))
        splits[name] = Split(tuple(where), read, read.size_of)
    return class_names, splits


def _refuse_lost(data_dir: Path, split: str, tars: Sequence[Path]) -> None:
    """Raises InputError where there are fewer tars than were written."""
    stored = files.read_json(data_dir / CLASSES) if (data_dir / CLASSES).is_file() else {}
    written = stored.get("tars", {}).get(split) if isinstance(stored, dict) else None  # others than ours say nothing of it
    if written is not None and len(tars) != written:
        raise DataError(
            f"{data_dir / split} holds {len(tars)} tars, and {CLASSES} says that {written} were written; fetch them again, or "
            'take "tars" out of it',
            kind="pairs",
        )


def has_fixed_classes(data_dir: Path) -> bool:
    """Whether the class names are a published list, of which the data may lack some."""
    stored = files.read_json(data_dir / CLASSES) if (data_dir / CLASSES).is_file() else {}
    return isinstance(stored, dict) and bool(stored.get("fixed_classes"))


def _class_names(data_dir: Path) -> tuple[str, ...]:
    path = data_dir / CLASSES
    if not path.is_file():
        names = class_files.read(data_dir)
        if names is None:
            raise InputError(f"{data_dir} has no {CLASSES}; {LAYOUT}")
        return names
    stored = files.read_json(path)
    names = stored.get("class_names") if isinstance(stored, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(
            f'{path} is not of the form {{"class_names": ["background", "road"]}}, in the order of the ids; mend it'
        )
    return class_files.check_names(tuple(names), source=path)


def _tars(folder: Path) -> list[Path]:
    there = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    for path in there:
        if path.name.lower().endswith(PACKED):
            raise InputError(f"{path} is compressed, and nothing can be read from its middle; unpack it to a plain .tar")
    found = [path for path in there if path.suffix.lower() == ".tar"]
    if not found:
        raise InputError(f"{folder} holds no .tar; {LAYOUT}")
    lone = [path for path in there if path.suffix == ".json" and path.with_suffix(".tar") not in found]
    alone = [path.name for path in lone if files.has_keys(path, INDEX)]  # img2dataset leaves JSON of its own
    if alone:
        raise DataError(
            f"{folder} holds {pairing.named(alone)} and not the tar beside it; fetch that again, or remove the .json",
            kind="pairs",
        )
    return found


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
        raise InputError(f"{tar} holds no pictures; {LAYOUT}")
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
