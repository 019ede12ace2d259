"""COCO JSON: https://cocodataset.org/#format-data; also as Label Studio, Roboflow and CVAT write it."""

from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kerasseg import files
from kerasseg.data.formats.annotated import (
    Annotated,
    Export,
    below,
    paint,
    polygon,
    split_of,
    unique,
    with_background,
    within,
)
from kerasseg.data.formats.places import all_found, find_files
from kerasseg.data.pairing import named
from kerasseg.errors import InputError

LOOKED_FOR = "a .json with images, annotations and categories"


def find(root: Path) -> list[Path]:
    """The files that are COCO's, in the folder, its subfolders and theirs."""
    candidates = [path for path in below(root) if path.suffix == ".json"]
    return [path for path in candidates if b'"annotations"' in (content := path.read_bytes()) and b'"categories"' in content]


def read(root: Path) -> Export:
    """Instances drawn by area, the largest first; what nobody outlined is background."""
    found, notes = [(path, _checked(path)) for path in find(root)], []
    categories = {c["id"]: str(c["name"]).strip() for _, content in found for c in content["categories"]}
    for path, content in found:
        for one in content["categories"]:
            if categories[one["id"]] != str(one["name"]).strip():
                raise InputError(f"{path} calls category {one['id']} {one['name']!r}, another file {categories[one['id']]!r}")
    if len({isinstance(number, str) for number in categories}) > 1:
        raise InputError(
            f"the category ids of {root} are numbers and texts, {named(list(map(str, categories)))}; write one kind"
        )
    used = {one["category_id"] for _, content in found for one in content["annotations"]}
    parents = {str(c.get("supercategory", "")) for _, content in found for c in content["categories"]}
    for number in [n for n, name in categories.items() if name in parents and n not in used]:
        notes.append(f"the category {categories.pop(number)!r} is the heading of the others and no class")
    names = with_background(categories[number] for number in sorted(categories))
    positions = {number: names.index(name) for number, name in categories.items()}
    records, wanted = [], []
    for path, content in found:
        outlines = defaultdict(list)
        for one in content["annotations"]:
            outlines[one["image_id"]].append(one)
        split = split_of(path.parent.name, *path.stem.split("_"))
        for image in content["images"]:
            folders = (path.parent, root, root / "images", root / "images" / split, root / split)
            wanted.append((str(image["file_name"]), folders))
            records.append((image, outlines[image["id"]], split, path))
        empty = sum(not outlines[image["id"]] for image in content["images"])
        if empty:
            notes.append(f"{empty} of {len(content['images'])} pictures of {path.name} have no annotation: all background")
    found_files, moved = find_files(root, wanted)
    images = all_found(found_files)
    stems = unique([str(within(image, root)) for image in images])
    annotated = (
        Annotated(stem, image, partial(_draw, described, outlines, positions, path), split)
        for stem, image, (described, outlines, split, path) in zip(stems, images, records, strict=True)
    )
    return Export(names, tuple(annotated), True, (*notes, *moved))


def _checked(path: Path) -> dict[str, Any]:
    """The content of a file, whose parts speak of each other."""
    content = files.read_json(path)
    try:
        images = {one["id"]: (str(one["file_name"]), int(one["height"]), int(one["width"])) for one in content["images"]}
        categories = {one["id"]: str(one["name"]) for one in content["categories"]}
        annotations = [
            (one.get("id"), one["image_id"], one["category_id"], one.get("segmentation")) for one in content["annotations"]
        ]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{path} is no COCO file ({type(error).__name__}: {error}); export it again") from error
    for what, lost in (
        ("images that are not listed", [str(i) for i, image, _, _ in annotations if image not in images]),
        ("categories that are not listed", [str(i) for i, _, category, _ in annotations if category not in categories]),
        (
            "no outline but at most a box; export instance segmentation",
            [str(i) for i, _, _, outline in annotations if not outline],
        ),
    ):
        if lost:
            raise InputError(f"{path}: {len(lost)} annotations have {what}: {named(lost)}")
    if len(images) < len(content["images"]):
        raise InputError(f"{path} lists {len(content['images'])} images with {len(images)} ids; export it again")
    return content


def _draw(image: dict[str, Any], outlines: list[dict[str, Any]], positions: dict[Any, int], path: Path) -> np.ndarray:
    shape = int(image["height"]), int(image["width"])
    return paint(shape, [(positions[one["category_id"]], _mask(one, shape, path)) for one in outlines])


def _mask(one: dict[str, Any], shape: tuple[int, int], path: Path) -> np.ndarray:
    outline = one["segmentation"]
    try:
        if isinstance(outline, dict):
            return _run_lengths(outline, shape)
        parts = [polygon(np.reshape(np.asarray(part, float), (-1, 2)).tolist(), shape) for part in outline]
        return np.logical_or.reduce(parts)
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise InputError(
            f"{path}: the outline of annotation {one.get('id')} cannot be read ({error}); export it again"
        ) from error


def _run_lengths(outline: dict[str, Any], shape: tuple[int, int]) -> np.ndarray:
    try:
        from pycocotools import mask
    except ImportError:
        raise InputError("run-length masks of COCO need pycocotools; run pip install 'kerasseg[formats]'") from None
    if tuple(outline["size"]) != shape:
        raise ValueError(f"its size is {outline['size']}, the picture's {list(shape)}")
    if isinstance(outline["counts"], list):
        if sum(outline["counts"]) != shape[0] * shape[1]:
            raise ValueError(f"its runs are {sum(outline['counts'])} pixels, the picture has {shape[0] * shape[1]}")
        outline = mask.frPyObjects(outline, *shape)
    return mask.decode(outline).astype(bool)
