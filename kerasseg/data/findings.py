"""What is wrong with a data set, or may be, read off its tallies."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasseg.data import folder, likeness, pairing
from kerasseg.data.datasets import Dataset
from kerasseg.data.labels import IGNORE_LABEL
from kerasseg.data.tally import Tally
from kerasseg.errors import DataError

RARE = 1e-4  # of the labelled pixels of all splits
# Kind of error -> what it means; `train --accept=KIND` lets it pass.
ERRORS = {
    "unreadable": "files that cannot be read",
    "missing": "files that are not there",
    "pairs": "pictures and labels that do not pair up",
    "sizes": "labels of another size than their picture",
    "ids": "ids that are no class",
    "unlabelled": "a split in which nothing is labelled",
    "two_values": "0 and 255 alone where there are two classes",
    "absent": "a class with no pixel in train",
    "other_classes": "labels that are not the data set's own",
}
UNREADABLE = ("unreadable", "missing", "pairs", "sizes", "ids")  # what no --accept lets pass: nothing could be trained on


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, or may be.

    Attributes:
        kind: A key of ERRORS, or a warning's name.
        is_error: Whether training stops on it.
        text: What, and what to do.
        files: Names of the pictures or files it is about, worst first.
    """

    kind: str
    is_error: bool
    text: str
    files: tuple[str, ...] = ()

    def line(self) -> str:
        """In one line, with the first few files."""
        where = f": {pairing.named(self.files)}" if self.files else ""
        return f"{'error' if self.is_error else 'warning'} ({self.kind}): {self.text}{where}"


def find(dataset: Dataset, tallies: Mapping[str, Tally], *, data_dir: str = "") -> list[Finding]:
    """Everything, errors first; with the folder of a `folder` data set, what lies there and is not read, too."""
    found = [
        *_sampled(tallies),
        *_refused(tallies),
        *_classes(dataset, tallies),
        *_copies(tallies),
        *_near(tallies),
        *_pictures(tallies),
        *_exchanged(tallies),
    ]
    if dataset.name == "folder" and data_dir:
        found += _strays(Path(data_dir))
    return sorted(found, key=lambda one: not one.is_error)


def _sampled(tallies: Mapping[str, Tally]) -> Iterable[Finding]:
    """Says which splits were looked at in part, so that nobody takes what was counted for all there is."""
    parts = [f"{len(one.names) + len(one.refused):,} of {one.examples:,} {split}" for split, one in tallies.items()
        if not one.whole]  # fmt: skip
    if parts:
        yield Finding("sampled", False, f"{' and '.join(parts)} pictures were looked at, evenly spaced, and what is said here "
            "is of these; the others are checked as they are read, and kerasseg inspect looks at all")  # fmt: skip


def _refused(tallies: Mapping[str, Tally]) -> Iterable[Finding]:
    by_kind: dict[str, list[str]] = defaultdict(list)
    first: dict[str, str] = {}
    for one in tallies.values():
        for name, error in one.refused:
            kind = error.kind if isinstance(error, DataError) else "unreadable"
            by_kind[kind].append(name)
            first.setdefault(kind, str(error))
    for kind, names in by_kind.items():
        yield Finding(kind, True, f"{ERRORS[kind]}, {len(names)} of them; the first: {first[kind]}", tuple(names))


def _classes(dataset: Dataset, tallies: Mapping[str, Tally]) -> Iterable[Finding]:
    names = dataset.class_names
    totals = {split: one.table.sum(0) for split, one in tallies.items()}
    everything = sum(totals.values(), np.zeros(256, np.int64))
    for split, total in totals.items():
        if total.any() and not total[:IGNORE_LABEL].any():
            yield Finding(
                "unlabelled", True, f"every pixel of {split} is 255, which is unlabelled: nothing can be learned from it"
            )
    train, used = totals.get("train"), np.flatnonzero(everything)
    if len(names) == 2 and used.tolist() == [0, IGNORE_LABEL]:
        yield Finding("two_values", True, "the labels hold 0 and 255 alone, and 255 means unlabelled here; "
            f"kerasseg prepare makes it class 1, {names[1]}")  # fmt: skip
        return
    occur = int((everything[: len(names)] > 0).sum())
    if dataset.name == "voc2012" and everything[: len(names)].any() and 2 * occur < len(names):
        yield Finding("other_classes", True, f"{occur} of PASCAL VOC's {len(names)} classes occur: these seem to be others; "
            "kerasseg prepare reads this layout with classes of your own")  # fmt: skip
    elif train is not None and train[:IGNORE_LABEL].any():
        absent = [name for i, name in enumerate(names) if not train[i]]
        what = "a class" if len(absent) == 1 else f"{len(absent)} classes"
        if absent and tallies["train"].whole:
            yield Finding(
                "absent", not dataset.fixed_classes, f"{what} with no pixel in train, which cannot be learned", tuple(absent)
            )
        elif absent:  # perhaps in one of the others
            looked = len(tallies["train"].names)
            yield Finding("absent", False, f"{what} with no pixel in the {looked:,} train pictures looked at", tuple(absent))
    if not everything[0] and everything[1 : len(names)].any() and not dataset.fixed_classes:
        yield Finding("from_one", False, f"no pixel is of id 0, {names[0]}: do the ids begin at 1?")
    for split, total in totals.items():
        lost = [name for i, name in enumerate(names) if not total[i] and train is not None and train[i]]
        if split != "train" and lost and total[:IGNORE_LABEL].any():
            yield Finding(
                f"absent_in_{split}", False, f"no pixel in {split}, so that no score there speaks of them", tuple(lost)
            )
    labelled = max(1, int(everything[:IGNORE_LABEL].sum()))
    rare = [name for i, name in enumerate(names) if 0 < everything[i] < RARE * labelled]
    if rare:
        yield Finding("rare", False, f"less than {100 * RARE:g} % of the labelled pixels", tuple(rare))


