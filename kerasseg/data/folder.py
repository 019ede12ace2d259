"""Your own pictures: images/ and labels/ with the same stems."""

from pathlib import Path

from kerasseg import files
from kerasseg.data import pictures
from kerasseg.data.splits import Split, from_pairs
from kerasseg.errors import InputError

LAYOUT = (
    "--data_dir must hold classes.txt (a class name a line) and either images/train, labels/train, images/val, labels/val, "
    "or images, labels, train.txt and val.txt (a stem a line)"
)


def load(data_dir: Path) -> tuple[tuple[str, ...], dict[str, Split]]:
    """Class names, and the splits train, val and, where it is there, test.

    Raises:
        InputError: the folder is laid out in another way; the message says how.
    """
    if not (data_dir / "images").is_dir() or not (data_dir / "labels").is_dir():
        raise InputError(f"{data_dir} has no images or no labels folder; {LAYOUT}")
    if not (data_dir / "classes.txt").is_file():
        raise InputError(f"{data_dir} has no classes.txt; {LAYOUT}")
    class_names = tuple(files.read_lines(data_dir / "classes.txt"))
    if not 2 <= len(class_names) <= 255:
        raise InputError(f"{data_dir / 'classes.txt'} names {len(class_names)} classes; name 2 to 255, one a line")
    for name in class_names:
        if class_names.count(name) > 1:
            raise InputError(f"{data_dir / 'classes.txt'} names {name!r} {class_names.count(name)} times; name each class once")
    splits = {}
    for name in ("train", "val", "test"):
        listed = data_dir / f"{name}.txt"
        if (data_dir / "images" / name).is_dir():
            found = pictures.pairs(data_dir / "images" / name, data_dir / "labels" / name)
        elif listed.is_file():
            names = files.read_lines(listed)
            if not names:
                raise InputError(f"{listed} is empty; name a stem a line")
            found = pictures.pairs(data_dir / "images", data_dir / "labels", names=names)
        elif name == "test":
            continue
        else:
            raise InputError(f"{data_dir} has no split {name!r}; {LAYOUT}")
        splits[name] = from_pairs(found, num_classes=len(class_names))
    return class_names, splits
