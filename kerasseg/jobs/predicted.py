"""What `kerasseg predict` leaves in a folder, and which of the files that are there it may write over."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from kerasseg import files
from kerasseg.data import pairing, polygons, video
from kerasseg.data.sources import Source
from kerasseg.errors import InputError
from kerasseg.jobs.settings import SAVED, PredictSettings

COCO_FILE, LABELS, LEGEND = "predictions.coco.json", "labels.txt", "legend.png"
SOFTWARE = "kerasseg predict"  # every PNG and video says so, and only what does is written over


def is_coco(settings: PredictSettings) -> bool:
    """Whether the outlines of all pictures go into one file."""
    return "json" in settings.save and settings.polygons == "coco"


def listed(class_names: Sequence[str]) -> str:
    """The order of the classes, which Labelme's files do not hold: what LABELS says."""
    return "".join(f"{name}\n" for name in class_names)


def refuse_to_replace(
    found: Sequence[Source], *, folder: Path, settings: PredictSettings, class_names: Sequence[str]
) -> None:  # fmt: skip
    """Looks for files that must stay as they are.

    Args:
        found: What will be segmented.
        folder: Gets the files.
        settings: Which those are.
        class_names: One a class.

    Raises:
        InputError: an input, a file of somebody else or a JSON file that was corrected would be written over.
    """
    inputs = {os.path.realpath(one.place) for one in found if isinstance(one.place, Path)}
    pictures = [folder / LEGEND, *(path for one in found for path in _pictures(one, folder, settings))]
    taken = [str(path) for path in pictures if os.path.realpath(path) in inputs]
    if taken:
        raise InputError(f"{pairing.named(taken)} would be segmented and written over; give another --output_dir")
    foreign = [str(path) for path in pictures if path.exists() and not _is_ours(path)]
    if foreign:
        raise InputError(
            f"{pairing.named(foreign)} would be written over, and this version of kerasseg predict did not write it; "
            "give another --output_dir, or move it"
        )
    corrected = [str(path) for path in _outlines(found, folder, settings) if path.exists() and not _is_as_written(path)]
    labels = folder / LABELS
    if "json" in settings.save and not is_coco(settings) and labels.exists():
        corrected += [str(labels)] * (labels.read_bytes() != listed(class_names).encode())
    if corrected:
        raise InputError(
            f"{pairing.named(corrected)} would be written over, and may have been corrected by hand; "
            "give another --output_dir, or move them"
        )


def _pictures(source: Source, folder: Path, settings: PredictSettings) -> list[Path]:
    """The PNGs and the video that a source gives; of a video's frames those that are there."""
    kinds = [kind for kind in SAVED if kind in settings.save and kind != "json"]
    if not source.moves:
        return [folder / f"{source.name}_{kind}.png" for kind in kinds]
    frames = (folder / source.name).glob("*.png")
    overlay = [folder / f"{source.name}_overlay.mp4"] if "overlay" in kinds else []
    return [*overlay, *(path for path in sorted(frames) if re.fullmatch(r"\d{6}(_index|_mask)?", path.stem))]


def _outlines(found: Sequence[Source], folder: Path, settings: PredictSettings) -> list[Path]:
    """The JSON files that come of all sources; of a video's frames those that are there."""
    if "json" not in settings.save:
        return []
    paths = [folder / COCO_FILE] if is_coco(settings) else []
    for one in found:
        if one.moves:
            paths += sorted((folder / one.name).glob("*.json"))
        elif not is_coco(settings):
            paths.append(folder / f"{one.name}.json")
    return paths


def _is_ours(path: Path) -> bool:
    """Whether a PNG or a video says that it was made here."""
    if path.suffix == ".mp4":
        return video.comment_of(path) == SOFTWARE
    try:
        with Image.open(path) as picture:
            return picture.info.get("Software") == SOFTWARE
    except (OSError, ValueError, SyntaxError):
        return False


def _is_as_written(path: Path) -> bool:
    """Whether nobody has changed a JSON file since it was written here."""
    try:
        return polygons.is_sealed(files.read_json(path))
    except InputError:
        return False
