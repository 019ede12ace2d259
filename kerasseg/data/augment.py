"""Random scale, crop, flip and colour on an image and its labels, in NumPy and Pillow: the same under every Keras backend."""

import numpy as np
from PIL import Image

from kerasseg.config import TrainConfig
from kerasseg.data.labels import IGNORE_LABEL
from kerasseg.data.letterbox import PAD_VALUE


def augment(
    image: np.ndarray, labels: np.ndarray, config: TrainConfig, *, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """One training crop.

    Args:
        image: (H, W, 3) uint8.
        labels: (H, W) uint8.
        config: Gives size, scales, flip and colour.
        random: Decides the crop: the same state, the same crop.

    Returns:
        image (*size, 3) float32 in 0..255 and labels (*size) uint8; what lies outside the picture is 127 and 255.
    """
    image, labels = scale_crop(image, labels, size=config.size, scales=(config.scale_min, config.scale_max), random=random)
    flips, factors = random.random() < 0.5, 1 + config.color * random.uniform(-1, 1, 3).astype(np.float32)
    if config.flip and flips:
        image, labels = image[:, ::-1], labels[:, ::-1]
    image = image.astype(np.float32)
    return (_color(image, factors) if config.color else image), labels


def scale_crop(
    image: np.ndarray, labels: np.ndarray, *, size: tuple[int, int], scales: tuple[float, float], random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Scales by a log-uniform factor and crops at a random place, in one sampling of the original pixels.

    Both samplings use the same points: bilinear for the image, nearest for the labels, which are never mixed. A crop
    that is larger than the scaled picture lies at random over it.
    """
    scale = np.exp(random.uniform(*np.log(scales)))
    room = np.array(labels.shape) - np.array(size) / scale  # negative where the crop is larger
    top, left = random.random(2) * room
    # Pillow takes the input's (x, y) as an affine function of the output's, both counted from the corner of the picture.
    affine = (1 / scale, 0, left, 0, 1 / scale, top)

    def sample(pixels: np.ndarray, method: Image.Resampling, outside: int | tuple[int, ...]) -> np.ndarray:
        picture = Image.fromarray(pixels)
        return np.asarray(picture.transform(size[::-1], Image.Transform.AFFINE, affine, method, fillcolor=outside))

    cropped = sample(image, Image.Resampling.BILINEAR, (PAD_VALUE,) * 3)
    return cropped, sample(labels, Image.Resampling.NEAREST, IGNORE_LABEL)


def _color(image: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Brightness, contrast and saturation times a factor each."""
    image = image * factors[0]
    mean = image.mean()
    image = (image - mean) * factors[1] + mean
    grey = image.mean(-1, keepdims=True)
    image = (image - grey) * factors[2] + grey
    return np.clip(image, 0.0, 255.0)
