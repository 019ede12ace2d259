"""Reading images and label maps from disk, never misread: what is not plainly one or the other is refused."""

import io
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Literal, Protocol

import numpy as np
from PIL import ExifTags, Image

from kerasseg.data.labels import IGNORE_LABEL
from kerasseg.errors import DataError, InputError

# EXIF orientation -> what turns the stored pixels upright (EXIF 2.32, 4.6.4, tag 274).
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
}  # fmt: skip
_WIDE = ("I;16", "I;16B", "I")  # modes of one channel with more than 8 bits
_LOSSY = ("JPEG", "MPO", "WEBP")
LYING = (5, 6, 7, 8)  # orientations in which height and width are exchanged
END_BYTES = 1024  # of a file, that `end_of` looks at: a PNG's checksum, and the notes that some programs put behind it
_HEAD = threading.Lock()  # `warnings` has one state for all threads


class Source(Protocol):
    """What a picture is read from: a path, or anything else that opens as one and says what it is called."""

    def open(self, mode: Literal["rb"], /) -> BinaryIO:
        """The bytes, from the first."""


@dataclass(frozen=True)
class Encoded:
    """A picture's file in memory.

    Attributes:
        name: What messages call it.
        content: Its bytes.
    """

    name: str
    content: bytes

    def __str__(self) -> str:
        return self.name

    def open(self, mode: Literal["rb"], /) -> BinaryIO:
        """The bytes, from the first."""
        return io.BytesIO(self.content)


@contextmanager
def _refusing(source: Source) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"no file {source}; check the path", kind="missing") from None
    except OSError as error:
        raise DataError(f"{source} cannot be read ({error}); replace the file or remove it", kind="unreadable") from None


def load(source: Source) -> Encoded:
    """The file of a picture, as it is.

    Raises:
        InputError: no such file, or one that cannot be read.
    """
    with _refusing(source), source.open("rb") as file:
        return Encoded(str(source), file.read())


def end_of(source: Source) -> bytes:
    """How long a file is, and its last bytes: nearly all that is changed in a picture shows there, in a PNG by its checksum.

    Raises:
        InputError: no such file, or one that cannot be read.
    """
    with _refusing(source), source.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(max(0, length - END_BYTES))
        return length.to_bytes(8, "big") + file.read()


def read_image(path: Source) -> np.ndarray:
    """An image (H, W, 3) uint8, upright by its EXIF orientation. Grey becomes three equal channels, a palette its colours.

    An alpha channel that is opaque everywhere is left out.

    Raises:
        InputError: no such file, a corrupt one, 16 bits, a used alpha channel, another colour space, or several frames.
    """
    with _opened(path) as (picture, stored):
        _refuse_frames(picture, path)
        picture = _without_alpha(turned(picture, stored.turn), path)
        if picture.mode not in ("RGB", "L", "P", "1"):
            raise DataError(
                f"{path} is a {picture.mode} picture; images must be 8-bit RGB, grey or palette: convert it", kind="unreadable"
            )
        if stored.bits > 8:  # of which Pillow would keep the upper half without a word
            raise DataError(f"{path} has {stored.bits} bits a channel; images must have 8: convert it", kind="unreadable")
        return np.asarray(picture.convert("RGB"))


def read_labels(path: Source) -> np.ndarray:
    """A label map (H, W) uint8: the stored values of a grey picture of 1 to 16 bits, or the indices of a palette picture.

    Three equal channels are read as one, an opaque alpha channel is left out.

    Raises:
        InputError: no such file, a corrupt one, colours where indices belong, or values that 8 bits do not hold.
    """
    with _opened(path) as (picture, stored):
        _refuse_frames(picture, path)
        if picture.format in _LOSSY and not stored.lossless:
            raise DataError(f"{path} is a {picture.format}, which changes class ids; save labels as PNG", kind="unreadable")
        picture = turned(picture, stored.turn)
        if picture.mode == "F":
            raise DataError(f"{path} has floats; labels must be whole class ids: save it as a PNG of 8 bits", kind="unreadable")
        if stored.bits > 8 and picture.mode not in _WIDE:  # of which Pillow would keep the upper half without a word
            raise DataError(
                f"{path} has {stored.bits} bits in each of several channels; labels must be class ids, one channel (grey or "
                "palette PNG)",
                kind="unreadable",
            )
        if picture.mode != "P":
            picture = _without_alpha(picture, path)
        values = np.asarray(picture)
        if picture.mode == "RGB" and (values == values[..., :1]).all():
            values = values[..., 0]
        elif picture.mode not in ("L", "P", "1", *_WIDE):
            raise DataError(
                f"{path} is a {picture.mode} picture, labels must be class ids, one channel (grey or palette PNG); "
                "map its colours to ids and save it so",
                kind="unreadable",
            )
        if picture.mode == "L" and stored.bits in (2, 4):
            values = values // (255 // (2**stored.bits - 1))  # Pillow spreads them over 0..255
        if values.size and not 0 <= int(values.min()) <= int(values.max()) <= IGNORE_LABEL:
            raise DataError(
                f"{path} has class ids {values.min()} to {values.max()}; accepted are 0..{IGNORE_LABEL}, of which "
                f"{IGNORE_LABEL} is unlabelled",
                kind="ids",
            )
        return values.astype(np.uint8)


