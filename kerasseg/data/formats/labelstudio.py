"""Label Studio's brush labels as PNG: a mask a task and class, and no word on which picture a task was."""

import re
from collections import Counter, defaultdict
from functools import partial
from pathlib import Path

import numpy as np

from kerasseg import files
from kerasseg.data import pairing, pictures
from kerasseg.data.formats.annotated import Annotated, Export, below, paint, unique, with_background
from kerasseg.errors import InputError

LOOKED_FOR = "task-1-annotation-1-by-1-tag-NAME-0.png"
_MASK = re.compile(r"task-(\d+)-annotation-(\d+)-by-.+?-tag-(.+)-\d+$")
_HASH = re.compile(r"^[0-9a-f]{8}-")


def find(root: Path) -> list[Path]:
    """The masks."""
    return [path for path in below(root) if path.suffix == ".png" and _MASK.match(path.stem)]


def read(root: Path) -> Export:
    """Tasks and pictures are paired by the export's .json, or else in order; what nobody brushed is background."""
    tasks: dict[int, dict[str, list[tuple[str, Path]]]] = defaultdict(lambda: defaultdict(list))
    for path in find(root):
        task, annotation, name = _MASK.match(path.stem).groups()  # type: ignore[union-attr]
        tasks[int(task)][annotation].append((name.strip(), path))
    twice = [str(task) for task, annotations in tasks.items() if len(annotations) > 1]
    if twice:
        raise InputError(f"the tasks {pairing.named(twice)} were annotated more than once; export one annotation of each")
    names = with_background(sorted({name for one in tasks.values() for masks in one.values() for name, _ in masks}))
    images = [p for p in below(root) if pairing.is_picture(p) and not _MASK.match(p.stem)]
    paired, notes = _from_json(root, sorted(tasks), images), []
    if not paired:
        if len(images) != len(tasks):
            raise InputError(
                f"{len(tasks)} tasks have masks and {len(images)} pictures are there: nothing says which belong together; "
                "put the export as JSON beside them, or the pictures of those tasks alone"
            )
        paired = dict(zip(sorted(tasks), sorted(images, key=_natural), strict=True))
        first = min(paired)
        notes.append(
            f"nothing says which picture a task was: they were paired in order, task {first} with {paired[first].name}; "
            "look at the overlays of kerasseg inspect"
        )
    stems = unique([str(paired[task].relative_to(root)) for task in sorted(paired)])
    annotated = (
        Annotated(stem, paired[task], partial(_draw, next(iter(tasks[task].values())), names))
        for stem, task in zip(stems, sorted(paired), strict=True)
    )
    return Export(names, tuple(annotated), True, tuple(notes))


def _from_json(root: Path, tasks: list[int], images: list[Path]) -> dict[int, Path]:
    """Task -> picture, where Label Studio's JSON lies there too."""
    by_name, times_of = {path.name: path for path in images}, Counter(path.name for path in images)
    for path in (path for path in below(root) if path.suffix == ".json"):
        content = files.read_json(path)
        if isinstance(content, list) and all(isinstance(one, dict) and {"id", "data"} <= set(one) for one in content):
            named = {one["id"]: str(next(iter(one["data"].values()))).rsplit("/", 1)[-1] for one in content}
            lost = [str(task) for task in tasks if named.get(task) not in by_name]
            if lost:
                raise InputError(f"{path} gives the tasks {pairing.named(lost)} no picture that is there; export both together")
            alike = sorted(name for name, times in Counter(named[task] for task in tasks).items() if times > 1)
            alike = alike or sorted({named[task] for task in tasks} & {name for name, times in times_of.items() if times > 1})
            if alike:
                raise InputError(
                    f"{path}: several tasks or pictures are called {pairing.named(alike)}, and nothing says which belong "
                    "together; give them names of their own"
                )
            return {task: by_name[named[task]] for task in tasks}
    return {}


def _natural(path: Path) -> list[tuple[int, str]]:
    """So that pic10 comes behind pic9; without the eight digits that Label Studio puts before a name."""
    parts = re.split(r"(\d+)", _HASH.sub("", path.stem))
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _draw(masks: list[tuple[str, Path]], names: tuple[str, ...]) -> np.ndarray:
    brushed = [(names.index(name), pictures.read_labels(path) > 127) for name, path in masks]
    shapes = {mask.shape for _, mask in brushed}
    if len(shapes) > 1:
        raise InputError(f"the masks of one task, {masks[0][1]} and others, are of {len(shapes)} sizes; export them again")
    return paint(brushed[0][1].shape, brushed)
