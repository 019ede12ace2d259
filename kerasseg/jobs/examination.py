"""What is in a data set and what is wrong with it, as a report and a page."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from kerasseg import files
from kerasseg.config import TrainConfig
from kerasseg.data import datasets, health, tally
from kerasseg.data.augment import augment
from kerasseg.data.datasets import Dataset
from kerasseg.data.health import Health
from kerasseg.data.labels import IGNORE_LABEL
from kerasseg.data.tally import Tally
from kerasseg.errors import InputError
from kerasseg.reports import coloring, pages
from kerasseg.reports.story import Shown
from kerasseg.run.directory import refuse_as_output

OVERLAYS = 24  # on the page
SUSPICIOUS = 12


def inspect(
    dataset: str,
    *,
    data_dir: str = "",
    output_dir: str | Path = "",
    size: tuple[int, int] = (256, 256),
    log: Callable[[str], None] = lambda line: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Health:
    """Reads every picture once and looks for everything that is wrong; writes inspect.json and inspect.html.

    Args:
        dataset: Its name.
        data_dir: Where it lies.
        output_dir: Where report and page go; empty writes none.
        size: (height, width) of the training crops that the page shows.
        log: Gets a line a stage.
        progress: Gets how many pictures are done, and of how many.

    Raises:
        InputError: no such data set, nothing that can be read as one, or an `output_dir` in it or with somebody else's files.
    """
    written = [Path(output_dir) / name for name in ("inspect.json", "inspect.html")] if output_dir else []
    if written:
        refuse_as_output(output_dir)
        if data_dir and Path(output_dir).resolve().is_relative_to(Path(data_dir).resolve()):
            raise InputError(f"--output_dir={output_dir} lies in the data set {data_dir}; give a folder outside of it")
        keys = {"dataset", "findings"}
        files.refuse_to_replace(written, command="kerasseg inspect", told_by=written[0], keys=keys)
    loaded = datasets.load_dataset(dataset, data_dir=data_dir)
    tallies = {}
    for name, split in loaded.splits.items():
        log(f"reading {len(split)} {name} examples of {dataset}")
        tallies[name] = tally.count(split, progress=progress)
    found = health.examine(loaded, tallies, data_dir=data_dir)
    if written:
        files.write_json(written[0], found.to_json())
        files.write_text(written[1], _page(loaded, found, size))
        log(f"wrote inspect.json and inspect.html to {output_dir}")
    return found


def _page(dataset: Dataset, found: Health, size: tuple[int, int]) -> str:
    config, random = TrainConfig(size=size), np.random.default_rng(0)
    overlays, crops = [], []
    for split, name in _chosen(found.tallies):
        example = dataset.split(split)[dataset.split(split).names.index(name)]
        overlays.append(Shown(f"{split}/{name}", coloring.overlay(example.image, example.labels, dataset.class_names)))
        image, labels = augment(example.image, example.labels, config, random=random)
        crops.append(Shown(name, coloring.overlay(image, labels, dataset.class_names)))
    return pages.health(found, overlays=overlays, crops=crops, suspicious=_suspicious(dataset, found), size=size)


def _chosen(tallies: Mapping[str, Tally]) -> list[tuple[str, str]]:
    """(split, name) of pictures: for each class in turn, the rarest first, the one that has most of it and is not taken."""
    places = [(split, name) for split, one in tallies.items() for name in one.names]
    if not places:
        return []
    table = np.concatenate([one.table for one in tallies.values()])[:, :IGNORE_LABEL]
    present = [int(i) for i in np.argsort(table.sum(0), kind="stable") if table[:, i].any()] or [0]
    chosen: list[int] = []
    while len(chosen) < min(OVERLAYS, len(places)):
        number = present[len(chosen) % len(present)]
        left = np.setdiff1d(np.arange(len(places)), chosen)
        chosen.append(int(left[np.argmax(table[left, number])]))
    return [places[i] for i in chosen]


def _suspicious(dataset: Dataset, found: Health) -> list[Shown]:
    """The pictures that findings name, as far as they can be read."""
    shown: list[Shown] = []
    for one in found.findings:
        for file in one.files:
            for split, tallied in found.tallies.items():
                parts = [*re.split(" [=~] ", file), file.split(" (")[0]]
                names = {part.removeprefix(f"{split}/") for part in parts}
                for name in sorted(names & set(tallied.names)):
                    if len(shown) < SUSPICIOUS and one.kind in ("shared", "near", "twice", "unlabelled_pictures", "exchanged"):
                        example = dataset.split(split)[dataset.split(split).names.index(name)]
                        picture = coloring.overlay(example.image, example.labels, dataset.class_names)
                        shown.append(Shown(f"{one.kind}: {split}/{name}", picture))
    return shown