def _copies(tallies: Mapping[str, Tally]) -> Iterable[Finding]:
    where: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for split, one in tallies.items():
        for name, digest in zip(one.names, one.hashes, strict=True):
            where[digest].append((split, name))
    shared = [places for places in where.values() if len({split for split, _ in places}) > 1]
    twice = [places for places in where.values() if len(places) > 1 and len({split for split, _ in places}) == 1]
    for kind, groups, text in (
        ("shared", shared, "pictures that are in two splits, so that a score there flatters"),
        ("twice", twice, "pictures that are in one split more than once"),
    ):
        if groups:
            shown = tuple(" = ".join(f"{split}/{name}" for split, name in places[:3]) for places in groups)
            yield Finding(kind, False, f"{len(groups)} {text}", shown)


def _near(tallies: Mapping[str, Tally]) -> Iterable[Finding]:
    """Pictures that are much like one in train; those that are the same to the pixel are `_copies`'."""
    train = tallies.get("train", Tally())
    for split, one in tallies.items():
        if split == "train":
            continue
        alike, where = likeness.nearest(one.thumbnails, train.thumbnails)
        copied = np.isin(np.array(one.hashes, np.int64), np.array(train.hashes, np.int64))
        near = [int(i) for i in np.argsort(-alike, kind="stable") if alike[i] >= likeness.NEAR and not copied[i]]
        if near:
            pairs = tuple(f"{split}/{one.names[i]} ~ train/{train.names[where[i]]}" for i in near)
            text = (
                f"{len(near)} of {len(one.names)} pictures of {split} show nearly what one in train shows (likeness "
                f"{alike[near[0]]:.2f} at most; 1 is a copy), so that a score there flatters; keep what was taken together on "
                "one side, kerasseg prepare --group_by=EXPRESSION or train --holdout=EXPRESSION"
            )
            yield Finding("near", False, text, pairs)


def _pictures(tallies: Mapping[str, Tally]) -> Iterable[Finding]:
    for split, one in tallies.items():
        table = one.table
        empty = [name for name, counts in zip(one.names, table, strict=True) if not counts[:IGNORE_LABEL].any()]
        if empty and len(empty) < len(one.names):
            yield Finding("unlabelled_pictures", False, f"{len(empty)} pictures of {split} are 255 throughout", tuple(empty))


def _exchanged(tallies: Mapping[str, Tally]) -> Iterable[Finding]:
    """Pictures in which two classes have each other's colours, against all other pictures."""
    everything = [
        (f"{split}/{name}", colors)
        for split, one in tallies.items()
        for name, colors in zip(one.names, one.colors, strict=True)
    ]
    by_class: dict[int, list[np.ndarray]] = defaultdict(list)
    for _, colors in everything:
        for number, color in colors.items():
            by_class[number].append(color)
    middle = {number: np.median(colors, 0) for number, colors in by_class.items() if len(colors) >= 5}
    spread = {n: np.median(np.abs(np.array(by_class[n]) - color), 0).mean() + 8 for n, color in middle.items()}
    found = []
    for name, colors in everything:
        away = {n: _apart(colors[n], middle[n]) / spread[n] for n in sorted(set(colors) & set(middle))}
        strange = [n for n, distance in away.items() if distance > 3]  # few: of all pairs there are too many to look at
        for i, a in enumerate(strange):
            for b in strange[i + 1 :]:
                swapped = _apart(colors[a], middle[b]) / spread[b], _apart(colors[b], middle[a]) / spread[a]
                if max(swapped) < 1.5:
                    found.append((away[a] + away[b] - sum(swapped), f"{name} (ids {a} and {b})"))
    if found:
        names = tuple(name for _, name in sorted(found, reverse=True))
        yield Finding("exchanged", False, f"{len(names)} label maps in which two classes have each other's colours", names)


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).mean())


def _strays(root: Path) -> Iterable[Finding]:
    """What lies in a `folder` data set and is not read."""
    inside, unread = [], []
    for kind in ("images", "labels"):
        splits = [root / kind / split for split in folder.SPLITS if (root / kind / split).is_dir()]
        for place in splits or [root / kind]:
            for path in sorted(place.iterdir()):
                if path.is_dir() and not path.name.startswith("."):
                    inside += [str(p.relative_to(root)) for p in sorted(path.rglob("*")) if pairing.is_picture(p)]
                elif not path.is_dir() and not pairing.is_picture(path) and not path.name.startswith("."):
                    unread.append(str(path.relative_to(root)))
        if splits:
            inside += [str(p.relative_to(root)) for p in sorted((root / kind).iterdir()) if pairing.is_picture(p)]
    if inside:
        yield Finding("elsewhere", False, f"{len(inside)} pictures lie where none are read", tuple(inside))
    if unread:
        yield Finding("unread", False, f"{len(unread)} files have suffixes that are not read", tuple(unread))
    beside = [
        f"{split}.txt" for split in folder.SPLITS if (root / f"{split}.txt").is_file() and (root / "images" / split).is_dir()
    ]
    if beside:
        yield Finding(
            "list_beside", False, "lists that are not read, since there are folders of the same splits", tuple(beside)
        )
