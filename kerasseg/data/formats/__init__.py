"""Readers of what annotation tools export: one table, name -> Format."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kerasseg.data.formats import coco, cvat_xml, labelme, labelstudio, plain, public, roboflow, voc
from kerasseg.data.formats.annotated import IGNORED, NOBODY, Annotated, Export
from kerasseg.errors import InputError

__all__ = ["FORMATS", "IGNORED", "NOBODY", "Annotated", "Export", "Format", "read"]


@dataclass(frozen=True)
class Format:
    """How an export is found and read.

    Attributes:
        looked_for: What shows that a folder is of this kind.
        find: Folder -> the files that show it; empty where it is another kind.
        read: Folder -> Export.
        described: Whether a file says what the masks are; those that nobody describes are looked for last.
    """

    looked_for: str
    find: Callable[[Path], list[Path]]
    read: Callable[[Path], Export]
    described: bool = True


FORMATS = {
    "coco": Format(coco.LOOKED_FOR, coco.find, coco.read),
    "labelme": Format(labelme.LOOKED_FOR, labelme.find, labelme.read),
    "cvat_xml": Format(cvat_xml.LOOKED_FOR, cvat_xml.find, cvat_xml.read),
    "voc": Format(voc.LOOKED_FOR, voc.find, voc.read),
    "roboflow": Format(roboflow.LOOKED_FOR, roboflow.find, roboflow.read),
    "labelstudio": Format(labelstudio.LOOKED_FOR, labelstudio.find, labelstudio.read),
    "colors": Format("class_dict.csv (name,r,g,b)", public.find_colors, public.read_colors),
    "cityscapes": Format("folders leftImg8bit and gtFine", public.find_cityscapes, public.read_cityscapes),
    "ade20k": Format("folders images/training and annotations/training", public.find_ade20k, public.read_ade20k),
    "binary": Format(plain.LOOKED_FOR_BINARY, plain.find_binary, plain.read_binary, described=False),
    "index": Format(plain.LOOKED_FOR_INDEX, plain.find_index, plain.read_index, described=False),
}


def read(root: Path, *, format: str = "") -> tuple[str, Export]:
    """An export, and the name of its format.

    Args:
        root: The folder.
        format: A key of FORMATS; empty looks what lies there.

    Raises:
        InputError: an unknown format, a folder of none or of several, or a file in it that cannot be read.
    """
    if not root.is_dir():
        raise InputError(f"no folder {root}; --source must be what an annotation tool exported, unpacked")
    if format and format not in FORMATS:
        raise InputError(f"unknown format {format!r}; known are {', '.join(FORMATS)}")
    if not format:
        format = _only(root)
    elif FORMATS[format].described and not FORMATS[format].find(root):
        raise InputError(
            f"{root} is no {format} export: it has not {FORMATS[format].looked_for}; leave --format out to have it found"
        )
    found = FORMATS[format].read(root)
    if not found.pictures:
        raise InputError(f"{root} has no picture with labels; export the pictures too")
    return format, found


def _only(root: Path) -> str:
    for described in (True, False):
        fit = {name: found for name, one in FORMATS.items() if one.described == described and (found := one.find(root))}
        if len(fit) > 1:
            shown = ", ".join(f"{name} ({found[0].relative_to(root)})" for name, found in fit.items())
            raise InputError(f"{root} could be {shown}; say which with --format")
        if fit:
            return next(iter(fit))
    looked = "; ".join(f"{name}: {one.looked_for}" for name, one in FORMATS.items())
    raise InputError(f"{root} holds no export that is known. Looked for were {looked}")
