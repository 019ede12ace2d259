"""Masks beside pictures that nobody describes: two values, or class ids."""

from pathlib import Path

import numpy as np

from kerasseg.data import class_files, pictures
from kerasseg.data.formats.annotated import IGNORED, Export
from kerasseg.data.formats.masks import Pair, by_table, export, pair, without_mask
from kerasseg.data.labels import IGNORE_LABEL
from kerasseg.errors import InputError

LOOKED_FOR_BINARY = "masks of two values beside pictures (images/ and masks/, or a suffix such as _mask)"
LOOKED_FOR_INDEX = "masks of class ids beside pictures, and classes.txt"


def find_binary(root: Path) -> list[Path]:
    """The first mask, where none has more than two values and no file names classes beyond two."""
    pairs, _ = pair(root)
    return [pairs[0].mask] if pairs and len(_values(pairs)) <= 2 and len(class_files.read(root) or "ab") == 2 else []


def read_binary(root: Path) -> Export:
    """The lower value is background; where there is one alone, 0 is."""
    pairs, bare = pair(root)
    values = _values(pairs)
    if len(values) > 2:
        raise InputError(
            f"the masks below {root} have the values {_listed(values)}; binary masks have two: give --format=index"
        )
    names = class_files.read(root) or ("background", "foreground")
    low, high = values if len(values) == 2 else (0, max(values))
    said = f"{low} is {names[0]}, {high} is {names[1]}" if high else f"the masks are 0 throughout: nothing is {names[1]}"
    return Export(names, export(pairs, by_table({high: 1, low: 0})), False, (said, *without_mask(bare)))


def find_index(root: Path) -> list[Path]:
    """The first mask, where they have more than two values, or a file names more than two classes."""
    pairs, _ = pair(root)
    return [pairs[0].mask] if pairs and not find_binary(root) else []


def read_index(root: Path) -> Export:
    """The masks' values are ids; 255 is unlabelled."""
    pairs, bare = pair(root)
    names, values = class_files.read(root), _values(pairs)
    if names is None:
        ids = [value for value in values if value != IGNORE_LABEL]
        raise InputError(
            f"the masks below {root} have the values {_listed(values)} and nothing names them; write {root / 'classes.txt'}, "
            f"{max(ids, default=0) + 1} names, one a line in the order of the values"
        )
    return Export(
        names, export(pairs, by_table({i: i for i in range(len(names))} | {IGNORE_LABEL: IGNORED})), False, without_mask(bare)
    )


def _values(pairs: list[Pair]) -> list[int]:
    """Every value of the masks."""
    seen = np.zeros(256, bool)
    for one in pairs:
        seen[np.unique(pictures.read_labels(one.mask))] = True
    return np.flatnonzero(seen).tolist()


def _listed(values: list[int]) -> str:
    return ", ".join(map(str, values[:12])) + (f" and {len(values) - 12} more" if len(values) > 12 else "")
