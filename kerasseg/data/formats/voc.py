"""PASCAL VOC's layout with classes of one's own, as CVAT ("segmentation mask 1.1") and labelme2voc write it."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kerasseg import files
from kerasseg.data import class_files, pairing
from kerasseg.data.formats.annotated import IGNORED, SPLITS, Export, below, same, split_of, unique
from kerasseg.data.formats.masks import Pair, by_color, by_table, export, without_mask
from kerasseg.data.labels import IGNORE_LABEL
from kerasseg.errors import InputError

LOOKED_FOR = "a folder SegmentationClass"
NAMES = ("class_names.txt", "classes.txt", "labels.txt")


def find(root: Path) -> list[Path]:
    """The folders that hold SegmentationClass."""
    return list(dict.fromkeys(path.parent.parent for path in below(root) if path.parent.name == "SegmentationClass"))


def read(root: Path) -> Export:
    """Colours by labelmap.txt, or indices by a file of names; ImageSets/Segmentation or folders' names give the splits."""
    bases = find(root)
    classes = {base: _classes(base) for base in bases}
    names = same({base: listed for base, (listed, _) in classes.items()})
    found, bare = [], []
    for base in bases:
        pairs, without = _pairs(base)
        split = split_of(*base.relative_to(root).parts)
        found += [(base, dataclasses.replace(one, split=one.split or split)) for one in pairs]
        bare += without
    called = unique([f"{base.relative_to(root)}/{one.name}.x" for base, one in found])
    annotated = [
        export([dataclasses.replace(one, name=name)], classes[base][1])[0]
        for name, (base, one) in zip(called, found, strict=True)
    ]
    return Export(names, tuple(annotated), False, without_mask(bare))


def _pairs(base: Path) -> tuple[list[Pair], list[str]]:
    """Pairs of one folder, and the pictures that have no mask."""
    listed = next((path for path in (base / "JPEGImages", base / "images") if path.is_dir()), base)
    masks, images = pairing.stems(base / "SegmentationClass"), pairing.stems(listed)
    lost = [name for name in masks if name not in images]
    if lost:
        raise InputError(f"nothing in {listed} belongs to the masks {pairing.named(lost)}; add the pictures")
    splits: dict[str, str] = {}
    for path in sorted((base / "ImageSets" / "Segmentation").glob("*.txt")):
        if path.stem.lower() in SPLITS:
            splits |= dict.fromkeys(files.read_lines(path), SPLITS[path.stem.lower()])
    unknown = [name for name in splits if name not in masks]
    if unknown:
        raise InputError(
            f"{base / 'ImageSets' / 'Segmentation'} names {pairing.named(unknown)}, which have no mask; mend the list"
        )
    pairs = [Pair(name, splits.get(name, ""), images[name], mask) for name, mask in masks.items()]
    return pairs, [str(images[name]) for name in images if name not in masks]


def _classes(base: Path) -> tuple[tuple[str, ...], Callable[[Path], np.ndarray]]:
    """The names, and what reads a mask."""
    labelmap = base / "labelmap.txt"
    if labelmap.is_file():
        rows = [line.split(":") for line in files.read_lines(labelmap) if not line.startswith("#")]
        if any(len(row) < 2 for row in rows):
            raise InputError(f"{labelmap} has a line that is not 'label:color_rgb:parts:actions'; export it again")
        colors = class_files.colors_of([(row[0], row[1].split(",")) for row in rows], source=labelmap)
        return tuple(colors), by_color(list(colors.values()), source=labelmap)
    for path in (base / name for name in NAMES):
        if path.is_file():
            names = tuple(
                "background" if name == "_background_" else name for name in files.read_lines(path) if name != "__ignore__"
            )
            return names, by_table({i: i for i in range(len(names))} | {IGNORE_LABEL: IGNORED})
    raise InputError(
        f"{base} has masks and nothing that names their classes (labelmap.txt, {', '.join(NAMES)}); write classes.txt there, "
        "a name a line; PASCAL's own VOC2012 is --dataset=voc2012"
    )
