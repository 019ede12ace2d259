"""Reading images and label maps from disk, never misread: what is not plainly one or the other is refused."""

from pathlib import Path

import numpy as np
from PIL import Image

from kerasseg.data.labels import IGNORE_LABEL
from kerasseg.errors import InputError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")


def read_image(path: Path) -> np.ndarray:
    """An image (H, W, 3) uint8. Grey becomes three equal channels, a palette its colours.

    Raises:
        InputError: no such file, a corrupt one, or 16 bits, an alpha channel or another colour space.
    """
    picture = _open(path)
    if picture.mode not in ("RGB", "L", "P") or (picture.mode == "P" and "transparency" in picture.info):
        raise InputError(f"{path} is a {picture.mode} picture; images must be 8-bit RGB, grey or palette: convert it")
    return np.asarray(picture.convert("RGB"))


def read_labels(path: Path) -> np.ndarray:
    """A label map (H, W) uint8: the pixel values of a grey picture, or the indices of a palette picture.

    Raises:
        InputError: no such file, a corrupt one, or colours where indices belong.
    """
    picture = _open(path)
    if picture.mode not in ("L", "P"):
        raise InputError(
            f"{path} is a {picture.mode} picture, labels must be 8-bit class ids, one channel (grey or palette PNG); "
            "map its values to class ids and save it so"
        )
    if picture.format == "JPEG":
        raise InputError(f"{path} is a JPEG, which changes class ids; save labels as PNG")
    return np.asarray(picture)


def size_of(path: Path) -> tuple[int, int]:
    """(height, width) of a picture, from its head.

    Raises:
        InputError: as `read_image` does.
    """
    width, height = _open(path, pixels=False).size
    return height, width


def _open(path: Path, *, pixels: bool = True) -> Image.Image:
    try:
        with path.open("rb") as file:
            picture = Image.open(file)
            if pixels:
                picture.load()
            return picture
    except FileNotFoundError:
        raise InputError(f"no file {path}; check the path") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} cannot be decoded ({error}); replace the file or remove it") from None


def check_ids(labels: np.ndarray, num_classes: int, *, source: str) -> None:
    """Raises InputError, naming ids and pixel counts, where labels hold an id that is neither a class nor ignored."""
    counts = np.bincount(labels.ravel(), minlength=256)
    counts[:num_classes] = 0
    counts[IGNORE_LABEL] = 0
    if counts.any():
        found = ", ".join(f"{i} ({counts[i]} pixels)" for i in np.flatnonzero(counts)[:8])
        raise InputError(
            f"{source} has class ids {found}; accepted are 0..{num_classes - 1} and {IGNORE_LABEL} for unlabelled: "
            "remap the labels or name more classes"
        )


def stems(folder: Path) -> dict[str, Path]:
    """File stem -> path, for every picture in a folder, sorted.

    Raises:
        InputError: no such folder, no pictures in it, or two pictures with one stem.
    """
    if not folder.is_dir():
        raise InputError(f"no folder {folder}; check --data_dir")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
            if path.stem in found:
                raise InputError(f"{folder} has both {found[path.stem].name} and {path.name}; keep one picture a stem")
            found[path.stem] = path
    if not found:
        raise InputError(f"{folder} holds no pictures; put {', '.join(SUFFIXES)} files there")
    return found


def pairs(image_dir: Path, label_dir: Path, *, names: list[str] | None = None) -> list[tuple[str, Path, Path]]:
    """(stem, image path, labels path) of two folders with the same stems.

    Args:
        image_dir: Folder of images.
        label_dir: Folder of label maps.
        names: Take only these stems, in this order.

    Raises:
        InputError: an image without labels, or labels without an image.
    """
    images, labels = stems(image_dir), stems(label_dir)
    for kind, there, missing, folder in (
        ("an image without labels", images, labels, label_dir),
        ("labels without an image", labels, images, image_dir),
    ):
        alone = [stem for stem in (names if names is not None else there) if stem not in missing]
        if alone:
            more = f" and {len(alone) - 1} more" if len(alone) > 1 else ""
            raise InputError(f"{kind}: nothing in {folder} is called {alone[0]}{more}; add the file or remove its partner")
    return [(stem, images[stem], labels[stem]) for stem in (names if names is not None else images)]
