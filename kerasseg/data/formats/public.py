"""Colour masks with a class_dict.csv, and the raw folders of Cityscapes and ADE20K."""

from pathlib import Path

from kerasseg import files
from kerasseg.data import class_files, labels
from kerasseg.data.formats.annotated import IGNORED, NOBODY, Export, below, same
from kerasseg.data.formats.masks import by_color, by_table, export, pair, without_mask

OBJECTS = "objectInfo150.txt"


def find_colors(root: Path) -> list[Path]:
    """Every class_dict.csv."""
    return [path for path in below(root) if path.name == class_files.COLORS]


def read_colors(root: Path) -> Export:
    """Masks in the colours of class_dict.csv; every colour must have its class."""
    found = {path: tuple(class_files.read_colors(path).items()) for path in find_colors(root)}
    colors = dict(same(found))
    decode = by_color(list(colors.values()), source=next(iter(found)))
    pairs, bare = pair(root)
    return Export(tuple(colors), export(pairs, decode), False, without_mask(bare))


def find_cityscapes(root: Path) -> list[Path]:
    """leftImg8bit and gtFine."""
    return [root / name for name in ("leftImg8bit", "gtFine") if (root / name).is_dir()] if (root / "gtFine").is_dir() else []


def read_cityscapes(root: Path) -> Export:
    """The 19 classes that are scored; every other id is unlabelled."""

    def skip(path: Path) -> bool:
        inside = path.relative_to(root).parts[0]
        if inside == "gtFine":
            return not path.stem.endswith("_gtFine_labelIds")
        return inside != "leftImg8bit"

    pairs, bare = pair(root, skip=skip, drop="_(?:leftImg8bit|gtFine)$")
    table = {number: i for i, number in enumerate(labels.CITYSCAPES_IDS)}
    return Export(labels.CITYSCAPES, export(pairs, by_table(table, otherwise=NOBODY)), False, without_mask(bare), True)


def find_ade20k(root: Path) -> list[Path]:
    """annotations/training beside images/training."""
    bases = (root, root / "ADEChallengeData2016")
    return [base for base in bases if all((base / kind / "training").is_dir() for kind in ("images", "annotations"))]


def read_ade20k(root: Path) -> Export:
    """The 150 classes of the scene parsing challenge; 0 is other, and does not count."""
    (base,) = find_ade20k(root)
    names = list(labels.ADE20K)
    if (base / OBJECTS).is_file():
        for line in files.read_lines(base / OBJECTS)[1:]:
            cells = line.split("\t")
            if cells[0].strip().isdigit() and 1 <= int(cells[0]) <= len(names):
                name = cells[-1].split(",")[0].split(";")[0].strip()
                names[int(cells[0]) - 1] = name if name and name not in names else f"{name} ({cells[0].strip()})"
    pairs, bare = pair(base)
    table = {0: IGNORED} | {i + 1: i for i in range(len(names))}
    return Export(tuple(names), export(pairs, by_table(table)), False, without_mask(bare), True)
