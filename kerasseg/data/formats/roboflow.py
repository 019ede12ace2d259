"""Roboflow's semantic segmentation masks: X.jpg, X_mask.png and _classes.csv in a folder a split."""

from pathlib import Path

from kerasseg.data import class_files
from kerasseg.data.formats.annotated import Export, below, same
from kerasseg.data.formats.masks import by_table, export, pair, without_mask

LOOKED_FOR = "_classes.csv"


def find(root: Path) -> list[Path]:
    """Every _classes.csv."""
    return [path for path in below(root) if path.name == class_files.ROBOFLOW]


def read(root: Path) -> Export:
    """Index masks; 0 is what nobody labelled, and called background as a rule."""
    found = {path: class_files.read_roboflow(path) for path in find(root)}
    names = same(found)
    pairs, bare = pair(root)
    return Export(names, export(pairs, by_table({i: i for i in range(len(names))})), False, without_mask(bare))
