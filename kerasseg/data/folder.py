"""Your own pictures: images/ and labels/ with the same stems."""

from pathlib import Path

from kerasseg import files
from kerasseg.data import class_files, pairing
from kerasseg.data.splits import Split, from_pairs
from kerasseg.errors import InputError

LAYOUT = (
    "--data_dir must hold classes.txt (a class name a line) and either images/train, labels/train, images/val, labels/val, "
    "or images, labels, train.txt and val.txt (a stem a line)"
)
SPLITS = ("train", "val", "test")


def load(data_dir: Path) -> tuple[tuple[str, ...], dict[str, Split]]:
    """Class names, and the splits train, val and, where it is there, test.

    Raises:
        InputError: the folder is laid out in another way; the message says how.
    """
    if not (data_dir / "images").is_dir() or not (data_dir / "labels").is_dir():
        raise InputError(
            f"{data_dir} has no images or no labels folder; {LAYOUT}; kerasseg prepare makes that of other layouts"
        )
    class_names = class_files.read(data_dir)
    if class_names is None:
        raise InputError(f"{data_dir} has no classes.txt; {LAYOUT}")
    splits = {}
    for name in SPLITS:
        found = _pairs(data_dir, name)
        if found is None and name != "test":
            raise InputError(f"{data_dir} has no split {name!r}; {LAYOUT}")
        if found is not None:
            splits[name] = from_pairs(found, num_classes=len(class_names))
    return class_names, splits


def has_fixed_classes(data_dir: Path) -> bool:
    """Whether `kerasseg prepare` made it of an export whose class names are a published list."""
    story = data_dir / "prepare.json"
    stored = files.read_json(story) if story.is_file() else {}
    return isinstance(stored, dict) and bool(stored.get("fixed_classes"))


def _pairs(data_dir: Path, split: str) -> list[tuple[str, Path, Path]] | None:
    listed = data_dir / f"{split}.txt"
    if (data_dir / "images" / split).is_dir():
        return pairing.pairs(data_dir / "images" / split, data_dir / "labels" / split)
    if not listed.is_file():
        return None
    names = files.read_lines(listed)
    if not names:
        raise InputError(f"{listed} is empty; name a stem a line")
    return pairing.pairs(data_dir / "images", data_dir / "labels", listed=listed, names=names)
