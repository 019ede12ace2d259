"""The class map that main.cc prints, read from a board's or an emulator's log."""

import codecs
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kerasseg.errors import InputError
from kerasseg.mcu.vectors import MARK

# What a monitor writes before (times, levels) or behind (colours, a carriage return) is left out.
_LINE = re.compile(rf"{MARK} (\w{{1,80}})((?: [0-9a-f:]{{1,80}})*);", re.ASCII)
LARGEST = 2**16  # side of a class map; what claims more was changed on the way
_RUN = re.compile(r"(\d+):(\d+)", re.ASCII)
# What main.cc says, and no other program: before it has run the network, and of what came out.
_BEFORE = re.compile(
    r"FAIL: (the model has another schema|an operator is missing|AllocateTensors|input \d|the model did)[^\r\n\x1b]*"
)
_AFTER = r"the output is equal|output \d+ has|\d+ bytes of the output"
_PASS = re.compile(rf"PASS: (?:{_AFTER})[^\r\n\x1b]*")
_FAIL = re.compile(rf"FAIL: (?:{_AFTER})[^\r\n\x1b]*|{_BEFORE.pattern}")
_AGAIN = "run it again and keep the whole log"


@dataclass(frozen=True)
class ClassLog:
    """A class map from a log, and what main.cc says beside it.

    Attributes:
        ids: (H, W) uint8.
        num_classes: As the export says.
        vector: SHA-256 of the test vector's input and output (`Vector.sha256`).
        model: SHA-256 of the file that ran.
        microseconds: Of a run; None where the port has no clock.
        arena_bytes: That were used; None where the log does not say it.
        verdict: The line of PASS or FAIL; empty where there is none.
    """

    ids: np.ndarray
    num_classes: int
    vector: str
    model: str
    microseconds: int | None
    arena_bytes: int | None
    verdict: str


@dataclass(frozen=True)
class _Line:
    number: int
    kind: str
    words: list[str]


def read(content: bytes, *, file: str) -> ClassLog:
    """The last class map of a log.

    Args:
        content: Of the log: any bytes, with other programs' lines between ours, with prefixes and with CRLF.
        file: Its name, for messages.

    Raises:
        InputError: there is no class map in it, it was cut, or characters were lost or changed on the way.
    """
    wide = content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # PowerShell's redirections write it
    lines = content.decode("utf-16" if wide else "utf-8", "replace").splitlines()
    begins = [i for i, line in enumerate(lines) if f"{MARK} begin" in line]
    if not begins:
        failed = next((f" (it says {said[0]!r})" for line in lines if (said := _FAIL.search(line))), "")
        raise InputError(f"{file} holds no class map{failed}; compile main.cc with -DKERASSEG_PRINT_CLASS_MAP and run it again")
    found = list(_ours(lines, begins[-1], file))
    _refuse_later(lines, begins[-1], file)
    heads = {line.kind: line.words for line in found if not line.kind.isdigit()}
    sizes = [int(word) for word in heads.get("begin", []) if word.isdecimal()]
    if (
        len(sizes) != 3
        or not 0 < min(sizes) <= max(sizes) <= LARGEST
        or any(len(heads.get(name, [])) != 1 for name in ("vector", "model"))
    ):
        raise InputError(f"{file} is damaged: the head of the class map at line {begins[-1] + 1} is not whole; {_AGAIN}")
    height, width, num_classes = sizes
    ids = _ids([line for line in found if line.kind.isdigit()], height, width, file)
    if "end" not in heads:
        raise InputError(f"{file} was cut: the class map has all its rows and no end; {_AGAIN}")
    if heads["end"] != [str(zlib.crc32(ids))] or max(ids, default=0) >= num_classes:
        raise InputError(f"{file} is damaged: the class map's check sum is another than the board's; {_AGAIN}")
    values = np.frombuffer(ids, np.uint8).reshape(height, width)
    return ClassLog(values, num_classes, heads["vector"][0], heads["model"][0], *_beside(lines, begins))


def _refuse_later(lines: Sequence[str], begin: int, file: str) -> None:
    """Raises InputError where the board began once more after the last map, and gave none."""
    said = 0
    for number, line in enumerate(lines[begin:], start=begin + 1):
        told = _PASS.search(line) or _FAIL.search(line)
        said += told is not None
        if told and (said > 1 or _BEFORE.search(line)):
            raise InputError(
                f"{file} ends with another run that printed no class map: {told[0]!r} at line {number}; run it again, and give "
                "the log of that"
            )


def _ours(lines: Sequence[str], begin: int, file: str) -> Iterator[_Line]:
    """What is ours of a log's lines, from the map's first to its last."""
    for i in range(begin, len(lines)):
        if MARK not in lines[i]:
            continue
        found = _LINE.match(lines[i], lines[i].index(MARK))
        if found is None or lines[i].count(MARK) > 1:
            what = "was cut" if i == len(lines) - 1 else "is damaged"
            raise InputError(
                f"{file} {what}: line {i + 1} is no whole line of a class map ({lines[i].strip()[:80]!r}); {_AGAIN}"
            )
        yield _Line(i + 1, found[1], found[2].split())
        if found[1] == "end":
            return


def _ids(rows: Sequence[_Line], height: int, width: int, file: str) -> bytes:
    """The class of every pixel, row by row."""
    ids = bytearray()
    for line in rows:
        row, column = divmod(len(ids), width)
        if (int(line.kind), line.words[:1]) != (row, [str(column)]):
            raise InputError(f"{file} was cut: at line {line.number} row {row} of {height} was to come; {_AGAIN}")
        for word in line.words[1:]:
            run = _RUN.fullmatch(word)
            if run is None or int(run[1]) > 255 or not 0 < int(run[2]) <= width - len(ids) % width:
                raise InputError(f"{file} is damaged: {word!r} at line {line.number} is no run of a class; {_AGAIN}")
            ids += bytes([int(run[1])]) * int(run[2])
    if len(ids) < height * width:
        raise InputError(f"{file} was cut: row {len(ids) // width} of {height} is not in it; {_AGAIN}")
    return bytes(ids)


def _beside(lines: Sequence[str], begins: Sequence[int]) -> tuple[int | None, int | None, str]:
    """Microseconds, bytes of arena and verdict of the run whose map begins last."""
    before = "\n".join(lines[begins[-2] if len(begins) > 1 else 0 : begins[-1]])
    times, arenas = re.findall(r"time: (\d+) us a run", before), re.findall(r"arena: (\d+) bytes used", before)
    verdicts = [found[0] for line in lines[begins[-1] :] if (found := _PASS.search(line) or _FAIL.search(line))]
    return (int(times[-1]) if times else None, int(arenas[-1]) if arenas else None, verdicts[0] if verdicts else "")
