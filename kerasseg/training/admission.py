"""What a training looks at before its first step: every picture of a small data set, some of a large one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kerasseg import files
from kerasseg.data import cache, findings, health, tally
from kerasseg.data.datasets import Dataset
from kerasseg.data.splits import Split
from kerasseg.data.tally import Tally
from kerasseg.errors import DataError, InputError
from kerasseg.run import histogram
from kerasseg.run.directory import Run

LARGE = 2000  # pictures of train and val; with more, some are looked at and the others are checked as they are read
# Of a large set: as many pictures a split as have so many pixels, some seconds of decoding, within these bounds.
LOOKED_PIXELS, LEAST, MOST = 2**27, 64, 500

Log = Callable[[str], None]


@dataclass(frozen=True)
class Admitted:
    """What was seen of a data set that may be trained on.

    Attributes:
        pixels: (training pictures, 256) int64, of each id; zeros for pictures that were not looked at.
        story: What data.json keeps: `Health.to_json`, and the errors that were accepted.
        whole: Whether every picture was looked at.
    """

    pixels: np.ndarray
    story: dict
    whole: bool

    def explained(self, error: InputError) -> InputError:
        """The error of a picture that is read for the first time, with how to find all of its kind at once."""
        if self.whole or not isinstance(error, DataError):
            return error
        return DataError(f"{error}; kerasseg inspect finds all such files at once", kind=error.kind)


def check_accept(accept: Sequence[str]) -> None:
    """Raises InputError for a kind of error that is none, or that no training can let pass."""
    for kind in accept:
        if kind not in findings.ERRORS or kind in findings.UNREADABLE:
            known = ", ".join(kind for kind in findings.ERRORS if kind not in findings.UNREADABLE)
            raise InputError(f"--accept={kind} is unknown; give one of {known}")


def admit(dataset: Dataset, run: Run, *, accept: Sequence[str] = (), log: Log = lambda line: None) -> Admitted:
    """Looks at the pictures, says what is there, and divides the memory for what stays in it.

    A run of a large data set that is gone on with keeps what it saw when it began.

    Args:
        dataset: Of the run, the one that it was begun with.
        run: Not yet written, or gone on with.
        accept: Kinds of errors that let it pass.
        log: Gets a line a stage.

    Raises:
        InputError: something is wrong with the data that is not accepted.
    """
    splits = {name: dataset.split(name) for name in ("train", "val")}
    is_large = sum(map(len, splits.values())) > LARGE
    cache.plan(list(splits.values()), limit_bytes=run.config.cache_mib * 2**20)
    kept = histogram.kept(run, splits["train"]) if is_large else None
    if kept is not None and run.directory.data.is_file():
        counts = " and ".join(f"{len(split)} {name}" for name, split in splits.items())
        log(f"{counts} examples of {dataset.name}, looked at when the run began")
        return Admitted(kept, files.read_json(run.directory.data), whole=False)
    tallies = {}
    for name, split in splits.items():
        positions = _evenly(split) if is_large else list(range(len(split)))
        of = f" of {len(split)}" if len(positions) < len(split) else ""
        log(f"reading {len(positions)}{of} {name} examples of {dataset.name}")
        tallies[name] = tally.count(split, positions=positions)
    found = health.examine(dataset, tallies, data_dir=run.config.data_dir)
    _refuse(found, tallies["train"], accept=accept, log=log)
    if run.config.class_weights != "none" and not tallies["train"].whole:
        log(f"class weights are of the {len(tallies['train'].names)} training examples that were read")
    story = found.to_json() | {"accepted": sorted(set(accept))}
    return Admitted(tallies["train"].of_all(), story, whole=all(one.whole for one in tallies.values()))


def _evenly(split: Split) -> list[int]:
    height, width = split.size(0)
    return split.evenly(min(MOST, max(LEAST, LOOKED_PIXELS // (height * width))))


def _refuse(found: health.Health, train: Tally, *, accept: Sequence[str], log: Log) -> None:
    errors = found.errors(accept)
    if errors and errors[0].kind in findings.UNREADABLE:
        raise InputError(errors[0].text)
    for line in [*found.table().splitlines(), *(one.line() for one in found.findings)]:
        log(line)
    if errors:
        more = f", and {len(errors) - 1} more errors" if len(errors) > 1 else ""
        kind = errors[0].kind
        raise InputError(f"{errors[0].line().removeprefix('error ')}{more}; mend the data, or give --accept={kind}")
    if len(set(train.hashes)) == 1 < len(train.hashes):  # batch norms would see no variance
        first = train.names[0]
        raise InputError(f"all {len(train.hashes)} training pictures are copies of {first}; give pictures that differ")
