"""Standard output and error that end no command: what a terminal cannot show is escaped, and nobody need be listening."""

import errno
import io
import os
import sys
import time
from collections.abc import Callable

_NOBODY_LISTENS = {errno.EPIPE, errno.EIO}  # a pipe whose reader has ended, a terminal that was closed
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # for the file that it was sent to


class _Steady(io.FileIO):
    def write(self, data, /):
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in _NOBODY_LISTENS | _NO_ROOM:
                raise
            if error.errno in _NO_ROOM and self.fileno() == 1:
                print(f"warning: standard output ends here ({error.strerror}); the command goes on", file=sys.stderr)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())  # for C++, too
            os.close(nowhere)
            return len(data)


def bar(what: str) -> Callable[[int, int], None]:
    """Shows how many of many are done and how long the others take, on one line of stderr where that is a terminal.

    What it returns takes how many are done, and of how many; 0 where nobody knows.
    """
    start = time.monotonic()

    def show(done: int, total: int) -> None:
        if sys.stderr.isatty():
            line, passed = f"{done} of {total} {what}" if total else f"{done} {what}", time.monotonic() - start
            if 0 < done < total:
                line += f", {duration(passed / done * (total - done))} left"
            print(f"\r{line:<60}", end="\n" if done == total else "", file=sys.stderr, flush=True)

    return show


def duration(seconds: float) -> str:
    """For people: "42 s", "3 min 5 s", "2 h 10 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def steady() -> None:
    """Makes this process' own stdout and stderr escape what their encoding lacks and outlive their reader.

    Where they were replaced, by a notebook or a test, they stay as they are.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not getattr(sys, f"__{name}__") or not isinstance(stream, io.TextIOWrapper):
            continue
        stream.flush()
        if os.name == "nt":  # its console is no file
            stream.reconfigure(errors="backslashreplace")
            continue
        file = io.BufferedWriter(_Steady(stream.fileno(), "wb", closefd=False))
        wrapped = io.TextIOWrapper(
            file, stream.encoding, "backslashreplace", line_buffering=stream.line_buffering, write_through=stream.write_through
        )
        setattr(sys, name, wrapped)