def _refuse_frames(picture: Image.Image, path: Source) -> None:
    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and picture.format != "MPO":  # a camera's JPEG with a preview behind it
        raise DataError(f"{path} is animated or has several pages, {frames} frames; save one of them", kind="unreadable")


def size_of(path: Source) -> tuple[int, int]:
    """(height, width) of a picture as `read_image` gives it, from its head.

    Raises:
        InputError: no such file, or a corrupt one.
    """
    with _opened(path) as (picture, stored):
        width, height = picture.size
        return (width, height) if stored.turn in LYING else (height, width)


def orientation_of(path: Source) -> int:
    """A picture's EXIF orientation, 1 to 8; 1 where it says none.

    Raises:
        InputError: no such file, or a corrupt one.
    """
    with _opened(path) as (_, stored):
        return stored.orientation


def turned(picture: Image.Image, orientation: int) -> Image.Image:
    """A picture as its EXIF orientation shows it."""
    return picture.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else picture


@dataclass(frozen=True)
class _Stored:
    """What Pillow does not keep of a picture once it is decoded.

    Attributes:
        orientation: EXIF's, 1 to 8.
        turn: The same, or 1 where Pillow turns the picture by itself.
        bits: Of one grey value.
        lossless: Whether a file of a lossy kind is none.
    """

    orientation: int
    turn: int
    bits: int
    lossless: bool


def _stored(picture: Image.Image, file: BinaryIO) -> _Stored:
    there = file.tell()
    file.seek(0)
    head = file.read(64)
    bits = head[24] if picture.format == "PNG" else 8  # behind signature, length, "IHDR", width and height
    if picture.format == "TIFF":
        bits = picture.tag_v2.get(258, (8,))[0]  # type: ignore[attr-defined]
    # Pillow would decode all of a PNG to look behind its pixels.
    looked = picture.format != "PNG" or "exif" in picture.info or _exif_follows(file)
    file.seek(there)
    found = picture.getexif().get(ExifTags.Base.Orientation, 1) if looked else 1
    found = found if found in _UPRIGHT else 1
    return _Stored(found, 1 if picture.format == "TIFF" else found, bits, b"VP8L" in head)


def _exif_follows(file: BinaryIO) -> bool:
    """Whether a PNG has an eXIf chunk anywhere."""
    file.seek(8)  # behind the signature
    while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
        if head[4:] == b"eXIf":
            return True
        file.seek(int.from_bytes(head[:4], "big") + 4, 1)  # contents and checksum
    return False


def _without_alpha(picture: Image.Image, path: Source) -> Image.Image:
    """A picture without its alpha channel, which must be opaque everywhere."""
    if picture.mode not in ("RGBA", "LA", "PA") and "transparency" not in picture.info:
        return picture
    clear = float((np.asarray(picture.convert("RGBA").getchannel("A")) < 255).mean())
    if not clear and picture.mode == "P":
        del picture.info["transparency"]  # of which Pillow warns
    if clear:
        raise DataError(
            f"{path} is a {picture.mode} picture with a used alpha channel ({100 * clear:.3g} % of it is not opaque); "
            "save it without one",
            kind="unreadable",
        )
    return picture.convert({"RGBA": "RGB", "LA": "L", "PA": "RGB", "P": "RGB"}.get(picture.mode, picture.mode))


@contextmanager
def _opened(path: Source) -> Iterator[tuple[Image.Image, _Stored]]:
    """A picture whose head was read; what goes wrong until it is left is the file's."""
    try:
        with path.open("rb") as file:
            with _HEAD, warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                picture = Image.open(file)
            yield picture, _stored(picture, file)
    except FileNotFoundError:
        raise DataError(f"no file {path}; check the path", kind="missing") from None
    except Image.DecompressionBombError:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        raise DataError(f"{path} has more than {most:.0f} million pixels; make it smaller", kind="unreadable") from None
    except InputError:
        raise
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{path} cannot be decoded ({error}); replace the file or remove it", kind="unreadable") from None


def check_ids(labels: np.ndarray, num_classes: int, *, source: str) -> None:
    """Raises InputError, naming ids and pixel counts, where labels hold an id that is neither a class nor ignored."""
    counts = np.bincount(labels.ravel(), minlength=256)
    counts[:num_classes] = 0
    counts[IGNORE_LABEL] = 0
    if counts.any():
        found = ", ".join(f"{i} ({counts[i]} pixels)" for i in np.flatnonzero(counts)[:8])
        raise DataError(
            f"{source} has class ids {found}; accepted are 0..{num_classes - 1} and {IGNORE_LABEL} for unlabelled: "
            "remap the labels or name more classes",
            kind="ids",
        )
