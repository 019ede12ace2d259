"""Pictures and masks of one name: in folders side by side, in one folder with a suffix, split by folders or not."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from kerasseg.data import pairing, pictures
from kerasseg.data.formats.annotated import Annotated, below, split_of, unique
from kerasseg.errors import DataError, InputError

_WORDS = r"masks?|labels?|annot(?:ation)?s?|gt|segs?|gtfine|segmentations?|ground[_-]?truth|segmentationclass|targets?"
_FOLDER = re.compile(rf"(?:.*[_-])?(?:{_WORDS})$|.*annot$", re.IGNORECASE)
_SUFFIX = re.compile(r"[_-](?:masks?|labels?|seg|gt|l|annotation|labelids|labeltrainids)$", re.IGNORECASE)
_PICTURES = re.compile(r"(?:images?|imgs?|jpegimages|pictures?|photos?|data|rgb|leftimg8bit)$", re.IGNORECASE)


@dataclass(frozen=True)
class Pair:
    """A picture and its mask.

    Attributes:
        name: Unlike every other pair's.
        split: "train", "val", "test" or empty.
    """

    name: str
    split: str
    image: Path
    mask: Path


def pair(
    root: Path, *, skip: Callable[[Path], bool] = lambda path: False, drop: str = ""
) -> tuple[list[Pair], list[str]]:  # fmt: skip
    """Pairs below a folder, and the pictures that have no mask.

    Args:
        root: The folder.
        skip: Whether a file is neither picture nor mask.
        drop: An expression for what is no part of the common name.

    Raises:
        InputError: a mask without its picture, or two files that would be one.
    """
    found: dict[bool, dict[tuple[str, str], Path]] = {False: {}, True: {}}
    for path in below(root):
        if not pairing.is_picture(path) or skip(path):
            continue
        folders = path.relative_to(root).parts[:-1]
        stem, shortened = pairing.stem(path.name), _SUFFIX.sub("", pairing.stem(path.name))
        is_mask = any(_FOLDER.fullmatch(folder) for folder in folders) or shortened != stem
        rest = [f for f in folders if not (_FOLDER.fullmatch(f) or _PICTURES.fullmatch(f) or split_of(f))]
        key = split_of(*folders), "/".join([*rest, re.sub(drop, "", shortened if is_mask else stem)])
        if key in found[is_mask]:
            raise DataError(f"{path} and {found[is_mask][key]} are of one name; keep one of them", kind="pairs")
        found[is_mask][key] = path
    images, masks = found[False], found[True]
    lost = [str(path) for key, path in masks.items() if key not in images]
    if lost and images:
        raise DataError(f"no picture belongs to the masks {pairing.named(lost)}; add it or remove the mask", kind="pairs")
    both = [key for key in images if key in masks]
    names = unique([f"{split}/{name}.x" if name else split for split, name in both])
    pairs = [Pair(name, key[0], images[key], masks[key]) for name, key in zip(names, both, strict=True)]
    return pairs, [str(path) for key, path in images.items() if key not in masks]


def export(pairs: list[Pair], decode: Callable[[Path], np.ndarray]) -> tuple[Annotated, ...]:
    """The pairs with their masks read by `decode`: path -> (H, W) int16."""
    return tuple(Annotated(one.name, one.image, partial(decode, one.mask), one.split) for one in pairs)


def without_mask(names: list[str]) -> tuple[str, ...]:
    """The note on pictures without a mask."""
    return (f"{len(names)} pictures have no mask and are left out: {pairing.named(names)}",) if names else ()


def by_table(table: dict[int, int], *, otherwise: int | None = None) -> Callable[[Path], np.ndarray]:
    """A decoder of index masks.

    Args:
        table: The mask's value -> class, NOBODY or IGNORED.
        otherwise: What other values become; None refuses them.
    """
    lookup = np.full(256, -9 if otherwise is None else otherwise, np.int16)
    for value, number in table.items():
        lookup[value] = number

    def decode(path: Path) -> np.ndarray:
        values = pictures.read_labels(path)
        labels = lookup[values]
        unknown = np.unique(values[labels == -9])
        if len(unknown):
            raise InputError(
                f"{path} has values {pairing.named([str(v) for v in unknown])} that no class has; "
                f"known are {pairing.named([str(v) for v in sorted(table)])}"
            )
        return labels

    return decode


def by_color(colors: list[tuple[int, int, int]], *, source: object) -> Callable[[Path], np.ndarray]:
    """A decoder of colour masks: the position of each pixel's colour in a list."""
    codes = np.array([_code(np.array(color)) for color in colors])
    order = np.argsort(codes)

    def decode(path: Path) -> np.ndarray:
        if path.suffix.lower() in (".jpg", ".jpeg"):
            raise InputError(f"{path} is a JPEG, which changes colours; export the masks as PNG")
        seen = _code(pictures.read_image(path))
        place = np.clip(np.searchsorted(codes[order], seen), 0, len(codes) - 1)
        labels = order[place].astype(np.int16)
        unknown = codes[labels] != seen
        if unknown.any():
            values, counts = np.unique(seen[unknown], return_counts=True)
            listed = [f"{v >> 16},{v >> 8 & 255},{v & 255} ({n} pixels)" for v, n in zip(values, counts, strict=True)]
            raise InputError(
                f"{path} has colours that {source} does not: {pairing.named(listed)}; export without "
                "smoothed edges, or add a class for each"
            )
        return labels

    return decode


def _code(colors: np.ndarray) -> np.ndarray:
    red, green, blue = (colors[..., i].astype(np.int32) for i in range(3))
    return (red << 16) | (green << 8) | blue
