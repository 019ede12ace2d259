"""Which pictures are for training, and which for validation and test."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from kerasseg.data.pairing import named
from kerasseg.errors import InputError


def partition(
    names: Sequence[str], splits: Sequence[str], *, val_fraction: float, test_fraction: float, seed: int, group_by: str
) -> tuple[list[str], str]:
    """A split for every picture: the export's where it has a val split, else one that is drawn.

    Args:
        names: Of the pictures.
        splits: "train", "val", "test" or "", as the export has them.
        val_fraction: Share for val.
        test_fraction: Share for test.
        seed: Decides which.
        group_by: Expression; pictures whose match is the same text stay together. Empty parts each from each.

    Returns:
        "train", "val" or "test" a picture, and what was done, a sentence.

    Raises:
        InputError: an expression that is none or does not match every name, too few groups to draw from, or a share for test
            where the export has a test split.
    """
    expression = _compiled(group_by)
    if are_whole(splits):
        loose = [name for name, split in zip(names, splits, strict=True) if not split]
        if loose:
            raise InputError(f"{len(loose)} pictures are in no split while others are: {named(loose)}; put them into one")
        return list(splits), "the splits are the export's"
    if "test" in splits and test_fraction:
        raise InputError(f"the export has a test split, so that test_fraction={test_fraction} would do nothing; leave it out")
    groups = _groups(names, expression)
    drawn = [group for group, members in groups.items() if all(splits[i] != "test" for i in members)]
    order = [drawn[i] for i in np.random.default_rng(seed).permutation(len(drawn))]
    total = sum(len(groups[group]) for group in drawn)
    found = ["test" if split == "test" else "train" for split in splits]
    shares = [("val", val_fraction), ("test", 0.0 if "test" in splits else test_fraction)]
    said = ""
    for split, fraction in shares:
        if not fraction:
            continue
        target = max(1, round(fraction * total))
        taken = set(_nearest({group: len(groups[group]) for group in order}, target))
        order = [group for group in order if group not in taken]
        for group in taken:
            for i in groups[group]:
                found[i] = split
        if abs(found.count(split) - target) > target / 4:
            said += f"; {target} were asked for {split}: groups are kept whole"
    if not order or {"train", "val"} - set(found):
        tested = f", of which {len(groups) - len(drawn)} have pictures in the export's test split," if "test" in splits else ""
        raise InputError(
            f"{len(names)} pictures in {len(groups)} groups{tested} do not make train and val with val_fraction={val_fraction} "
            f"and test_fraction={test_fraction}; give others, or --group_by an expression that tells more apart"
        )
    counts = ", ".join(f"{found.count(split)} for {split}" for split in ("train", "val", "test") if split in found)
    by = f", {len(groups)} groups by {group_by!r} kept together" if group_by else ""
    torn = [i for group, members in groups.items() if group not in drawn for i in members if splits[i] != "test"]
    if torn:
        by += f" but for {len(torn)} pictures for train whose groups have others in the export's test split"
    return found, f"the split was drawn with seed {seed}: {counts}{by}{said}"


def _nearest(sizes: Mapping[str, int], target: int) -> list[str]:
    """Groups, in their order, that have about so many pictures: those that fit, and one more where that comes nearer."""
    taken, count = [], 0
    for group, size in sizes.items():
        if count + size <= target:
            taken.append(group)
            count += size
    fitting = set(taken)
    others = [group for group in sizes if group not in fitting]
    last = min(others, key=lambda group: sizes[group], default=None)
    if last is not None and (not taken or count + sizes[last] - target < target - count):
        taken.append(last)
    return taken


def are_whole(splits: Sequence[str]) -> bool:
    """Whether an export has splits that need not be drawn."""
    return "val" in splits and "train" in splits


def _compiled(group_by: str) -> re.Pattern[str]:
    try:
        return re.compile(group_by or ".*", re.DOTALL)
    except re.error as error:
        raise InputError(f"--group_by={group_by} is no regular expression ({error}); write one such as '^([^_]+)_'") from error


def _groups(names: Sequence[str], expression: re.Pattern[str]) -> dict[str, list[int]]:
    matches = [expression.search(name) for name in names]
    lost = [name for name, match in zip(names, matches, strict=True) if match is None]
    if lost:
        raise InputError(
            f"--group_by={expression.pattern} does not match {len(lost)} names: {named(lost)}; mend the expression"
        )
    groups = defaultdict(list)
    for i, match in enumerate(matches):
        assert match is not None
        groups[(match[1] or "") if match.re.groups else match[0]].append(i)
    return dict(groups)
