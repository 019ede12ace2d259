"""Files that name classes: classes.txt, and what annotation tools write in its place."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from kerasseg import files
from kerasseg.errors import InputError

Color = tuple[int, int, int]
ROBOFLOW, COLORS = "_classes.csv", "class_dict.csv"
_NUMBERED = re.compile(r"\d+\s*[:=\t]")


def check_names(names: tuple[str, ...], *, source: object) -> tuple[str, ...]:
    """The names.

    Raises:
        InputError: fewer than 2, more than 255, or one twice.
    """
    if not 2 <= len(names) <= 255:
        raise InputError(f"{source} names {len(names)} classes; name 2 to 255, one a line")
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{source} names {name!r} {names.count(name)} times; name each class once")
    return names


def check_lines(names: Sequence[str], *, source: object) -> None:
    """Raises InputError, naming the first, unless a classes.txt gives each name back as it is."""
    for name in names:
        if not name.strip():
            raise InputError(f"{source} has a class without a name ({name!r}); name it in the tool that exported it")
        if "," in name or name.splitlines() != [name] or name != name.strip() or "\0" in name:
            raise InputError(
                f"{source} has a class {name!r}; a name in classes.txt has no comma, line break or space around it: rename it "
                "in the tool that exported it"
            )
        if name.startswith("#") or _NUMBERED.match(name):
            raise InputError(
                f"{source} has a class {name!r}; a name in classes.txt begins neither with # nor with a number and a colon: "
                f"rename it in the tool that exported it, or give --merge='NAME:{name}'"
            )


def read_text(path: Path) -> tuple[str, ...]:
    """The names in a classes.txt, one a line, in the order of their ids.

    Raises:
        InputError: it is no UTF-8 text, or what lies there is a table, a list in one line, or numbered.
    """
    lines = files.read_lines(path)
    for line in lines:
        if "," in line:
            raise InputError(
                f"{path} has a comma in {line[:60]!r}; write one class a line, in the order of the ids, nothing else"
            )
        if line.startswith("#"):
            raise InputError(f"{path} has a line {line[:60]!r}; # begins no comment here: leave the line out")
        if _NUMBERED.match(line):
            raise InputError(f"{path} has a number before the name in {line[:60]!r}; write the name alone, the first has id 0")
    return check_names(tuple(lines), source=path)


def read_roboflow(path: Path) -> tuple[str, ...]:
    """The names in a _classes.csv ("Pixel Value, Class"), whose values must count from 0.

    Raises:
        InputError: it is no such table.
    """
    rows = [[cell.strip() for cell in row] for row in csv.reader(files.read_lines(path), skipinitialspace=True)]
    if not rows or [cell.lower() for cell in rows[0]] != ["pixel value", "class"]:
        raise InputError(f"{path} does not begin with 'Pixel Value, Class'; export the masks again")
    odd = [row for row in rows[1:] if len(row) != 2]
    if odd:
        raise InputError(
            f"{path} has a row {', '.join(odd[0])!r}; write a pixel value, a comma and a name, without another comma"
        )
    found = {row[0]: row[1] for row in rows[1:]}
    if len(found) != len(rows) - 1 or list(found) != [str(i) for i in range(len(found))]:
        raise InputError(f"{path} has pixel values {', '.join(found)}; they must be 0, 1, 2 and so on, one a row")
    return check_names(tuple(found.values()), source=path)


def read_colors(path: Path) -> dict[str, Color]:
    """Name -> colour (R, G, B), from a class_dict.csv ("name,r,g,b").

    Raises:
        InputError: it is no such table, or two classes have one colour.
    """
    rows = [[cell.strip() for cell in row] for row in csv.reader(files.read_lines(path), skipinitialspace=True)]
    if not rows or [cell.lower() for cell in rows[0]] != ["name", "r", "g", "b"]:
        raise InputError(f"{path} does not begin with 'name,r,g,b'; write that line, and a class a line under it")
    return colors_of([(row[0], row[1:]) for row in rows[1:]], source=path)


def colors_of(rows: list[tuple[str, list[str]]], *, source: object) -> dict[str, Color]:
    """Name -> colour, from names and three numbers as text; refuses what is none, and what comes twice."""
    found: dict[str, Color] = {}
    for name, numbers in rows:
        try:
            red, green, blue = map(int, numbers)
        except ValueError:
            raise InputError(f"{source} gives {name!r} the colour {','.join(numbers)}; write three numbers 0..255") from None
        if not all(0 <= value <= 255 for value in (red, green, blue)):
            raise InputError(f"{source} gives {name!r} the colour {red},{green},{blue}; write three numbers 0..255")
        if name in found or (red, green, blue) in found.values():
            raise InputError(
                f"{source} has the name {name!r} or its colour {red},{green},{blue} twice; give each class its own"
            )
        found[name] = (red, green, blue)
    return found


def read(folder: Path) -> tuple[str, ...] | None:
    """The names in a folder's classes.txt, else _classes.csv, else class_dict.csv; None where there is none."""
    for name, reader in (
        ("classes.txt", read_text), (ROBOFLOW, read_roboflow), (COLORS, lambda path: tuple(read_colors(path))),
    ):  # fmt: skip
        if (folder / name).is_file():
            return reader(folder / name)
    return None
