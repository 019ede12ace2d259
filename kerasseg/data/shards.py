"""Pictures in a few large tar files (WebDataset's layout), for disks and mounted buckets that are slow to open many files.

train/00000.tar holds NAME.jpg or another picture, and NAME.seg.png, its label map. Beside it lies 00000.json, which says where
in the tar each begins, so that they are read in any order; where there is none, the tar's headers are gone through once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from kerasseg import files
from kerasseg.data import class_files, pairing
from kerasseg.data.folder import SPLITS
from kerasseg.data.splits import PairReader, Split
from kerasseg.data.tars import INDEX, Member, read_index, scan
from kerasseg.errors import DataError, InputError

CLASSES = "classes.json"
PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
LAYOUT = f"--data_dir must hold {CLASSES}, train/*.tar and val/*.tar, as kerasseg prepare --shards writes them"


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
