"""What the page of a run tells, before it is one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MATRIX = 30  # classes; a confusion matrix of more is no table that anybody reads


@dataclass(frozen=True)
class Shown:
    """A picture of a page.

    Attributes:
        caption: Under it.
        image: (H, W, 3) uint8.
    """

    caption: str
    image: np.ndarray


@dataclass(frozen=True)
class Sample:
    """A picture of the page of a run, beside what the model makes of it.

    Attributes:
        rank: Why it was chosen: "worst", "median" or "best".
        name: Of the example.
        miou: Mean IoU of its classes, 0..1.
        image: (H, W, 3) uint8.
        labels: (H, W, 3) uint8, colours of the labels.
        prediction: Likewise.
        errors: Likewise.
    """

    rank: str
    name: str
    miou: float
    image: np.ndarray
    labels: np.ndarray
    prediction: np.ndarray
    errors: np.ndarray


@dataclass(frozen=True)
class RunStory:
    """What the page of a run tells.

    Attributes:
        title: Of the page.
        class_names: One a class.
        commands: That made the run and its files.
        made_with: Versions and machine, a line.
        state: A line while the training is not finished; "" after.
        facts: Name -> value, the few numbers on top.
        data: `Health.to_json()` of what it was trained on; None where the run kept none.
        history: Rows of history.csv, an epoch each: column -> number, None where an epoch has none.
        scores: `Scores.to_json()` on val; None before the first evaluation.
        best_epoch: Whose weights they are of.
        shown: Pictures.
        rule: How those were chosen, a sentence.
        keras: Scores beside which the files stand.
        files: A row a .tflite file, of a report of `kerasseg.jobs.check`; `refused` says why one could not be scored.
        checked: The method of those numbers, a sentence.
        hurts: Rows of `check --per_layer` that lose most.
        hurts_file: Name of the file whose layers they are.
        noise: The figure of all of them.
        exports: `report` of `kerasseg.jobs.export` and its `figure`, each.
    """

    title: str
    class_names: tuple[str, ...]
    commands: Sequence[str]
    made_with: str
    state: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, Any] | None = None
    history: Sequence[Mapping[str, float | None]] = ()
    scores: Mapping[str, Any] | None = None
    best_epoch: int = 0
    shown: Sequence[Sample] = ()
    rule: str = ""
    keras: Mapping[str, Any] | None = None
    files: Sequence[Mapping[str, Any]] = ()
    checked: str = ""
    hurts: Sequence[Mapping[str, Any]] = ()
    hurts_file: str = ""
    noise: str = ""
    exports: Sequence[Mapping[str, Any]] = ()

    def curve(self, column: str, factor: float = 1.0) -> list[tuple[int, float]]:
        """(epoch, value) of the epochs that have one."""
        rows = ((row["epoch"], row.get(column)) for row in self.history)
        return [(int(epoch or 0), factor * value) for epoch, value in rows if value is not None]

    def shares(self) -> list[list[float]]:
        """The confusion matrix, 0..1 of each row's labelled pixels; empty where there are too many classes to show."""
        if self.scores is None or len(self.class_names) > MATRIX:
            return []
        return _by_row(self.scores["confusion"]).tolist()

    def confused(self, count: int = 8) -> list[tuple[str, str, float]]:
        """(label, taken for, share 0..1), the largest."""
        if self.scores is None:
            return []
        shares = _by_row(self.scores["confusion"])
        np.fill_diagonal(shares, 0)
        order = np.argsort(-shares, axis=None)[:count]
        places = [tuple(map(int, np.unravel_index(i, shares.shape))) for i in order]
        return [(self.class_names[a], self.class_names[b], float(shares[a, b])) for a, b in places if shares[a, b] > 0]


def _by_row(confusion: Sequence[Sequence[int]]) -> np.ndarray:
    counts = np.array(confusion, float)
    rows = counts.sum(1, keepdims=True)
    return np.divide(counts, rows, out=np.zeros_like(counts), where=rows > 0)
