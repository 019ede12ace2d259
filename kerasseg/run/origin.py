"""What a run was trained on: held against a data set before anything of it is scored, calibrated on or gone on with."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kerasseg.data.datasets import Dataset, load_for_run
from kerasseg.data.splits import Split
from kerasseg.errors import InputError
from kerasseg.run.directory import Run

# Of a split of more pictures than MANY, sizes and ends of SIZES go into the hashes: each is a file to be opened.
MANY, SIZES = 2000, 500

Log = Callable[[str], None]


def describe(dataset: Dataset) -> dict[str, Any]:
    """What config.json keeps of a data set: for each split the number of examples, and a hash of their names and sizes.

    Of splits of files there is a hash of how those end, too ("contents"). Of many pictures "sizes" says how many of them,
    evenly spaced, the hashes know the sizes and ends of.
    """
    described = {}
    for name, split in sorted(dataset.splits.items()):
        looked = {"sizes": SIZES} if len(split) > MANY else {}
        described[name] = {"examples": len(split), "fingerprint": split.fingerprint(**looked)} | looked
        if contents := split.contents(**looked):
            described[name]["contents"] = contents
    return described


def is_same(there: Mapping[str, Any], split: Split) -> bool:
    """Whether a split is what `describe` said it was."""
    return _difference(there, split) == ""


def _difference(there: Mapping[str, Any], split: Split) -> str:
    """In what a split is not what `describe` said, behind its name; runs of before kept no contents."""
    looked = there.get("sizes", 0)
    if len(split) != there["examples"]:
        return f"has {len(split)} examples, and had {there['examples']}"
    if split.fingerprint(sizes=looked) != there["fingerprint"]:
        return "has pictures of other names or sizes"
    if there.get("contents") and split.contents(sizes=looked) != there["contents"]:
        return "has pictures or labels that were changed"
    return ""


def differences(
    class_names: Sequence[str], data: Mapping[str, Any] | None, dataset: Dataset, *, splits: Sequence[str]
) -> list[str]:
    """In which ways a data set is not the one that a run was trained on.

    Args:
        class_names: Of the run.
        data: What `describe` said when the run began; None where nobody kept it.
        dataset: As it is now.
        splits: Which of them matter; one that the run did not know is no difference.
    """
    found = []
    if tuple(class_names) != dataset.class_names:
        found.append(f"the classes are {_listed(dataset.class_names)}, and were {_listed(class_names)}")
    for name in splits:
        there = (data or {}).get(name)
        if there is None or name not in dataset.splits:
            continue
        if what := _difference(there, dataset.splits[name]):
            found.append(f"{name} {what}")
    return found


def load_data(
    run: Run, *, splits: Sequence[str], data_dir: str = "", other_data: bool = False, log: Log = lambda line: None
) -> tuple[Dataset, list[str]]:
    """The data set of a run, and in what it differs from the one that the run was trained on.

    Args:
        run: The run.
        splits: Those that will be used.
        data_dir: Where it lies now; empty takes the run's own.
        other_data: Whether a difference is meant.
        log: Gets a line where there is one.

    Raises:
        InputError: the data set differs and `other_data` does not allow it, or cannot be loaded.
    """
    try:
        dataset, found = load_for_run(run.config, data_dir=data_dir), []
    except InputError as error:
        if not (run.config.holdout and other_data):
            raise
        dataset = load_for_run(dataclasses.replace(run.config, holdout=""), data_dir=data_dir)
        found = [f"nothing is held out ({error})"]
    found += differences(run.class_names, run.data, dataset, splits=splits)
    if found and not other_data:
        raise InputError(
            f"this is not the data that {run.directory.path} was trained on: {'; '.join(found)}; "
            "give the --data_dir of that data, or --other_data if it is meant"
        )
    if found:
        log(f"other data than the run was trained on: {'; '.join(found)}")
    if dataset.held and set(splits) != {"test"}:
        log(dataset.held)
    return dataset, found


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:8])
    return shown + (f" and {len(names) - 8} more" if len(names) > 8 else "")
