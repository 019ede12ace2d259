"""Random scale, crop, flip and colour on an image and its labels, in NumPy and Pillow: the same under every Keras backend."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from kerasseg.config import TrainConfig
from kerasseg.data.labels import IGNORE_LABEL
from kerasseg.data.letterbox import PAD_VALUE

TINT = 0.3  # of a random gamma, how much of it each colour channel has for itself: light has a colour


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
        config: Gives size, scales, flip, colour and gamma.
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
    picture = Image.fromarray(image)
    if config.color:
        picture = change_color(picture, brightness=factors[0], contrast=factors[1], saturation=factors[2])
    if config.gamma:
        exponent = random.uniform(-1, 1) + TINT * random.uniform(-1, 1, 3)
        picture = change_gamma(picture, powers=np.exp(config.gamma * exponent))
    if config.flip and flips:
        picture, labels = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT), labels[:, ::-1]
    return np.asarray(picture), labels


def scale_crop(
    image: np.ndarray, labels: np.ndarray, *, size: tuple[int, int], scales: tuple[float, float], random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Scales by a log-uniform factor and crops at a random place, in one sampling of the original pixels.

    Both samplings use the same points: bilinear for the image, antialiased where it is made smaller, as pictures are that are
    scored; nearest for the labels, which are never mixed. A crop that is larger than the scaled picture lies at random over it.

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
    # Pillow copies what it samples: of a large picture, only the pixels that the crop and the filter about it lie in.
    step, reach = 1 / scale, _reach(scale)
    rows = _Side.of(top, size[0], step, labels.shape[0], reach=reach)
    columns = _Side.of(left, size[1], step, labels.shape[1], reach=reach)
    window = np.pad(image[rows.window, columns.window], (rows.beyond, columns.beyond, (0, 0)), mode="edge")
    box = (columns.start, rows.start, columns.end, rows.end)
    cropped = np.asarray(Image.fromarray(window).resize(size[::-1], Image.Resampling.BILINEAR, box))
    found = labels[rows.nearest][:, columns.nearest]
    if found.shape == size:
        return cropped, found
    inside = rows.inside, columns.inside
    image, labels = np.full((*size, 3), PAD_VALUE, np.uint8), np.full(size, IGNORE_LABEL, np.uint8)
    image[inside], labels[inside] = cropped[inside], found
    return image, labels


class _Side(NamedTuple):
    """Rows or columns of a crop.

    Attributes:
        window: The picture's that are read.
        beyond: How many more there are to be before and behind them, where the crop goes beyond the picture.
        start: Where the crop begins, counted from the first of all these.
        end: Where it ends.
        inside: The crop's whose centres lie in the picture.
        nearest: The picture's rows or columns that those centres lie in.
    """

    window: slice
    beyond: tuple[int, int]
    start: float
    end: float
    inside: slice
    nearest: np.ndarray

    @classmethod
    def of(cls, start: float, size: int, step: float, whole: int, *, reach: int) -> "_Side":
        end = start + size * step
        first, last = int(np.floor(start)), int(np.ceil(end))
        low = min(max(0, first - reach), whole - 1)
        high = max(low + 1, min(whole, last + reach))
        before, behind = max(0, low - first), max(0, last - high)
        centres = np.floor(start + (np.arange(size) + 0.5) * step).astype(np.intp)
        inside = slice(*np.searchsorted(centres, (0, whole)))
        return cls(slice(low, high), (before, behind), start - low + before, end - low + before, inside, centres[inside])


def _reach(scale: float) -> int:
    """How many pixels beside a crop the filter looks at, and one for rounding."""
    return int(np.ceil(max(1.0, 1 / scale))) + 1


def change_color(picture: Image.Image, *, brightness: float, contrast: float, saturation: float) -> Image.Image:
    """Brightness, contrast about the picture's mean and saturation about each pixel's, times a factor each, in this order.

    The three are one affine function of a pixel's colour: Pillow computes it in one pass, in float32, and rounds once.

    Args:
        picture: RGB, 8 bits a channel.
        brightness: Factor, as the other two.
        contrast: Of what differs from the mean of all.
        saturation: Of what differs from the mean of the three channels.
    """
    gain = brightness * contrast
    others = gain * (1 - saturation) / 3  # what each channel gives to every other, and to itself
    own = others + gain * saturation
    # Grey and colours have the same constant part; an integer sum is the same on every machine. By columns first, in 32 bits.
    numbers = np.asarray(picture)
    constant = (1 - contrast) * brightness * (int(numbers.sum(0, dtype=np.uint32).sum()) / numbers.size)
    matrix = (
        own, others, others, constant,
        others, own, others, constant,
        others, others, own, constant,
    )  # fmt: skip
    return picture.convert("RGB", matrix)


def change_gamma(picture: Image.Image, *, powers: np.ndarray) -> Image.Image:
    """Each channel of a picture, from 0 to 1, to a power; more than 1 darkens.

    Args:
        picture: RGB, 8 bits a channel.
        powers: (3,) float, one a channel.

    Returns:
        The same, rounded.
    """
    table = np.rint(255 * (np.arange(256) / 255) ** powers[:, None])
    return picture.point(table.astype(int).ravel().tolist())
