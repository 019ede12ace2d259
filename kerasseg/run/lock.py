"""One process at a time in a run directory."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from kerasseg.errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

NAME = "lock"
_HELD = {errno.EWOULDBLOCK, errno.EACCES}


@contextlib.contextmanager
def locked(folder: Path, *, otherwise: str = ", or give another --workdir") -> Iterator[None]:
    """Holds a folder for this process, and makes it where it is not; left as it was where nothing was put in.

    The system lets go of the lock of a process that ends in any way. Without POSIX locks (Windows) nothing is held.

    Args:
        folder: To hold.
        otherwise: What else the message of a held folder has to offer than to wait.

    Raises:
        InputError: another process holds it, which the message names, or nothing can be written there.
    """
    made = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    path = folder / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}; choose another place") from error
    with file:
        if fcntl:
            _take(file, folder, otherwise)
            if not path.exists() or not os.path.samestat(os.fstat(file.fileno()), path.stat()):  # let go of just now
                raise InputError(f"another process has just left {folder}; give the command again")
        try:
            _sign(file, folder)
            yield
        finally:
            if not fcntl:
                file.close()  # Windows removes no open file
            path.unlink(missing_ok=True)
            for parent in made:
                with contextlib.suppress(OSError):  # something lies there now
                    parent.rmdir()


def _sign(file, folder: Path) -> None:
    try:
        os.ftruncate(file.fileno(), 0)
        os.write(file.fileno(), f"{os.getpid()}\n".encode())  # not through a buffer, which would be written again at the end
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror}; free some space or choose another place") from error


def _take(file, folder: Path, otherwise: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _HELD:
            return  # a file system without locks
        file.seek(0)
        holder = file.read().strip() or "unknown"
        raise InputError(f"process {holder} is at work in {folder}; wait until it ends or stop it{otherwise}") from None
