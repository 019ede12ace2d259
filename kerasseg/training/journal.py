"""The page of a run, from what lies in its directory: written while it trains, and by `kerasseg report`."""

import csv
import dataclasses
import importlib.util
import io
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kerasseg import files
from kerasseg.config import TrainConfig
from kerasseg.data.letterbox import segment_all
from kerasseg.data.splits import Split
from kerasseg.errors import InputError
from kerasseg.reports.story import RunStory, Sample
from kerasseg.run.directory import Run
from kerasseg.score import metrics
from kerasseg.score.evaluation import Predict

EACH = 4  # pictures of the worst, the median and the best


@dataclass
class Evaluation:
    """The scores of a run's best weights, and of every picture by itself.

    Attributes:
        epoch: Whose weights they are of.
        scores: Of the whole split.
        by_picture: Name -> mean IoU of the classes that are in the picture's labels or predictions, 0..1.
    """

    epoch: int
    scores: dict[str, Any]
    by_picture: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, confusion: np.ndarray) -> None:
        """Takes the confusion matrix of one picture; one without a label counts for nothing."""
        if confusion.any():
            self.by_picture[name] = float(np.nanmean(metrics.class_iou(confusion)))


def keep(run: Run, found: Evaluation) -> None:
    """Writes best.json."""
    files.write_json(run.directory.best, dataclasses.asdict(found))


def kept(run: Run) -> Evaluation | None:
    """What `keep` wrote; None where it is not there, as in runs of version 0.1.

    Raises:
        InputError: it is not what `keep` writes.
    """
    if not run.directory.best.is_file():
        return None
    stored = files.read_json(run.directory.best)
    if not isinstance(stored, dict) or stored.keys() != {one.name for one in dataclasses.fields(Evaluation)}:
        raise InputError(f"{run.directory.best} is none that a training wrote; remove it, and it is made again")
    return Evaluation(**stored)


def chosen(by_picture: Mapping[str, float]) -> list[tuple[str, str]]:
    """(rank, name): the worst, the median and the best by IoU, EACH of them, none twice; all where there are few."""
    order = sorted(by_picture, key=lambda name: (by_picture[name], name))
    first = max(EACH, (len(order) - EACH) // 2)
    parts = {"worst": order[:EACH], "median": order[first : first + EACH], "best": order[max(EACH, len(order) - EACH) :]}
    taken: dict[str, str] = {}
    for rank in ("worst", "best", "median"):
        taken |= {name: rank for name in parts[rank] if name not in taken}
    return [(taken[name], name) for name in order if name in taken]


def samples(run: Run, split: Split, predict: Predict, by_picture: Mapping[str, float], *, together: int = 1) -> list[Sample]:
    """The pictures of the page, segmented again, so many at a time."""
    from kerasseg.reports import coloring

    found, ranked = [], chosen(by_picture)
    examples = [split[split.names.index(name)] for _, name in ranked]
    images = (one.image for one in examples)
    all_ids = segment_all(predict, images, size=run.eval_size, together=together)
    for (rank, name), example, ids in zip(ranked, examples, all_ids, strict=True):
        colored = (coloring.colorize(example.labels, run.class_names), coloring.colorize(ids, run.class_names))
        wrong = coloring.errors(example.labels, ids)
        found.append(Sample(rank, name, by_picture[name], example.image, *colored, wrong))
    return found


def unfinished(run: Run) -> str:
    """A sentence about a run that has not come to its end; empty of one that has."""
    history = _history(run)
    done = int(history[-1]["epoch"] or 0) if history else 0
    return "" if done >= run.config.epochs else f"Not finished: epoch {done} of {run.config.epochs} is done."


def story(
    run: Run, *, best: Evaluation | None, shown: Sequence[Sample] = (), about: Mapping[str, Any], **more: Any
) -> RunStory:
    """What the page tells of a run.

    Args:
        run: The run.
        best: Of its best weights; None before there are any.
        shown: From `samples`.
        about: Versions and machine, of `provenance`.
        more: Further attributes of the story.
    """
    history = _history(run)
    data = _data(run)
    facts = {}
    if best:
        facts = {"val mIoU": f"{100 * best.scores['miou']:.2f} %", "best epoch": f"{best.epoch} of {run.config.epochs}"}
    if data:
        facts |= {f"{split} pictures": f"{count:,}" for split, count in data["pictures"].items()}
    if run.config.holdout:
        facts["val, held out by"] = run.config.holdout
    shown_as = "{}x{}".format(*run.eval_size) + (", grey" if run.spec.channels == 1 else "")
    facts |= {"classes": str(run.num_classes), "input, evaluated": shown_as}
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items() if version)
    begun = f"begun with {' and '.join(run.made_with.values())}; " if run.made_with else ""
    commit = f"; commit {about['commit']}" if about["commit"] else ""
    told: dict[str, Any] = {
        "commands": [train_command(run)],
        "state": unfinished(run),
        "rule": f"The {EACH} pictures of val with the lowest, the median and the highest mean IoU of their own classes.",
    }
    return RunStory(
        title=f"{run.config.model} on {run.config.dataset}: {run.directory.path.resolve().name}",
        class_names=run.class_names,
        made_with=f"{begun}page made with {versions}; {about['cpu']}{commit}",
        facts=facts,
        data=data,
        history=history,
        scores=best.scores if best else None,
        best_epoch=best.epoch if best else 0,
        shown=shown,
        **(told | more),
    )


