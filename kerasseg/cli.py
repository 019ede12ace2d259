"""From a dataclass to absl flags and back, and from exceptions to exit codes."""

import dataclasses
import os
import sys
import textwrap
import typing
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags

from kerasseg import config as config_lib
from kerasseg import files
from kerasseg.config import TrainConfig
from kerasseg.errors import InputError
from kerasseg.quiet import QuietFinder

EXIT_NOT_MET = 1
EXIT_BAD_INPUT = 2


def run(main: Callable[..., int | None], options: type, *, positional: str = "") -> None:
    """Parses sys.argv into `options`, calls `main(options)` and exits.

    Args:
        main: Gets the options; returns an exit code or None. It alone prints.
        options: A dataclass whose fields were made by `kerasseg.config.setting`.
        positional: Name of the free arguments, which land in the field `arguments`; empty refuses them.
    """
    try:
        parsed = parse(options, sys.argv, positional=positional)
        # TensorFlow's C++ logs say nothing a person at this command line can act on.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        sys.meta_path.insert(0, QuietFinder())  # not imported here: what is refused before it needs them is refused at once
        code = main(parsed) or 0
    except InputError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        code = EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = 130
    sys.exit(code)


def parse(options: type, argv: Sequence[str], *, positional: str = "") -> Any:
    """An instance of `options` from command-line arguments; `--help` prints and exits 0.

    Where `options` extends TrainConfig, `--config=FILE` gives settings that flags override.

    Raises:
        InputError: an unknown flag, a value that cannot be read, or arguments where none belong.
    """
    values = flags.FlagValues()
    fields = [field for field in dataclasses.fields(options) if field.name != "arguments"]
    for field in fields:
        _define(field, values)
    if any(argument in ("--help", "-help", "-h", "--helpfull", "--helpshort") for argument in argv[1:]):
        print(_help(options, fields, positional, program=argv[0]))
        sys.exit(0)
    try:
        rest = values(list(argv))[1:]
    except flags.Error as error:
        raise InputError(f"{error}; --help lists the flags") from error
    if rest and not positional:
        raise InputError(f"unexpected argument {rest[0]!r}; write settings as --name=value, --help lists them")
    given = {field.name: _value(field, values[field.name]) for field in fields if values[field.name].present}
    if given.get("config"):
        stored = files.read_json(given["config"])
        stored = stored.get("config", stored) if isinstance(stored, dict) else {"": stored}
        base = config_lib.from_json(stored, source=given["config"])
        from_file = {name: getattr(base, name) for name in stored}
        given = from_file | given
    if positional:
        given["arguments"] = tuple(rest)
    return options(**given)


def train_config(options: TrainConfig) -> TrainConfig:
    """The TrainConfig part of options that extend it."""
    return TrainConfig(**{field.name: getattr(options, field.name) for field in dataclasses.fields(TrainConfig)})


def _is_pair(field: dataclasses.Field) -> bool:
    return typing.get_origin(field.type) is tuple and typing.get_args(field.type)[-1] is int


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
    elif typing.get_origin(field.type) is tuple:
        flags.DEFINE_list(**common)
    else:
        flags.DEFINE_string(**common)


def _value(field: dataclasses.Field, flag: flags.Flag) -> Any:
    if not _is_pair(field):
        return tuple(flag.value) if isinstance(flag.value, list) else flag.value
    try:
        height, width = map(int, flag.value)
    except ValueError:
        raise InputError(f"--{field.name}={','.join(flag.value)} is no size; write height,width, such as 256,256") from None
    return height, width


def _help(options: type, fields: list[dataclasses.Field], positional: str, *, program: str) -> str:
    name = os.path.relpath(program)
    if name.startswith("kerasseg"):
        name = "-m " + name.removesuffix(".py").replace(os.sep, ".")
    lines = [f"usage: python {name} [--name=value ...] {positional}".rstrip(), "", options.__doc__.strip(), ""]
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
