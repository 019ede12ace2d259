"""Silence for libraries that print past Python."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Swallows what Python and C++ print on stdout and stderr; an exception carries the end of it as a note.

    TensorFlow's import prints before its log level is read, and its converter prints some 600 lines, most of them past
    Python's sys.stderr; hence the file descriptors.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    with tempfile.TemporaryFile() as kept:
        try:
            for descriptor in (1, 2):
                os.dup2(kept.fileno(), descriptor)
            yield
        except Exception as error:
            kept.seek(0)
            error.add_note(kept.read()[-4000:].decode(errors="replace"))
            raise
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for descriptor, original in zip((1, 2), saved, strict=True):
                os.dup2(original, descriptor)
                os.close(original)
