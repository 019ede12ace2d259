"""What the C++ sources of a model are called."""

import re
from pathlib import Path

from kerasseg.errors import InputError

NAME = re.compile(r"[a-z][a-z0-9_]*")
# Keywords (C++20, [lex.key]), what the headers that the sources include call their own, macros of GNU, and such functions of
# the C library as a folder may be called, too; then what Arduino.h, ESP-IDF and Zephyr have outside every namespace.
_WORDS = """
alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class co_await co_return
co_yield compl concept const const_cast consteval constexpr constinit continue decltype default delete do double dynamic_cast
else enum explicit export extern false float for friend goto if inline int long mutable namespace new noexcept not not_eq
nullptr operator or or_eq private protected public register reinterpret_cast requires return short signed sizeof static
static_assert static_cast struct switch template this thread_local throw true try typedef typeid typename union unsigned using
virtual void volatile wchar_t while xor xor_eq main std tflite flatbuffers gemmlowp ruy
abort abs ceil clock close cos div ecvt exit exp floor fork free gamma getc index kill link linux log malloc nice open pause
pipe pow putc puts raise rand random read remove rename rindex round select signal sin sleep sqrt stat strlen sync system tan
time truncate unix wait write y0 y1 yn j0 j1 jn printf
setup loop map min max sq bit byte word boolean constrain degrees radians delay micros millis tone yield init interrupts
app_main printk
"""
TAKEN = frozenset(_WORDS.split())


def check_name(name: str) -> None:
    """Raises InputError unless `name` can be a C++ namespace of its own."""
    if not NAME.fullmatch(name):
        raise InputError(f"{name!r} is no C++ namespace here; use lower-case letters, digits and underscores")
    if name in TAKEN:
        raise InputError(f"{name!r} is a word of C++, or another library's; give a name such as {name}_model")


def of_folder(folder: Path) -> str:
    """The namespace that a folder's name gives: "Street 2" -> "street_2"; what C++ does not take gets "model" around it."""
    name = re.sub(r"[^a-z0-9]+", "_", folder.resolve().name.lower()).strip("_")
    if not name[:1].isalpha():
        name = f"model_{name}".rstrip("_")
    return f"{name}_model" if name in TAKEN else name
