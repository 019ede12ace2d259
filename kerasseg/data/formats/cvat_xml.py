"""CVAT for images 1.1: annotations.xml. https://docs.cvat.ai/docs/manual/advanced/formats/format-cvat/."""

import math
import xml.etree.ElementTree as ElementTree
from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from kerasseg.data.formats.annotated import (
    Annotated,
    Export,
    below,
    ellipse,
    paint,
    polygon,
    rectangle,
    split_of,
    unique,
    with_background,
)  # fmt: skip
from kerasseg.data.formats.places import all_found, find_files
from kerasseg.data.pairing import named
from kerasseg.errors import InputError

LOOKED_FOR = "annotations.xml with images"
AREAS = ("polygon", "box", "ellipse", "mask")
LINES = ("polyline", "points", "cuboid", "skeleton")


def find(root: Path) -> list[Path]:
    """annotations.xml, in the folder or its subfolders."""
    return [
        p for p in below(root) if p.suffix == ".xml" and b"<annotations" in (content := p.read_bytes()) and b"<image" in content
    ]


def read(root: Path) -> Export:
    """Polygons, boxes, ellipses and masks, in the order of their z_order; what nobody outlined is background."""
    found, notes = find(root), []
    images: list[tuple[Element, Path]] = []
    listed: dict[str, None] = {}
    for path in found:
        try:
            tree = ElementTree.parse(path).getroot()
        except ElementTree.ParseError as error:
            raise InputError(f"{path} is no readable XML ({error}); export it again") from error
        if tree.find("track") is not None:
            raise InputError(f"{path} has the tracks of a video; export it as CVAT for images")
        images += [(image, path) for image in tree.iter("image")]
        listed |= dict.fromkeys(label.findtext("name", "").strip() for label in tree.iter("label"))
    shapes = [shape for image, _ in images for shape in image]
    used = {_label(shape) for shape in shapes if shape.tag in AREAS}
    names = with_background([*filter(None, listed), *sorted(used - set(listed))])
    left = [f"{_label(shape)} ({shape.tag})" for shape in shapes if shape.tag in LINES]
    if left:
        notes.append(f"{len(left)} shapes enclose no area and are left out: {named(left)}")
    folders = [(path.parent, path.parent / "images", root / "images") for _, path in images]
    found_files, moved = find_files(root, [(one.get("name", ""), at) for (one, _), at in zip(images, folders, strict=True)])
    pictures = all_found(found_files)
    stems = unique([image.get("name", "") for image, _ in images])
    annotated = (
        Annotated(
            stem, picture, partial(_draw, image, names, path),
            split_of(image.get("subset", ""), *Path(image.get("name", "")).parts[:-1]),
        )
        for stem, picture, (image, path) in zip(stems, pictures, images, strict=True)
    )  # fmt: skip
    return Export(names, tuple(annotated), True, (*notes, *moved))


def _draw(image: Element, names: tuple[str, ...], path: Path) -> np.ndarray:
    try:
        shape = int(image.get("height", "")), int(image.get("width", ""))
        areas = sorted((one for one in image if one.tag in AREAS), key=lambda one: int(one.get("z_order", 0)))
        return paint(shape, [(names.index(_label(one)), _mask(one, shape)) for one in areas], by_area=False)
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: the shapes of {image.get('name')} cannot be read ({error}); export it again") from error


def _label(shape: Element) -> str:
    return shape.get("label", "").strip()


def _mask(one: Element, shape: tuple[int, int]) -> np.ndarray:
    numbers = {name: float(value) for name, value in one.items() if _is_number(value)}
    turn = numbers.get("rotation", 0.0)
    if one.tag == "polygon":
        return polygon([[float(v) for v in point.split(",")] for point in one.get("points", "").split(";")], shape)
    if one.tag == "box":
        corners = [(numbers["xtl"], numbers["ytl"]), (numbers["xbr"], numbers["ybr"])]
        return polygon(rectangle(corners, turn=turn), shape)
    if one.tag == "ellipse":
        return ellipse((numbers["cx"], numbers["cy"]), (numbers["rx"], numbers["ry"]), shape, turn=turn)
    left, top, width, height = (int(numbers[name]) for name in ("left", "top", "width", "height"))
    runs = [int(run) for run in one.get("rle", "").split(",")]  # row by row inside its box, zeros first
    if sum(runs) != width * height:
        raise ValueError(f"the runs of a mask are {sum(runs)} pixels, its box has {width * height}")
    whole = np.zeros(shape, bool)
    inner = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
    whole[top : top + height, left : left + width] = inner
    return whole


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
