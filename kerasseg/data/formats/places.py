"""Where the pictures are that annotations name."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from kerasseg.data.formats.annotated import below
from kerasseg.data.pairing import named
from kerasseg.errors import InputError


def find_files(root: Path, wanted: Sequence[tuple[str, Sequence[Path]]]) -> tuple[list[Path | InputError], list[str]]:
    """The pictures that annotations name.

    Each is looked for in its folders under its whole name. Where it is not there, the last part of the name will do, in the
    first of those folders or else anywhere below, but for one picture of that name alone, and none that is somebody else's.

    Args:
        root: The export.
        wanted: A name, as it was written, and the folders.

    Returns:
        A path each, or why there is none; and the note on those that lie in another folder than their names say.
    """
    names = [Path(name.replace("\\", "/")) for name, _ in wanted]
    whole = [
        next((folder / name for folder in folders if (folder / name).is_file()), None)
        for name, (_, folders) in zip(names, wanted, strict=True)
    ]
    by_name = defaultdict(list)
    for path in below(root) if None in whole else []:
        by_name[path.name].append(path)
    alike = [
        [] if there else [folders[0] / name.name] if (folders[0] / name.name).is_file() else by_name[name.name]
        for there, name, (_, folders) in zip(whole, names, wanted, strict=True)
    ]
    claims = Counter(os.path.realpath(path) for path in [*filter(None, whole), *(one[0] for one in alike if len(one) == 1)])
    found = [there or _alone(root, name, others, claims) for there, name, others in zip(whole, names, alike, strict=True)]
    moved = [
        f"{name} ({path.relative_to(root)})"
        for there, name, path in zip(whole, names, found, strict=True)
        if there is None and isinstance(path, Path) and len(name.parts) > 1
    ]
    note = f"{len(moved)} pictures are not where the annotations say, and were found by their names: {named(moved)}"
    return found, [note] if moved else []


def _alone(root: Path, name: Path, alike: Sequence[Path], claims: Counter[str]) -> Path | InputError:
    """The one file of a picture's name that no other annotation means, or what is wrong."""
    if len(alike) == 1 and claims[os.path.realpath(alike[0])] == 1:
        return alike[0]
    if not alike:
        return InputError(f"nothing below {root} is called {name.name}, which the annotations name; put the picture there")
    if len(alike) > 1:
        other = f"{len(alike)} files of its last name are there, of which none is named whole"
    else:
        other = f"{alike[0].relative_to(root)} is the picture of another annotation"
    return InputError(f"there is no {name} below {root}, which the annotations name, and {other}; put the picture there")


def all_found(found: Iterable[Path | InputError]) -> list[Path]:
    """The paths; raises the first that is none."""
    paths = []
    for one in found:
        if isinstance(one, InputError):
            raise one
        paths.append(one)
    return paths
