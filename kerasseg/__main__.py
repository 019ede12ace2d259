"""kerasseg VERB --name=value ...: every command; `python -m kerasseg VERB` is the same."""

import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

import kerasseg
from kerasseg import terminal

VERBS = {
    "prepare": "an annotation tool's export in, a data set to train on out",
    "inspect": "what is in a data set and what is wrong with it, as a table and a page",
    "train": "trains a model and leaves a run directory; the same command again resumes it",
    "evaluate": "the scores of a run on a split",
    "predict": "pictures, folders and videos in, overlays, class maps and polygons out",
    "report": "one page of a run, with its curves, scores, pictures, files and memory",
    "compare": "several runs in one table, with what each costs and reaches in float and in int8",
    "summary": "every model with its parameters and multiply-accumulates",
    "convert": "a run directory in, a .tflite file that loads out",
    "check": "how accurate .tflite files are beside their Keras model, where they lose it, and how fast",
    "web": "a .tflite file as a page that runs it in the browser",
    "micro": "what a microcontroller needs of an int8 .tflite file, with the memory measured",
}

# A file inspect.py here would hide Python's own from a script of this folder.
MODULES = {"inspect": "inspect_data"}


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs a command and exits.

    Args:
        argv: Verb and settings; None takes those of the process.
    """
    terminal.steady()
    verb, *rest = [*(sys.argv[1:] if argv is None else argv)] or ["--help"]
    if verb in VERBS:
        from kerasseg import cli

        cli.run(importlib.import_module(f"kerasseg.{MODULES.get(verb, verb)}").main, [f"kerasseg {verb}", *rest])
    if verb == "--version":
        print(f"kerasseg {kerasseg.__version__}")
        sys.exit(0)
    if verb in ("--help", "-h", "help"):
        lines = [f"  {name:<10}{about}" for name, about in VERBS.items()]
        print(
            "\n".join(["usage: kerasseg VERB [--name=value ...]", "", *lines, "", "kerasseg VERB --help lists its settings."])
        )
        sys.exit(0)
    print(f"error: there is no command {verb!r}; write kerasseg VERB, with one of {', '.join(VERBS)}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
