"""Files of unknown origin, run where they can do no harm: a damaged one can end the process that loads it."""

import faulthandler
import os
import pickle
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from kerasseg.errors import InputError
from kerasseg.lite import interpreter, lint

Result = TypeVar("Result")


def isolated(work: Callable[[], Result], *, file: object) -> Result:
    """What `work` gives, from a copy of this process; where there is no fork (Windows), from this one.

    Args:
        work: Reads or runs a .tflite file; what it gives can be pickled.
        file: Whose name the messages have.

    Raises:
        InputError: that of `work`; or any other exception, or the end of the process, which the file is taken to cause.
    """
    if not hasattr(os, "fork"):
        return work()
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads: the copy starts its own
        process = os.fork()
    if not process:
        os.close(reading)
        _report(work, writing, file)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if not said:
        reason = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        raise InputError(f"{file} is damaged: running it ended a process with {reason}; convert it again")
    done, result = pickle.loads(said)
    if not done:
        raise InputError(result)
    return result


def _report(work: Callable[[], Any], pipe: int, file: object) -> None:
    """In the copy: writes what came of it, and ends."""
    faulthandler.disable()  # how the copy ends is said in one line
    try:
        said = pickle.dumps((True, work()))
    except InputError as error:
        said = pickle.dumps((False, str(error)))
    except BaseException as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        said = pickle.dumps((False, f"{file} is damaged, or no file of this kind ({reason}); convert it again"))
    with os.fdopen(pipe, "wb") as writing:
        writing.write(said)
    sys.stdout.flush()
    os._exit(0)  # what is to be done at this process' end is the original's


def try_out(path: Path) -> None:
    """Loads, lints and once runs a file of unknown origin.

    Raises:
        InputError: it is damaged, or takes no picture.
    """

    def work() -> None:
        model = interpreter.ImageModel(path)
        model.set_image(np.zeros((1, *model.size, 3), np.float32))
        model.invoke()
        lint.lint(path.read_bytes())

    isolated(work, file=path)
