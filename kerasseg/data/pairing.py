"""Which picture belongs to which label map: by the stems of their names."""

import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from kerasseg.errors import DataError, InputError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".tif", ".tiff", ".webp")
SHOWN = 5  # names in a message that speaks of many files


def named(names: Sequence[str]) -> str:
    """The first few of many names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def stem(name: str) -> str:
    """What pairs a picture with its labels: the name without folders and a picture's suffix, in one Unicode form (NFC)."""
    path = Path(name)
    return unicodedata.normalize("NFC", path.stem if path.suffix.lower() in SUFFIXES else path.name)


def is_picture(path: Path) -> bool:
    """Whether a file is called as a picture is."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def stems(folder: Path) -> dict[str, Path]:
    """File stem -> path, for every picture in a folder, sorted.

    Raises:
        InputError: no such folder, no pictures in it, or two pictures with one stem.
    """
    if not folder.is_dir():
        raise InputError(f"no folder {folder}; check --data_dir")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), key=lambda path: os.path.normcase(path.name)):
        if is_picture(path):
            name = stem(path.name)
            if name in found:
                raise DataError(f"{folder} has both {found[name].name} and {path.name}; keep one picture a stem", kind="pairs")
            found[name] = path
    if not found:
        raise InputError(f"{folder} holds no pictures; put {', '.join(SUFFIXES)} files there")
    return found


def pairs(image_dir: Path, label_dir: Path, *, listed: Path | None = None, names: Sequence[str] = ()) -> list[
    tuple[str, Path, Path]
]:  # fmt: skip
    """(stem, image path, labels path) of two folders with the same stems.

    Args:
        image_dir: Folder of images.
        label_dir: Folder of label maps.
        listed: The file that gave `names`, for the message.
        names: With `listed`, take only these, in this order: stems, or names with a suffix or a folder.

    Raises:
        InputError: an image without labels, labels without an image, or a name that neither folder has.
    """
    images, labels = stems(image_dir), stems(label_dir)
    if listed is not None:
        wanted = [next((s for s in (unicodedata.normalize("NFC", name), stem(name)) if s in images), "") for name in names]
        lost = [name for name, found in zip(names, wanted, strict=True) if not found]
        if lost:
            raise DataError(
                f"{listed} names {named(lost)}, and nothing in {image_dir} is called so; mend the list", kind="pairs"
            )
        twice = sorted(name for name, count in Counter(wanted).items() if count > 1)
        if twice:
            raise DataError(f"{listed} names {named(twice)} more than once; mend the list", kind="pairs")
    for kind, there, missing, folder in (
        ("an image without labels", images, labels, label_dir),
        ("labels without an image", labels, images, image_dir),
    ):
        alone = [name for name in (wanted if listed is not None else there) if name not in missing]
        if alone:
            raise DataError(
                f"{kind}: nothing in {folder} is called {named(alone)}; add the file or remove its partner", kind="pairs"
            )
    return [(name, images[name], labels[name]) for name in (wanted if listed is not None else images)]
