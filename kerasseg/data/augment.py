"""Random scale, crop, flip and colour on an image and its labels, in NumPy and Pillow: the same under every Keras backend."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from kerasseg.config import TrainConfig
from kerasseg.data.labels import IGNORE_LABEL
from kerasseg.data.letterbox import PAD_VALUE


class Patch(NamedTuple):
    """Pixels of one class that come over a crop: image (*size, 3) uint8, mask (*size) bool where it counts, and the class."""

    image: np.ndarray
    mask: np.ndarray
    class_id: int


def augment(
    image: np.ndarray, labels: np.ndarray, config: TrainConfig, *, random: np.random.Generator, patch: Patch | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """One training crop.

    Args:
        image: (H, W, 3) uint8.
        labels: (H, W) uint8.
        config: Gives size, scales, flip and colour.
        random: Decides the crop: the same state, the same crop.
        patch: Comes over it before it is flipped and its colours change.

    Returns:
        image (*size, 3) uint8 and labels (*size) uint8; what lies outside the picture is 127 and 255.
    """
    image, labels = scale_crop(image, labels, size=config.size, scales=(config.scale_min, config.scale_max), random=random)
    if patch:
        image = np.where(patch.mask[..., None], patch.image, image)
        labels = np.where(patch.mask, np.uint8(patch.class_id), labels)
    flips, factors = random.random() < 0.5, 1 + config.color * random.uniform(-1, 1, 3)
    if config.color:
        image = change_color(image, brightness=factors[0], contrast=factors[1], saturation=factors[2])
    if config.flip and flips:
        image, labels = image[:, ::-1], labels[:, ::-1]
    return image, labels


def scale_crop(
    image: np.ndarray, labels: np.ndarray, *, size: tuple[int, int], scales: tuple[float, float], random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Scales by a log-uniform factor and crops at a random place, in one sampling of the original pixels.

    Both samplings use the same points: bilinear for the image, nearest for the labels, which are never mixed. A crop
    that is larger than the scaled picture lies at random over it.

    Args:
        image: (H, W, 3) uint8.
        labels: (H, W) uint8.
        size: (height, width) of the crop.
        scales: (smallest, largest).
        random: Decides the crop.
    """
    scale = np.exp(random.uniform(*np.log(scales)))
    room = np.array(labels.shape) - np.array(size) / scale  # negative where the crop is larger
    top, left = random.random(2) * room
    return sampled(image, labels, size=size, scale=scale, top=top, left=left)


def sampled(
    image: np.ndarray, labels: np.ndarray, *, size: tuple[int, int], scale: float, top: float, left: float
) -> tuple[np.ndarray, np.ndarray]:
    """The crop of `scale_crop` with a given scale, whose corner lies at a given place of the picture, in its pixels."""
    # Pillow copies what it samples: of a large picture, only the rows and columns that the crop and its neighbours lie in.
    rows, columns = (_window(*at) for at in zip((top, left), np.array(size) / scale, labels.shape, strict=True))
    image, labels = image[rows, columns], labels[rows, columns]
    # Pillow takes the input's (x, y) as an affine function of the output's, both counted from the corner of the picture.
    affine = (1 / scale, 0, left - columns.start, 0, 1 / scale, top - rows.start)

    def sample(pixels: np.ndarray, method: Image.Resampling, outside: int | tuple[int, ...]) -> np.ndarray:
        picture = Image.fromarray(pixels)
        return np.asarray(picture.transform(size[::-1], Image.Transform.AFFINE, affine, method, fillcolor=outside))

    cropped = sample(image, Image.Resampling.BILINEAR, (PAD_VALUE,) * 3)
    return cropped, sample(labels, Image.Resampling.NEAREST, IGNORE_LABEL)


def _window(start: float, length: float, whole: int) -> slice:
    """The pixels from `start` on, and two more on each side, as far as there are any; one where the crop lies beside all."""
    first = min(max(0, int(np.floor(start)) - 2), whole - 1)
    return slice(first, max(first + 1, min(whole, int(np.ceil(start + length)) + 2)))


def change_color(image: np.ndarray, *, brightness: float, contrast: float, saturation: float) -> np.ndarray:
    """Brightness, contrast about the picture's mean and saturation about each pixel's, times a factor each, in this order.

    The three are one affine function of a pixel's colour: Pillow computes it in one pass, in float32, and rounds once.

    Args:
        image: (H, W, 3) uint8.
        brightness: Factor, as the other two.
        contrast: Of what differs from the mean of all.
        saturation: Of what differs from the mean of the three channels.

    Returns:
        (H, W, 3) uint8.
    """
    gain = brightness * contrast
    others = gain * (1 - saturation) / 3  # what each channel gives to every other, and to itself
    own = others + gain * saturation
    # Grey and colours have the same constant part; an integer sum is the same on every machine.
    constant = (1 - contrast) * brightness * (int(image.sum(dtype=np.uint64)) / image.size)
    matrix = (
        own, others, others, constant,
        others, own, others, constant,
        others, others, own, constant,
    )  # fmt: skip
    return np.asarray(Image.fromarray(image).convert("RGB", matrix))
