"""From an annotation tool's export to a data set in the `folder` layout."""

import dataclasses
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image

from kerasseg import files
from kerasseg.data import class_files, datasets, formats, packing, pairing, pictures
from kerasseg.data.formats import Annotated
from kerasseg.data.partition import are_whole, partition
from kerasseg.data.relabeling import relabeling
from kerasseg.data.splits import PairReader
from kerasseg.errors import InputError
from kerasseg.jobs import examination
from kerasseg.jobs.ledger import EXPORT, SHARDS, STORY, Ledger, begin, content
from kerasseg.jobs.settings import PrepareSettings

LISTED = "classes.txt"  # written last: without it, nobody takes the folder for a data set


def prepare(
    source: str | Path,
    *,
    output_dir: str | Path,
    settings: PrepareSettings | None = None,
    log: Callable[[str], None] = lambda line: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict:
    """Writes images/, labels/ and classes.txt, and prepare.json with what was understood; resumes where it was stopped.

    Where the export has changed since, what was made of it is removed and made again; prepare.sha256 lists those files.

    Args:
        source: The export, unpacked; nothing in it is changed.
        output_dir: New, empty, or of the same source and settings; outside of the source.
        settings: None for the defaults.
        log: Gets a line a stage.
        progress: Gets how many pictures are done, and of how many.

    Returns:
        What prepare.json holds; `found` as a `Health`.

    Raises:
        InputError: no such export, one that cannot be read, or another data set in `output_dir`, or files of somebody else.
    """
    settings = settings or PrepareSettings()
    root, folder = Path(source), Path(output_dir)
    if folder.resolve().is_relative_to(root.resolve()):
        raise InputError(
            f"{folder} lies inside {root}, where it would be read as part of the export; give another --output_dir"
        )
    name, export = formats.read(root, format=settings.format)
    log(f"{root} is a{'n' * (name[0] in 'aeiou')} {name} export of {len(export.pictures)} pictures")
    names = [one.name for one in export.pictures]
    twice = sorted({one for one in names if names.count(one) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise InputError(f"several pictures of {root} would be called {pairing.named(twice)}; rename them")
    relabel = relabeling(
        export.class_names, instances=export.instances, classes=settings.classes, ignore=settings.ignore, merge=settings.merge
    )
    class_files.check_lines(relabel.class_names, source=root)
    own = [one.split for one in export.pictures]
    splits, how = partition(
        names, own, val_fraction=settings.val_fraction, seed=settings.seed,
        test_fraction=settings.test_fraction, group_by=settings.group_by,
    )  # fmt: skip
    if are_whole(own):
        _refuse_drawing(settings, root)
    begun = {"source": str(root.resolve()), "format": name, "settings": _plain(settings), EXPORT: content(root, export)}

    stored = _drawn_as_stored(export.pictures)

    def try_all() -> None:
        for one in export.pictures:
            _labels(one, relabel, settings, stored)

    ledger = begin(folder, begun, try_all=try_all, log=log)
    notes = [*export.notes, *relabel.notes, how]
    for i, (one, split) in enumerate(zip(export.pictures, splits, strict=True)):
        progress(i, len(splits))
        notes += _write(one, ledger, split, relabel, settings, stored)
    progress(len(splits), len(splits))
    counts = {split: splits.count(split) for split in ("train", "val", "test") if split in splits}
    fixed = export.fixed_classes and not (settings.classes or settings.merge or settings.ignore)
    report = begun | {"class_names": list(relabel.class_names), "fixed_classes": fixed, "pictures": counts, "notes": notes}
    files.write_json(folder / STORY, report)
    if not ledger.has(folder / LISTED):
        ledger.write(folder / LISTED, "".join(f"{one}\n" for one in relabel.class_names).encode())
    log(f"looking at what was written to {folder}")
    found = examination.inspect("folder", data_dir=str(folder), progress=progress)
    if settings.shards:
        report |= {"shards": _pack(folder, settings.shards, log)}
    files.write_json(folder / STORY, report | {"found": found.to_json()})
    return report | {"found": found}


def _refuse_drawing(settings: PrepareSettings, root: Path) -> None:
    """Raises InputError where settings say how splits that the export has should be drawn."""
    names = ("val_fraction", "test_fraction", "seed", "group_by")
    given = {name: getattr(settings, name) for name in names if getattr(settings, name) != getattr(PrepareSettings, name)}
    if given:
        flags = " ".join(f"--{name}={value}" for name, value in given.items())
        raise InputError(f"{root} has splits of its own, so that {flags} would do nothing; leave that out")


def _pack(folder: Path, count: int, log: Callable[[str], None]) -> dict[str, int]:
    """Packs what lies in the folder; returns how many tars each split has."""
    log(f"packing {folder} into {folder / SHARDS}")
    dataset = datasets.load_dataset("folder", data_dir=str(folder))
    readers = {split: cast(PairReader, examples.read) for split, examples in dataset.splits.items()}
    pairs = {split: [(name, Path(str(image)), Path(str(labels))) for name, image, labels in reader.found]
        for split, reader in readers.items()}  # fmt: skip
    return packing.pack(
        folder / SHARDS, pairs, count=count, class_names=dataset.class_names, fixed_classes=dataset.fixed_classes
    )


def _plain(settings: PrepareSettings) -> dict:
    """What decides the pictures and labels; shards can be asked for later."""
    values = dataclasses.asdict(settings).items()
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values if key != "shards"}


def _write(
    one: Annotated, ledger: Ledger, split: str, relabel: Callable, settings: PrepareSettings, stored: bool | None
) -> list[str]:
    """Writes a picture and its labels, unless both are there; returns what has to be said of them."""
    target = ledger.folder / "labels" / split / f"{one.name}.png"
    _image(one, ledger, split, settings)
    if ledger.has(target):
        return []
    labels, notes = _labels(one, relabel, settings, stored)
    ledger.write(target, _png(labels))
    return notes


def _image(one: Annotated, ledger: Ledger, split: str, settings: PrepareSettings) -> None:
    """Links, copies or writes a picture; those that EXIF turns are written upright."""
    stem = ledger.folder / "images" / split / one.name
    if isinstance(one.image, bytes):
        path = stem.with_name(one.name + {"JPEG": ".jpg"}.get(_kind(one), ".png"))
        if not ledger.has(path):
            ledger.write(path, one.image)
    elif pictures.orientation_of(one.image) > 1:
        path = stem.with_name(f"{one.name}.png")
        if not ledger.has(path):
            ledger.write(path, _png(pictures.read_image(one.image)))
    else:
        path = stem.with_name(one.name + one.image.suffix.lower())
        if not ledger.has(path):
            (ledger.copy if settings.copy else ledger.link)(one.image, path)


def _png(pixels: np.ndarray) -> bytes:
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG")
    return encoded.getvalue()


def _kind(one: Annotated) -> str:
    assert isinstance(one.image, bytes)
    try:
        return Image.open(io.BytesIO(one.image)).format or ""
    except OSError as error:
        raise InputError(
            f"the picture inside the annotation {one.name} cannot be decoded ({error}); save it beside it"
        ) from error


def _drawn_as_stored(annotated: Sequence[Annotated]) -> bool | None:
    """Whether labels were drawn on the pixels as they are stored, not as EXIF turns them; None where no picture tells.

    One that lies on its side and is no square tells by the size of its labels. The others follow the first that tells.
    """
    for one in annotated:
        if isinstance(one.image, Path) and pictures.orientation_of(one.image) in pictures.LYING:
            size, labels = pictures.size_of(one.image), one.draw()
            if size != size[::-1] and labels.shape in (size, size[::-1]):
                return labels.shape != size
    return None


def _labels(one: Annotated, relabel: Callable, settings: PrepareSettings, stored: bool | None) -> tuple[np.ndarray, list[str]]:
    """Labels of the upright picture's size, and what was done to them; `stored` from `_drawn_as_stored`."""
    labels = relabel(one.draw())
    source = one.image if isinstance(one.image, Path) else pictures.Encoded(f"the picture inside {one.name}", one.image)
    size, turn = pictures.size_of(source), pictures.orientation_of(source) if isinstance(source, Path) else 1
    if turn > 1:
        turned = np.asarray(pictures.turned(Image.fromarray(labels), turn))
        if turned.shape == size and (labels.shape != size or stored):
            return turned, [f"{one.name}: EXIF turns the picture, and its labels with it"]
        if turned.shape == labels.shape == size and stored is None:
            return labels, [
                f"{one.name}: EXIF turns the picture; nothing tells whether its labels were drawn on it so: look at it"
            ]
        if labels.shape == size:
            return labels, [f"{one.name}: EXIF turns the picture, its labels were drawn on it as it is seen"]
    if labels.shape == size:
        return labels, []
    if not settings.resize_masks:
        raise InputError(
            f"the labels of {one.name} are {labels.shape[0]}x{labels.shape[1]}, the picture {size[0]}x{size[1]} "
            "(height x width); export them together, or give --resize_masks"
        )
    resized = np.asarray(Image.fromarray(labels).resize(size[::-1], Image.Resampling.NEAREST))
    return resized, [f"{one.name}: labels resized from {labels.shape[0]}x{labels.shape[1]} to {size[0]}x{size[1]}"]
