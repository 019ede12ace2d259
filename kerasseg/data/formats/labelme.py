"""Labelme: a .json beside each picture. https://github.com/wkentaro/labelme."""

import base64
import binascii
import io
import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kerasseg import files
from kerasseg.data import pairing
from kerasseg.data.formats.annotated import (
    IGNORED,
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
from kerasseg.data.formats.places import find_files
from kerasseg.errors import InputError

LOOKED_FOR = "a .json with shapes and imagePath beside each picture"
NO_CLASS = {"_background_": "background", "__ignore__": ""}  # what labelme2voc's labels.txt has
AREAS = ("polygon", "rectangle", "circle", "mask")


def find(root: Path) -> list[Path]:
    """The files that are Labelme's."""
    return [
        p
        for p in below(root)
        if p.suffix == ".json" and b'"shapes"' in (content := p.read_bytes()) and b'"imagePath"' in content
    ]


def read(root: Path) -> Export:
    """Polygons, rectangles, circles and masks, the largest first; what nobody outlined is background."""
    paths = find(root)
    contents = [_checked(path) for path in paths]
    found, moved = find_files(root, [(c["imagePath"], (p.parent,)) for p, c in zip(paths, contents, strict=True)])
    images = [_image(*one) for one in zip(found, paths, contents, strict=True)]
    labels = {NO_CLASS.get(s["label"], s["label"]) for content in contents for s in content["shapes"] if _is_area(s)} - {""}
    listed = root / "labels.txt"
    order = [NO_CLASS.get(line, line) for line in files.read_lines(listed)] if listed.is_file() else sorted(labels)
    lost = sorted(labels - set(order))
    if lost:
        raise InputError(f"{listed} does not name {pairing.named(lost)}, which the pictures have; add them")
    names, notes = with_background(name for name in order if name), []
    left = [
        f"{p.stem} ({s.get('shape_type')})"
        for p, c in zip(paths, contents, strict=True)
        for s in c["shapes"]
        if not _is_area(s)
    ]
    if left:
        notes.append(f"{len(left)} shapes enclose no area and are left out: {pairing.named(left)}")
    known = {str(image) for image in images}
    bare = [str(p) for p in below(root) if pairing.is_picture(p) and str(p) not in known]
    if bare:
        notes.append(f"{len(bare)} pictures have no .json and are left out: {pairing.named(bare)}")
    stems = unique([str(path.relative_to(root)) for path in paths])
    annotated = (
        Annotated(
            stem, image, partial(_draw, content, names, path), split_of(*path.relative_to(root).parts[:-1])
        )
        for stem, image, content, path in zip(stems, images, contents, paths, strict=True)
    )  # fmt: skip
    return Export(names, tuple(annotated), True, (*notes, *moved))


def _is_area(shape: dict[str, Any]) -> bool:
    return shape.get("shape_type", "polygon") in AREAS


def _checked(path: Path) -> dict[str, Any]:
    content = files.read_json(path)
    try:
        _ = (
            content["imagePath"] + "",
            [(s["label"] + "", [(float(x), float(y)) for x, y in s["points"]]) for s in content["shapes"]],
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{path} is no file of Labelme ({type(error).__name__}: {error}); save it there again") from error
    if not all(s["label"].strip() for s in content["shapes"] if _is_area(s)):
        raise InputError(f"{path} has a shape without a label; name it in Labelme, or remove it there")
    return content | {"shapes": [shape | {"label": shape["label"].strip()} for shape in content["shapes"]]}


def _image(found: Path | InputError, path: Path, content: dict[str, Any]) -> Path | bytes:
    if isinstance(found, Path):
        return found
    if not content.get("imageData"):
        raise found
    try:
        return base64.b64decode(content["imageData"], validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise InputError(f"the picture inside {path} cannot be read ({error}); save it with the picture beside it") from error


def _draw(content: dict[str, Any], names: tuple[str, ...], path: Path) -> np.ndarray:
    try:
        shape = int(content["imageHeight"]), int(content["imageWidth"])
    except (KeyError, TypeError, ValueError, OverflowError):
        raise InputError(f"{path} has no imageHeight and imageWidth; save it in Labelme again") from None
    instances = []
    for one in filter(_is_area, content["shapes"]):
        name = NO_CLASS.get(one["label"], one["label"])
        instances.append((names.index(name) if name else IGNORED, _mask(one, shape, path)))
    return paint(shape, instances)


def _mask(one: dict[str, Any], shape: tuple[int, int], path: Path) -> np.ndarray:
    points, kind = one["points"], one.get("shape_type", "polygon")
    least = 3 if kind == "polygon" else 2
    if len(points) < least or (kind != "polygon" and len(points) != 2):
        raise InputError(f"{path}: a {kind} called {one['label']!r} has {len(points)} points; mend it in Labelme")
    try:
        if kind == "polygon":
            return polygon(points, shape)
        if kind == "rectangle":
            return polygon(rectangle(points), shape)
        if kind == "circle":  # its middle, and a point of its edge
            radius = math.hypot(points[1][0] - points[0][0], points[1][1] - points[0][1])
            return ellipse(tuple(points[0]), (radius, radius), shape)
        inner = np.asarray(Image.open(io.BytesIO(base64.b64decode(one["mask"])))) > 0
        left, top = (round(value) for value in points[0])
        whole = np.zeros(shape, bool)
        whole[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        raise InputError(f"{path}: the {kind} called {one['label']!r} cannot be read ({error}); mend it in Labelme") from error
    return whole
