"""A class map as outlines, in the two forms that annotation tools read: Labelme and COCO."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from contourpy import FillType, contour_generator

from kerasseg.data.formats.annotated import BACKGROUND

_Filled = tuple[list[np.ndarray], list[np.ndarray]]  # points of each polygon with its holes, and where each part begins
# Contours run this far from the centres of the pixels outside, which lie 0, to those inside, which lie 1. More than a half, so
# that pixels of a class that touch at a corner alone are two regions, as they are for the class between them.
LEVEL = 0.55
SEAL = "kerasseg"  # key of the hash in a JSON file: annotation tools keep what they do not know


@dataclass(frozen=True)
class Outline:
    """The outer edge of a connected region of one class.

    Attributes:
        class_id: Its class.
        points: (N, 2) float64, (x, y) in pixels from the top left corner; the first pixel's centre is (0.5, 0.5).
        area: Of the polygon, in pixels.
    """

    class_id: int
    points: np.ndarray
    area: float


def outlines(ids: np.ndarray, *, class_names: Sequence[str]) -> list[Outline]:
    """Every region of a class map, the largest first: painted in this order they give the map again, to the pixel.

    Of a class called background only what others enclose is outlined: the rest is what nobody outlined.

    Args:
        ids: (H, W) uint8.
        class_names: One a class.
    """
    found = []
    for number in np.unique(ids):
        mask = ids == number
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        top, left = rows[0], columns[0]
        inner = np.pad(mask[top : rows[-1] + 1, left : columns[-1] + 1].astype(float), 1)
        generator = contour_generator(z=inner, name="serial", fill_type=FillType.OuterOffset)
        polygons, offsets = cast(_Filled, generator.filled(LEVEL, 2.0))
        is_background = class_names[number] == BACKGROUND
        for polygon, parts in zip(polygons, offsets, strict=True):
            outer = polygon[: parts[1] - 1]  # without its holes, and without the point that closes it
            points = _corners(outer - 0.5 + (left, top))
            if not (is_background and _touches(points, ids.shape)):
                found.append(Outline(int(number), points, _area(points)))
    return sorted(found, key=lambda one: -one.area)


def labelme(found: Sequence[Outline], *, class_names: Sequence[str], image: str, size: tuple[int, int]) -> dict[str, Any]:
    """What Labelme reads.

    Args:
        found: From `outlines`.
        class_names: One a class.
        image: Path of the picture, from the JSON file's folder.
        size: (height, width) of the picture.
    """
    shapes: list[dict[str, Any]] = [
        {"label": class_names[one.class_id], "points": _rounded(one), "group_id": None, "shape_type": "polygon", "flags": {}}
        for one in found
    ]
    return {
        "version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": image, "imageData": None,
        "imageHeight": size[0], "imageWidth": size[1],
    }  # fmt: skip


def sealed(told: dict[str, Any]) -> dict[str, Any]:
    """What a JSON file is to hold, with a hash of it: by that it is known whether somebody has corrected the file since."""
    return told | {SEAL: _hash(told)}


def is_sealed(stored: Any) -> bool:
    """Whether a JSON file holds what `sealed` gave, and nothing else."""
    return isinstance(stored, dict) and stored.get(SEAL) == _hash({k: v for k, v in stored.items() if k != SEAL})


def _hash(told: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


class Coco:
    """A COCO file of instance outlines, picture by picture."""

    def __init__(self, class_names: Sequence[str]):
        self.content: dict[str, Any] = {
            "images": [],
            "annotations": [],
            "categories": [{"id": i + 1, "name": name, "supercategory": ""} for i, name in enumerate(class_names)],
        }

    def add(self, found: Sequence[Outline], *, image: str, size: tuple[int, int]) -> None:
        """Adds a picture.

        Args:
            found: From `outlines`.
            image: Path of the picture, from the file's folder.
            size: (height, width) of the picture.
        """
        number = len(self.content["images"]) + 1
        self.content["images"].append({"id": number, "file_name": image, "height": size[0], "width": size[1]})
        for one in found:
            low, high = one.points.min(0), one.points.max(0)
            self.content["annotations"].append(
                {
                    "id": len(self.content["annotations"]) + 1,
                    "image_id": number,
                    "category_id": one.class_id + 1,
                    "segmentation": [[value for point in _rounded(one) for value in point]],
                    "area": round(one.area, 2),
                    "bbox": [round(float(value), 2) for value in (*low, *(high - low))],
                    "iscrowd": 0,
                }
            )


def _corners(points: np.ndarray) -> np.ndarray:
    """Without the points that lie on a line between their neighbours."""
    step = np.roll(points, -1, 0) - points
    before = np.roll(step, 1, 0)
    turns = np.abs(before[:, 0] * step[:, 1] - before[:, 1] * step[:, 0]) > 1e-6
    return points[turns]


def _area(points: np.ndarray) -> float:
    x, y = points.T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def _touches(points: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether a region reaches the picture's edge."""
    return bool((points < 0.5).any() or (points > np.array(shape[::-1]) - 0.5).any())


def _rounded(one: Outline) -> list[list[float]]:
    return [[round(float(x), 2), round(float(y), 2)] for x, y in one.points]
