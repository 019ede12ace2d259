"""From a split to training batches, as tf.data."""

import numpy as np
import tensorflow as tf

from kerasseg.config import TrainConfig
from kerasseg.data.augment import augment
from kerasseg.data.splits import Split


def train_batches(split: Split, config: TrainConfig, *, epoch: int) -> tf.data.Dataset:
    """The batches of one epoch: every example once, in an order and with crops that (seed, epoch) alone decide.

    Args:
        split: The training examples.
        config: Gives size, augmentation, batch size and seed.
        epoch: Counts from 0.

    Returns:
        A data set of (images (B, *size, 3) float32 in 0..255, labels (B, *size) uint8); the last, smaller batch is left out.
    """
    order = np.random.default_rng((config.seed, epoch)).permutation(len(split))

    def read(position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        example = split[int(position)]
        return example.image, example.labels

    def load(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image, labels = tf.numpy_function(read, [position], [tf.uint8, tf.uint8])
        image.set_shape((None, None, 3))
        labels.set_shape((None, None))
        seed = tf.random.fold_in(tf.constant([config.seed, epoch], tf.int32), tf.cast(position, tf.int32))
        return augment(image, labels, seed, config)

    return (
        tf.data.Dataset.from_tensor_slices(order)
        .map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .batch(config.batch_size, drop_remainder=True)
        .prefetch(2)
    )
