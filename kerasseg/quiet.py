"""Silence for libraries that print past Python."""

import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import logging
import os
import sys
import tempfile
import types
import warnings
from collections.abc import Iterator, Sequence
from typing import IO

from kerasseg.errors import InputError


@contextlib.contextmanager
def quiet() -> Iterator[list[str]]:
    """Swallows what Python and C++ print on stdout and stderr, and warnings; an exception carries the end of it as a note.

    Yields a list that holds what was printed, once the block is left.

    TensorFlow's import prints before its log level is read, and its converter prints some 600 lines, most of them past
    Python's sys.stderr; hence the file descriptors. In a notebook sys.stdout is no file descriptor; hence both.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    printed = io.StringIO()
    said: list[str] = []
    with tempfile.TemporaryFile() as kept:
        try:
            for descriptor in (1, 2):
                os.dup2(kept.fileno(), descriptor)
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield said
        except Exception as error:
            error.add_note(printed.getvalue()[-2000:] + _read(kept)[-2000:])
            raise
        finally:
            for descriptor, original in zip((1, 2), saved, strict=True):
                os.dup2(original, descriptor)
                os.close(original)
            said += [printed.getvalue(), _read(kept)]


# Module -> packages that it takes along where they are installed, for parts that no command uses: two of five seconds in all.
_NEEDLESS = {
    "keras": ("IPython", "matplotlib", "sklearn"),
    "keras.src.callbacks.orbax_checkpoint": ("jax",),
    "tensorflow": ("jax",),
}


class _QuietFinder(importlib.abc.MetaPathFinder):
    """On sys.meta_path: the first imports of Keras and of TensorFlow, whenever they come, are quiet, and without _NEEDLESS.

    Keras' with its first operation, TensorFlow's with its list of devices: looking for them, they say so.
    """

    def __init__(self) -> None:
        self.left = _NEEDLESS.keys() - sys.modules.keys()
        self.looking = False

    def find_spec(self, name: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:
        """What other finders find, with a loader that is quiet."""
        if name not in self.left or self.looking:
            return None
        self.looking = True
        try:
            spec = importlib.util.find_spec(name)  # which asks this finder, too
        finally:
            self.looking = False
        if spec and spec.loader:
            load = spec.loader.exec_module

            def load_quietly(module: types.ModuleType) -> None:
                self.left.discard(name)
                with quiet(), _naming_the_backend(name), _without(_NEEDLESS[name]):
                    load(module)
                    if name == "keras":
                        module.ops.zeros(())
                    if name == "tensorflow":
                        module.config.list_physical_devices()

            setattr(spec.loader, "exec_module", load_quietly)  # noqa: B010  # mypy knows that this is a method
        return spec


@contextlib.contextmanager
def _naming_the_backend(name: str) -> Iterator[None]:
    try:
        yield
    except (ImportError, ValueError) as error:
        if name != "keras":
            raise
        raise InputError(
            f"Keras cannot start ({' '.join(str(error).split())[:200]}); KERAS_BACKEND, or the backend in Keras' keras.json, "
            "must be tensorflow, jax or torch, and installed"
        ) from error


@contextlib.contextmanager
def _without(packages: Sequence[str]) -> Iterator[None]:
    """Inside, packages that are not imported yet cannot be, as if they were not installed."""
    hidden = dict.fromkeys(package for package in packages if package not in sys.modules)
    sys.modules.update(hidden)  # type: ignore[arg-type]  # None: the import system's own way to say no
    try:
        yield
    finally:
        for package in hidden:
            del sys.modules[package]


def hush_imports() -> None:
    """From now on the imports of Keras, TensorFlow and Matplotlib say nothing; calling it again changes nothing.

    Those of Keras and TensorFlow leave out packages that they would take along for parts of theirs that no command uses.
    """
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # else it says where it keeps its caches without a HOME
    if not any(isinstance(finder, _QuietFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _QuietFinder())


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
