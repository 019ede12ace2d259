"""From an export's classes to a data set's: merged, picked, ordered, left out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerasseg.data import class_files
from kerasseg.data.formats.annotated import BACKGROUND, IGNORED, NOBODY
from kerasseg.data.labels import IGNORE_LABEL
from kerasseg.errors import InputError


@dataclass(frozen=True)
class Relabeling:
    """Where each class of an export goes.

    Attributes:
        class_names: Of the data set, in the order of their ids.
        ids: Position in the export's names -> id.
        nobody: The id of what nobody labelled.
        notes: What was understood, a sentence each.
    """

    class_names: tuple[str, ...]
    ids: tuple[int, ...]
    nobody: int
    notes: tuple[str, ...]

    def __call__(self, drawn: np.ndarray) -> np.ndarray:
        """A drawn map, positions in the export's names, NOBODY or IGNORED, as label ids uint8."""
        table = np.full(len(self.ids) + 2, IGNORE_LABEL, np.uint8)  # the last two are IGNORED, -2, and NOBODY, -1
        table[: len(self.ids)] = self.ids
        table[NOBODY] = self.nobody
        assert IGNORED == -2
        return table[drawn]


def relabeling(
    names: Sequence[str], *, instances: bool, classes: Sequence[str], ignore: Sequence[str], merge: Sequence[str]
) -> Relabeling:
    """What the settings of those names make of an export's classes.

    Args:
        names: Of the export.
        instances: Whether what nobody labelled is background.
        classes: To keep, in their order; empty keeps all.
        ignore: Not to count.
        merge: "name:one+another", a group each.

    Raises:
        InputError: a class that is not there, or fewer than two that are left.
    """
    into = {name: name for name in names}
    for group in merge:
        target, colon, parts = group.partition(":")
        if not colon or not target.strip() or not parts.strip():
            raise InputError(f"--merge={group} is no group; write one such as car:truck+bus")
        for part in parts.split("+"):
            name = _known(part.strip(), names, "--merge")
            if into[name] not in (name, target.strip()):
                raise InputError(f"--merge puts {name} into {into[name]} and into {target.strip()}; write it once")
            into[name] = target.strip()
    chained = sorted(target for target in set(into.values()) if into.get(target, target) != target)
    if chained:
        raise InputError(
            f"--merge makes classes {', '.join(chained)} and makes another class of what is called so; write one group of all, "
            "or another name"
        )
    merged = list(dict.fromkeys(into[name] for name in names))
    left_out = {_known(name, merged, "--ignore") for name in ignore}
    kept = [_known(name, merged, "--classes") for name in classes] or [name for name in merged if name not in left_out]
    both = sorted(left_out & set(kept))
    if both:
        raise InputError(f"{', '.join(both)} is in --classes and in --ignore; leave it out of one")
    if instances and BACKGROUND in merged and BACKGROUND not in kept and BACKGROUND not in left_out:
        kept = [BACKGROUND, *kept]
    class_names = class_files.check_names(tuple(kept), source="--classes, --merge and --ignore leave what")
    nobody = kept.index(BACKGROUND) if instances and BACKGROUND in kept else IGNORE_LABEL
    rest = BACKGROUND if nobody != IGNORE_LABEL else "255 (unlabelled)"
    notes = [f"what nobody labelled is {rest}"]
    dropped = [name for name in merged if name not in kept and name not in left_out]
    if dropped:
        notes.append(f"{', '.join(dropped[:8])}{' and others' if len(dropped) > 8 else ''} became {rest}, too")
    if left_out:
        notes.append(f"{', '.join(sorted(left_out))} is 255 and does not count")
    ids = tuple(IGNORE_LABEL if into[n] in left_out else kept.index(into[n]) if into[n] in kept else nobody for n in names)
    return Relabeling(class_names, ids, nobody, tuple(notes))


def _known(name: str, names: Sequence[str], flag: str) -> str:
    if name not in names:
        shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
        raise InputError(f"{flag} names {name!r}, the export has {shown}; write one of those")
    return name
