"""Silence for libraries that print past Python."""

import contextlib
import io
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Swallows what Python and C++ print on stdout and stderr, and warnings; an exception carries the end of it as a note.

    TensorFlow's import prints before its log level is read, and its converter prints some 600 lines, most of them past
    Python's sys.stderr; hence the file descriptors. In a notebook sys.stdout is no file descriptor; hence both.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    printed = io.StringIO()
    with tempfile.TemporaryFile() as kept:
        try:
            for descriptor in (1, 2):
                os.dup2(kept.fileno(), descriptor)
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except Exception as error:
            kept.seek(0)
            error.add_note(printed.getvalue()[-2000:] + kept.read()[-2000:].decode(errors="replace"))
            raise
        finally:
            for descriptor, original in zip((1, 2), saved, strict=True):
                os.dup2(original, descriptor)
                os.close(original)
