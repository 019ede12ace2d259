"""From a dataclass to absl flags and back, and from exceptions to exit codes."""

import dataclasses
import errno
import inspect
import os
import sys
import textwrap
import typing
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from absl import flags

from kerasseg import config as config_lib
from kerasseg import files, quiet, terminal
from kerasseg.errors import InputError

Settings = TypeVar("Settings")

EXIT_NOT_MET = 1
EXIT_BAD_INPUT = 2


def run(main: Callable[..., int | None], argv: Sequence[str] | None = None) -> NoReturn:
    """Parses the command line into what `main` takes, calls it and exits.

    Args:
        main: Takes `options`, annotated with a dataclass whose fields were made by `kerasseg.config.setting`; returns an exit
            code or None. It alone prints.
        argv: Program and arguments; None takes sys.argv.
    """
    terminal.steady()
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"  # type: ignore[assignment]  # for no developer
    try:
        parsed = parse(typing.get_type_hints(main)["options"], sys.argv if argv is None else argv)
        # TensorFlow's C++ logs say nothing a person at this command line can act on.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        quiet.hush_imports()  # nothing is imported here: what is refused before it needs TensorFlow is refused at once
        code = main(parsed) or 0
    except InputError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        code = EXIT_BAD_INPUT
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        print(f"error: {error.filename} is longer than a name can be here; give a shorter one", file=sys.stderr)
        code = EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = 130
    sys.exit(code)


def say(line: str) -> None:
    """Prints a line at once, for the `log` of a library function."""
    print(line, flush=True)


def silent(line: str) -> None:
    """Prints nothing."""


def use_tensorflow() -> None:
    """Lets Keras, which is not imported yet, start on TensorFlow, as TFLite's converter needs it, whatever was set."""
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        say(f"on TensorFlow, which TFLite's converter needs, not {os.environ['KERAS_BACKEND']}")
    os.environ["KERAS_BACKEND"] = "tensorflow"


def part(options: Any, kind: type[Settings]) -> Settings:
    """The settings that options extend."""
    return kind(**{name: getattr(options, name) for name in typing.get_type_hints(kind)})


def parse(options: type, argv: Sequence[str]) -> Any:
    """An instance of `options` from command-line arguments; `--help` prints and exits 0.

    In paths, ~ is the user's home. A comma parts the paths of a list, except inside one that lies there.
    A field `arguments` takes the free arguments; its help text is what they are called. Where `options` extends TrainConfig,
    `--config=FILE` gives settings that flags override.

    Raises:
        InputError: an unknown flag, a value that cannot be read, or arguments where none belong.
    """
    values = flags.FlagValues()
    by_name = {field.name: field for field in dataclasses.fields(options)}
    free = by_name.pop("arguments", None)
    positional, fields = free.metadata["help"] if free else "", list(by_name.values())
    for field in fields:
        _define(field, values)
    if any(argument in ("--help", "-help", "-h", "--helpfull", "--helpshort") for argument in argv[1:]):
        print(_help(options, fields, positional, program=argv[0]))
        sys.exit(0)
    try:
        rest = values(list(argv))[1:]
    except flags.Error as error:
        dashed = [argument for argument in argv[1:] if argument.startswith("-") and Path(argument).exists()]
        hint = f"; the file is ./{dashed[0]}" if dashed else ""
        raise InputError(f"{error}; --help lists the flags{hint}") from error
    if rest and not positional:
        raise InputError(f"unexpected argument {rest[0]!r}; write settings as --name=value, --help lists them")
    given = {field.name: _value(field, values[field.name]) for field in fields if values[field.name].present}
    if given.get("config"):
        given["config"] = _at_home(given["config"])
        if os.path.isdir(given["config"]):
            raise InputError(f"--config={given['config']} is a folder; give a file, such as the config.json of a run directory")
        stored = files.read_json(given["config"], mend="mend it")
        stored = stored.get("config", stored) if isinstance(stored, dict) else stored
        if not isinstance(stored, dict):
            raise InputError(f'{given["config"]} is no JSON object of settings; write one like {{"epochs": 9}}')
        base = config_lib.from_json(stored, source=given["config"])
        from_file = {name: getattr(base, name) for name in stored}
        given = from_file | given
    if positional:
        given["arguments"] = _at_home(tuple(rest)) if free and free.metadata["path"] else tuple(rest)
    for field in fields:
        if field.metadata["path"] and field.name in given:
            given[field.name] = _at_home(given[field.name])
    return options(**given)


def _define(field: dataclasses.Field, values: flags.FlagValues) -> None:
    common = {"name": field.name, "default": None, "help": field.metadata["help"], "flag_values": values}
    if field.metadata["choices"]:
        flags.DEFINE_enum(enum_values=field.metadata["choices"], **common)
    elif field.type is bool:
        flags.DEFINE_bool(**common)
    elif field.type is int:
        flags.DEFINE_integer(**common)
    elif field.type is float:
        flags.DEFINE_float(**common)
    elif typing.get_origin(field.type) is tuple and not field.metadata["path"]:
        flags.DEFINE_list(**common)
    else:
        flags.DEFINE_string(**common)


def _value(field: dataclasses.Field, flag: flags.Flag) -> Any:
    if typing.get_origin(field.type) is not tuple:
        return flag.value
    if field.metadata["path"]:
        return _paths(flag.value)
    kind, *more = typing.get_args(field.type)
    if kind is str:
        return tuple(flag.value)
    try:
        values = tuple(map(int, flag.value))
    except ValueError:
        values = ()
    if more != [Ellipsis] and len(values) != 2:
        raise InputError(f"--{field.name}={','.join(flag.value)} is no size; write height,width, such as 256,256")
    if not values:
        raise InputError(f"--{field.name}={','.join(flag.value)} is no list of whole numbers; write them like 1,2")
    return values


def _at_home(value: Any) -> Any:
    return tuple(map(os.path.expanduser, value)) if isinstance(value, tuple) else os.path.expanduser(value)


def _paths(text: str) -> tuple[str, ...]:
    """The paths of a comma-separated list. Pieces that name nothing by themselves, and together something, are one path."""
    pieces, found = text.split(","), []
    while pieces:
        joined = (n for n in range(1, len(pieces) + 1) if os.path.exists(os.path.expanduser(",".join(pieces[:n]).strip())))
        taken = next(joined, 1)
        found.append(",".join(pieces[:taken]).strip())
        pieces = pieces[taken:]
    return tuple(filter(None, found))


def _help(options: type, fields: list[dataclasses.Field], positional: str, *, program: str) -> str:
    path = Path(program)
    name = f"python {os.path.relpath(program)}" if path.suffix == ".py" else program
    if path.parent.name == "kerasseg":  # python -m kerasseg.VERB
        name = f"kerasseg {path.stem.removesuffix('_data')}"
    lines = [f"usage: {name} [--name=value ...] {positional}".rstrip(), "", inspect.getdoc(options) or "", ""]
    for field in fields:
        default = field.default
        shown = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
        text = field.metadata["help"]
        if field.metadata["choices"]:
            text += f" [{'|'.join(field.metadata['choices'])}]"
        if shown:
            text += f" (default {shown})"
        lines.append(f"  --{field.name}")
        lines.extend(textwrap.wrap(text, 96, initial_indent="      ", subsequent_indent="      "))
    return "\n".join(lines)
