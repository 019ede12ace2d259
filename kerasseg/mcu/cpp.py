"""Python's values as C++ writes them, and the templates that take them."""

from collections.abc import Sequence
from importlib import resources
from string import Template

import numpy as np


def template(name: str) -> Template:
    """A file of templates/, to be substituted."""
    return Template((resources.files("kerasseg.mcu") / "templates" / f"{name}.in").read_text(encoding="utf-8"))


def commented(text: str) -> str:
    """A text that a C++ comment can hold: no line ends in it, or goes on in the next."""
    return "".join(one if one.isprintable() and one != "\\" else "?" for one in text)


def quoted(text: str) -> str:
    """A string literal: what is no plain ASCII as octal bytes of UTF-8, which no digit after them can join."""
    plain = (
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}" for byte in text.encode(errors="replace")
    )
    return f'"{"".join(plain)}"'


def octets(content: Sequence[int], *, columns: int = 20) -> str:
    """Bytes as the inside of an initializer."""
    digits = [f"0x{byte:02x}," for byte in content]
    return "\n".join("    " + "".join(digits[i : i + columns]) for i in range(0, len(digits), columns))


def numbers(values: np.ndarray) -> str:
    """Integers as the inside of an initializer, each row of a table in braces."""
    if values.ndim == 2:
        return "\n".join(f"    {{{', '.join(map(str, row))}}}," for row in values.tolist())
    lines = [values[i : i + 16].tolist() for i in range(0, len(values), 16)]
    return "\n".join(f"    {', '.join(map(str, line))}," for line in lines)
