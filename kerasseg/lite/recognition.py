"""What a file is that was taken for a .tflite file, and what to do with it."""

from dataclasses import dataclass

from kerasseg.errors import InputError

IDENTIFIER = b"TFL3"  # at byte 4, as flatbuffers place it

_CUSTOM = {
    "ethos-u": "was compiled for Ethos-U already: give the file that Vela was given",
    "edgetpu-custom-op": "was compiled for an Edge TPU already: give the file that its compiler was given",
}


@dataclass(frozen=True)
class Kind:
    """Files of one kind.

    Attributes:
        about: What they are, after "is".
        remedy: What to do with one.
    """

    about: str
    remedy: str


KERAS = Kind("a Keras file", "kerasseg convert makes a .tflite of a run; for another model use TensorFlow's TFLiteConverter")
PYTORCH = Kind("a PyTorch file", "litert-torch makes a .tflite of it")
ZIP = Kind("a ZIP archive", "unpack it and give the .tflite in it")
TEXT = Kind("a text", "give the .tflite file itself")

# Beginnings of files that people hand in; the first that matches counts.
BEGINNINGS = {
    b"version https://git-lfs": Kind("a Git LFS pointer, not the file itself", "git lfs pull fetches it"),
    b"\x89HDF\r\n\x1a\n": Kind("a Keras or other HDF5 file", KERAS.remedy),
    b"PK\x03\x04": ZIP,
    b"\x1f\x8b": Kind("a gzip archive", ZIP.remedy),
    b"\x80\x02": PYTORCH,
    b"\x89PNG": Kind("a PNG picture", "give the .tflite file as --tflite, pictures as arguments"),
    b"\xff\xd8\xff": Kind("a JPEG picture", "give the .tflite file as --tflite, pictures as arguments"),
    b"<!DOCTYPE": Kind("a web page", "download the file itself"),
    b"<html": Kind("a web page", "download the file itself"),
}  # fmt: skip
# Names inside an archive that say more than that it is one.
_MEMBERS = {b"model.weights.h5": KERAS, b"data.pkl": PYTORCH}


def refuse_other(content: bytes, *, source: object) -> None:
    """Raises InputError where something else than a .tflite file was handed in; says what.

    Args:
        content: Of the file.
        source: What the message calls it.
    """
    if not content:
        raise InputError(f"{source} is empty (0 bytes); convert or copy it again")
    if content[4:8] == IDENTIFIER:
        return
    found = _kind(content)
    if found is not None:
        raise InputError(f"{source} is {found.about}, no .tflite file; {found.remedy}")
    raise InputError(f"{source} is no .tflite file (its identifier TFL3 is missing); convert it again")


def _kind(content: bytes) -> Kind | None:
    kind = next((kind for beginning, kind in BEGINNINGS.items() if content.startswith(beginning)), None)
    if kind is ZIP:
        return next((more for member, more in _MEMBERS.items() if member in content), ZIP)
    if kind is not None:
        return kind
    try:
        start = content[:1000].decode("utf-8", errors="ignore")  # the cut may part a letter
        is_text = len(start.encode()) >= min(len(content), 1000) - 3 and all(c.isprintable() or c.isspace() for c in start)
    except UnicodeError:
        return None
    return TEXT if is_text else None


def unknown_operators(names: list[str], *, runtime: str) -> str:
    """What a file with custom operators is told that a runtime did not load, after its name.

    Args:
        names: Of the custom operators.
        runtime: What lacks them.
    """
    for name in names:
        if name in _CUSTOM:
            return _CUSTOM[name]
    kinds = ", ".join(dict.fromkeys(names))
    if all(name.startswith("Flex") for name in names):
        return f"has TensorFlow's own operators ({kinds}), which {runtime} lacks; convert it with TFLite's operators alone"
    return f"has the custom operator {kinds}, which {runtime} lacks; make the file without it"