def train_command(run: Run, *, for_others: bool = False) -> str:
    """The command that trains the run: what differs from the defaults.

    Args:
        run: The run.
        for_others: Leaves out where this machine has its files.
    """
    default, settings, workdir = dataclasses.asdict(TrainConfig()), dataclasses.asdict(run.config), run.directory.path
    if for_others:
        workdir = Path(workdir.resolve().name)
        settings |= {name: Path(settings[name]).name for name in ("backbone_weights", "init_weights", "teacher")}
        settings["data_dir"] = settings["data_dir"] and "DATA_DIR"
    flags = []
    for name, value in settings.items():
        if value != default[name] or name in ("model", "dataset", "size"):
            text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            flags.append(f"--no{name}" if value is False else shlex.quote(f"--{name}={text}"))
    if files.has_keys(run.directory.data, ("accepted",)) and (accepted := files.read_json(run.directory.data)["accepted"]):
        flags.append(shlex.quote(f"--accept={','.join(map(str, accepted))}"))
    backend = (run.made_with or {}).get("backend", "").split(" ")[0]
    begin = f"KERAS_BACKEND={backend} " if backend not in ("", "tensorflow") else ""
    return " ".join([f"{begin}kerasseg train", *flags, shlex.quote(f"--workdir={workdir}")])


def write(run: Run, told: Callable[[], RunStory], *, log: Callable[[str], None]) -> None:
    """Writes the page; where Jinja2 is missing, as in an installation without requirements, says so instead."""
    if importlib.util.find_spec("jinja2") is None:
        log(f"no {run.directory.page.name}: pip install jinja2")
        return
    from kerasseg.reports import pages

    files.write_text(run.directory.page, pages.run(told()))


def write_table(run: Run, history: Sequence[dict]) -> None:
    """Writes history.csv.

    Args:
        run: Gets it.
        history: A row an epoch. Seconds are left out: the same run, the same table.
    """
    names = ["epoch", "loss", *(["divergence"] if run.teacher else []), "learning_rate", "val_miou", "val_pixel_accuracy"]
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(history)
    files.write_text(run.directory.history, text.getvalue())


def _data(run: Run) -> dict[str, Any] | None:
    path = run.directory.data
    if not path.is_file():
        return None
    data = files.read_json(path)
    if not isinstance(data, dict) or not isinstance(data.get("pictures"), dict):
        raise InputError(f"{path} is not what kerasseg train wrote of its data; the same training again writes it anew")
    return data


def _history(run: Run) -> list[dict[str, float | None]]:
    """The rows of history.csv, as numbers.

    Raises:
        InputError: another program has written it.
    """
    path = run.directory.history
    if not path.is_file():
        return []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [{name: float(text) if text else None for name, text in row.items()} for row in csv.DictReader(file)]
    except (ValueError, TypeError, csv.Error):  # TypeError: more cells in a row than names
        rows = [{}]
    if any("epoch" not in row for row in rows):
        raise InputError(
            f"{path} is no table of epochs as kerasseg train writes it, with commas; the same training again writes it anew"
        )
    return rows
