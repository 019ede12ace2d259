"""From a split to training batches: tf.data under TensorFlow, threads of Python where another backend trains."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import keras
import numpy as np

from kerasseg.config import TrainConfig
from kerasseg.data.augment import augment
from kerasseg.data.splits import Split
from kerasseg.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

Load = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def train_batches(
    split: Split, config: TrainConfig, *, epoch: int, refused: Callable[[InputError], None] = lambda error: None
) -> tf.data.Dataset | Batches:
    """The batches of one epoch: every example once, in an order and with crops that (seed, epoch) alone decide.

    Args:
        split: The training examples.
        config: Gives size, augmentation, batch size and seed.
        epoch: Counts from 0.
        refused: Gets the error of an example that cannot be read; tf.data raises one of its own then.

    Returns:
        What `fit` takes and a `for` goes through, the same batches under every backend: (images (B, *size, 3) float32 in
        0..255, labels (B, *size) uint8); the last, smaller batch is left out.
    """
    order = np.random.default_rng((config.seed, epoch)).permutation(len(split))

    def load(position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        try:
            example = split[int(position)]
        except InputError as error:
            refused(error)
            raise
        random = np.random.default_rng((config.seed, epoch, int(position)))
        return augment(example.image, example.labels, config, random=random)

    if keras.backend.backend() == "tensorflow":
        return _tf_data(order, load, config)
    return Batches(order, load, batch_size=config.batch_size)


def _tf_data(order: np.ndarray, load: Load, config: TrainConfig) -> tf.data.Dataset:
    import tensorflow as tf

    def load_tensors(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image, labels = tf.numpy_function(load, [position], [tf.float32, tf.uint8])
        image.set_shape((*config.size, 3))
        labels.set_shape(config.size)
        return image, labels

    return (
        tf.data.Dataset.from_tensor_slices(order)
        .map(load_tensors, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .batch(config.batch_size, drop_remainder=True)
        .prefetch(2)
    )


class Batches(keras.utils.PyDataset):
    """The batches for `fit` without tf.data, loaded ahead by a thread a processor."""

    def __init__(self, order: np.ndarray, load: Load, *, batch_size: int):
        super().__init__(workers=os.cpu_count() or 1, max_queue_size=16)
        self.order, self.load, self.batch_size = order, load, batch_size

    def __len__(self) -> int:
        return len(self.order) // self.batch_size

    def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        if i >= len(self):
            raise IndexError(i)  # ends a `for`
        images, labels = zip(*map(self.load, self.order[i * self.batch_size : (i + 1) * self.batch_size]), strict=True)
        return np.stack(images), np.stack(labels)
