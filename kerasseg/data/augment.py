"""Random scale, crop, flip and colour on an image and its labels. Stateless: one seed, one result."""

import tensorflow as tf

from kerasseg.config import TrainConfig
from kerasseg.data.labels import IGNORE_LABEL

PAD_VALUE = 127.5  # 0 after the model's rescaling to -1..1


def augment(image: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, config: TrainConfig) -> tuple[tf.Tensor, tf.Tensor]:
    """One training crop.

    Args:
        image: (H, W, 3) uint8.
        labels: (H, W) uint8.
        seed: (2,) int32.
        config: Gives size, scales, flip and colour.

    Returns:
        image (*size, 3) float32 in 0..255 and labels (*size) uint8; what lies outside the picture is 127.5 and 255.
    """
    seeds = tf.unstack(tf.random.split(seed, 7))
    image, labels = scale_crop(image, labels, seeds[0], size=config.size, scales=(config.scale_min, config.scale_max))
    if config.flip:
        flipped = tf.random.stateless_uniform((), seeds[1]) < 0.5
        image = tf.where(flipped, tf.reverse(image, [1]), image)
        labels = tf.where(flipped, tf.reverse(labels, [1]), labels)
    if config.color:
        image = _color(image, seeds[2:5], strength=config.color)
    return image, labels


def scale_crop(
    image: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, *, size: tuple[int, int], scales: tuple[float, float]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Scales by a log-uniform factor and crops at a random place, in one sampling of the original pixels.

    Both samplings use the same points: bilinear for the image, nearest for the labels, which are never mixed. A crop
    that is larger than the scaled picture lies at random over it.
    """
    draws = tf.random.stateless_uniform((3,), seed)
    scale = tf.exp(tf.math.log(scales[0]) + draws[0] * (tf.math.log(scales[1]) - tf.math.log(scales[0])))
    sides = tf.cast(tf.shape(labels), tf.float32)
    crop = tf.constant(size, tf.float32)
    room = sides - crop / scale  # negative where the crop is larger
    start = draws[1:] * room
    # Pixel i of the crop lies at start + (i + 0.5) / scale - 0.5; crop_and_resize wants the outermost two, over side - 1.
    first = start + 0.5 / scale - 0.5
    last = start + (crop - 0.5) / scale - 0.5
    box = tf.concat([first, last], 0) / tf.tile(tf.maximum(sides - 1, 1), [2])

    def sample(pixels: tf.Tensor, method: str, outside: float) -> tf.Tensor:
        return tf.image.crop_and_resize(
            tf.cast(pixels, tf.float32)[None], box[None], [0], size, method=method, extrapolation_value=outside
        )[0]

    cropped = sample(labels[..., None], "nearest", IGNORE_LABEL)[..., 0]
    return sample(image, "bilinear", PAD_VALUE), tf.cast(tf.round(cropped), tf.uint8)


def _color(image: tf.Tensor, seeds: list[tf.Tensor], *, strength: float) -> tf.Tensor:
    def factor(seed: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_uniform((), seed, 1 - strength, 1 + strength)

    image = image * factor(seeds[0])
    mean = tf.reduce_mean(image)
    image = (image - mean) * factor(seeds[1]) + mean
    grey = tf.reduce_mean(image, -1, keepdims=True)
    image = (image - grey) * factor(seeds[2]) + grey
    return tf.clip_by_value(image, 0.0, 255.0)
