"""What every reader of an export gives, and how outlines become label maps."""

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from kerasseg.errors import InputError

T = TypeVar("T")
NOBODY, IGNORED = -1, -2  # in a drawn map: nobody labelled this pixel; somebody said that it shall not count
BACKGROUND = "background"
FARTHEST = 1e9  # pixels: NaN, infinity and what overflows are no places
SPLITS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test", "testing": "test",
}  # fmt: skip
_SPLIT = re.compile(rf"({'|'.join(sorted(SPLITS, key=len, reverse=True))})\d*(?:[_-]?(?:images?|masks?|labels?|annot\w*|gt))?$")


@dataclass(frozen=True)
class Annotated:
    """One picture of an export.

    Attributes:
        name: What the files made of it are called, without a suffix.
        image: The picture's file, or the file's content where it lies inside the annotation.
        draw: Gives the label map, (H, W) int16: positions in the export's class names, NOBODY or IGNORED.
        split: "train", "val" or "test"; empty where the export says none.
    """

    name: str
    image: Path | bytes
    draw: Callable[[], np.ndarray]
    split: str = ""


@dataclass(frozen=True)
class Export:
    """What a tool exported.

    Attributes:
        class_names: As the export has them.
        pictures: All of them.
        instances: Whether objects were outlined, so that what nobody labelled is background; else it is unlabelled.
        notes: What was understood or left out, a sentence each.
        fixed_classes: Whether the names are a published list, of which a part of the data may lack some.
    """

    class_names: tuple[str, ...]
    pictures: tuple[Annotated, ...]
    instances: bool
    notes: tuple[str, ...] = field(default=())
    fixed_classes: bool = False


def same(tables: Mapping[Path, T]) -> T:
    """What several files or folders say of the classes, which must be the same.

    Raises:
        InputError: it is not.
    """
    first, table = next(iter(tables.items()))
    for path, other in tables.items():
        if other != table:
            raise InputError(
                f"{path} and {first} name other classes, or in another order; export them together, or prepare each by itself"
            )
    return table


def split_of(*names: str) -> str:
    """The split that a folder or file name says, the last one that does: "valid", "train2017", "val_labels"."""
    for name in reversed(names):
        found = _SPLIT.match(name.lower())
        if found:
            return SPLITS[found[1]]
    return ""


def unique(names: Sequence[str]) -> list[str]:
    """Names for files: the stem of each path, or, where two are the same, the path with its folders joined by `__`."""
    stems = [Path(name).stem for name in names]
    if len(set(stems)) == len(stems):
        return stems
    paths = [Path(name).with_suffix("") for name in names]
    return ["__".join(part for part in path.parts if part not in (path.anchor, "..")) for path in paths]


def paint(shape: tuple[int, int], instances: Iterable[tuple[int, np.ndarray]], *, by_area: bool = True) -> np.ndarray:
    """A label map of instances, those of the largest area first, so that small ones stay on top.

    Args:
        shape: (height, width).
        instances: (class, mask (H, W) bool).
        by_area: Otherwise in the order in which they come.
    """
    drawn = list(instances)
    if by_area:
        drawn.sort(key=lambda one: -int(one[1].sum()))
    labels = np.full(shape, NOBODY, np.int16)
    for number, mask in drawn:
        labels[mask] = number
    return labels


def polygon(points: Sequence[Sequence[float]], shape: tuple[int, int]) -> np.ndarray:
    """Pixels whose centre lies inside a polygon, by the even-odd rule: (H, W) bool.

    Args:
        points: (x, y), from the picture's top left corner, so that the first pixel's centre is (0.5, 0.5).
        shape: (height, width).

    Raises:
        ValueError: a point that is nowhere.
    """
    _check_places(points)
    height, width = shape
    crossings = np.zeros((height, width + 1), np.int32)
    for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True):
        first, last = (min(max(math.ceil(y - 0.5), 0), height) for y in sorted((y0, y1)))
        rows = np.arange(first, last)
        if len(rows):
            x = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0)
            np.add.at(crossings, (rows, np.clip(np.ceil(x - 0.5), 0, width).astype(int)), 1)
    return np.cumsum(crossings, 1)[:, :width] % 2 == 1


def ellipse(
    center: tuple[float, float], radii: tuple[float, float], shape: tuple[int, int], *, turn: float = 0.0
) -> np.ndarray:
    """Pixels whose centre lies inside an ellipse, turned clockwise by so many degrees: (H, W) bool.

    Raises:
        ValueError: a middle that is nowhere, or a radius of 0.
    """
    _check_places([center, radii])
    if min(map(abs, radii)) < 1e-6:
        raise ValueError("its radius is 0")
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    x, y = x - center[0], y - center[1]
    cosine, sine = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    return ((x * cosine + y * sine) / radii[0]) ** 2 + ((y * cosine - x * sine) / radii[1]) ** 2 <= 1


def _check_places(points: Sequence[Sequence[float]]) -> None:
    for point in points:
        if not all(abs(value) < FARTHEST for value in point):
            raise ValueError(f"a point lies at {', '.join(map(str, point))}")


def rectangle(corners: Sequence[Sequence[float]], *, turn: float = 0.0) -> list[tuple[float, float]]:
    """The four corners of a rectangle given by two opposite ones, turned clockwise around its middle by so many degrees."""
    _check_places(corners)
    (x0, y0), (x1, y1) = corners
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    cosine, sine = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    return [
        (x + dx * cosine - dy * sine, y + dx * sine + dy * cosine)
        for dx, dy in ((x0 - x, y0 - y), (x1 - x, y0 - y), (x1 - x, y1 - y), (x0 - x, y1 - y))
    ]


def with_background(names: Iterable[str]) -> tuple[str, ...]:
    """Background first, then the other names in their order."""
    return (BACKGROUND, *(name for name in names if name != BACKGROUND))


def within(path: Path, root: Path) -> Path:
    """A path as it goes on from a folder that it lies in, else whole."""
    whole, base = Path(os.path.abspath(path)), os.path.abspath(root)
    return whole.relative_to(base) if whole.is_relative_to(base) else whole


def below(root: Path) -> list[Path]:
    """Every file below a folder, sorted; folders that are links are followed, hidden ones are not looked into."""
    found, seen = [], set()
    for folder, folders, names in os.walk(root, followlinks=True):
        seen.add(os.path.realpath(folder))
        folders[:] = [name for name in folders if name[0] != "." and os.path.realpath(os.path.join(folder, name)) not in seen]
        found += [Path(folder, name) for name in names]
    return sorted(found)
