"""Files that are either the old ones or the new ones, never half of each."""

import contextlib
import errno
import hashlib
import json
import os
import platform
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from kerasseg.errors import InputError


class CannotWriteError(InputError):
    """A place where nothing can be written, or no more."""


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; on success it takes the place of `path` in one rename.

    The temporary name keeps the suffixes, because Keras chooses a format by them. When the body
    raises, the temporary file is removed and `path` stays as it was. What was written is on the disk before the rename, so
    that a power cut leaves the old file or the new one, too. A link stays a link; what it points to is replaced.

    Raises:
        CannotWriteError: the directory cannot be made, or the device is full or not writable.
    """
    path = Path(os.path.realpath(path))
    prefix = f"{_PARTIAL}{os.getpid()}-"
    end = os.fsencode(path.name)[max(0, len(prefix) + len(os.fsencode(path.name)) - _LONGEST) :]  # of a long name
    temporary = path.with_name(prefix + end.decode("utf-8", "ignore"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWriteError(
            f"cannot make the folder {path.parent}: {error.strerror or error}; choose another place"
        ) from error
    try:
        yield temporary
        _flush(temporary)
        os.replace(temporary, path)
    except OSError as error:
        if error.errno not in _CANNOT_WRITE:
            raise
        remedy = "free some space or choose another place" if error.errno in _FULL else "choose another place"
        raise CannotWriteError(f"cannot write {path}: {error.strerror}; {remedy}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


_PARTIAL = f".partial-{re.sub('[^A-Za-z0-9]', '', platform.node())}-"  # machines may share a folder
_LONGEST = 255  # bytes of a name, in all common file systems
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CANNOT_WRITE = {*_FULL, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG}


def remove_leftovers(folder: Path) -> None:
    """Removes what processes of this machine, killed while they wrote there, left half-written."""
    for path in folder.glob(f"{_PARTIAL}*"):
        owner = path.name.removeprefix(_PARTIAL).split("-")[0]
        if owner.isdigit() and not _is_alive(int(owner)):
            path.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    if os.name == "nt":
        return True  # nothing there asks without a signal that may end it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def write_bytes(path: str | Path, content: bytes) -> None:
    """Writes `content` atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | Path, text: str) -> None:
    """Writes `text` atomically, as UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: str | Path, value: Any) -> None:
    """Writes `value` atomically, indented, with a final newline."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def read_lines(path: str | Path) -> list[str]:
    """The lines of a text file that are not empty, without spaces around them; a byte order mark is no part of the first.

    Raises:
        InputError: there is no such file, or it is no UTF-8 text.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"no file {path}; check the path") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no readable UTF-8 text ({error}); save it as UTF-8") from error
    if "\0" in text:
        raise InputError(f"{path} is no readable UTF-8 text (it has zero bytes, as UTF-16 does); save it as UTF-8")
    return [line.strip() for line in text.splitlines() if line.strip()]


def read_json(path: str | Path, *, mend: str = "restore or remove it") -> Any:
    """Reads a JSON file; a byte order mark before it is left out.

    Args:
        path: Of the file.
        mend: What to do with one that is none.

    Raises:
        InputError: there is no such file, or it is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise InputError(f"no file {path}; check the path") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not a readable JSON file: {error}; {mend}") from error


def refuse_to_replace(
    paths: Collection[Path], *, command: str, told_by: Path | None = None, keys: Collection[str] = ()
) -> None:
    """Raises InputError where somebody's own files would be written over.

    Args:
        paths: That would be written.
        command: That writes them, as a user knows it.
        told_by: A JSON file that says whose they are: where it has `keys`, all of them are of such a command; None where no
            file of that command is known to lie there.
        keys: Of that file.
    """
    there = [path for path in paths if path.exists()]
    if there and not (told_by and has_keys(told_by, keys)):
        raise InputError(f"{there[0]} would be written over, and {command} did not write it; move it, or give another place")


def refuse_unwritable(folder: Path, *, instead: str) -> None:
    """Before work that takes long: raises CannotWriteError where nothing can be made in a folder, be it there yet or not.

    Args:
        folder: That gets files.
        instead: The setting that names another.
    """
    there = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
    if there.is_dir() and not os.access(there, os.W_OK | os.X_OK):
        raise CannotWriteError(f"cannot write {there}: {os.strerror(errno.EACCES)}; give another {instead}")


def has_keys(path: Path, keys: Collection[str]) -> bool:
    """Whether a file is a JSON object with such keys."""
    try:
        content = read_json(path)
    except InputError:
        return False
    return isinstance(content, dict) and content.keys() >= set(keys)


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file, in hex."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
