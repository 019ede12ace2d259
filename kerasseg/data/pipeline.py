"""From a split to training batches: tf.data under TensorFlow, threads of Python where another backend trains."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import keras
import numpy as np

from kerasseg.config import TrainConfig
from kerasseg.data.splits import Split
from kerasseg.data.workers import Crop, Workers, crop
from kerasseg.errors import InputError
from kerasseg.models import get_spec

if TYPE_CHECKING:
    import tensorflow as tf

AHEAD = 16  # batches that are loaded, or being loaded, before they are asked for

Load = Callable[[Iterable[int]], list[Crop]]


@contextlib.contextmanager
def started_workers(split: Split, config: TrainConfig) -> Iterator[Workers | None]:
    """The processes that a training's settings ask for, while it lasts; None where it takes threads.

    Raises:
        InputError: the split cannot be read by another process.
    """
    if not config.workers:
        yield None
        return
    with Workers(split, config, count=config.workers) as workers:
        split.cache = None  # each process has its part of the memory
        yield workers


def train_batches(
    split: Split,
    config: TrainConfig,
    *,
    epoch: int,
    refused: Callable[[InputError], None] = lambda error: None,
    workers: Workers | None = None,
    part: tuple[int, int] = (0, 1),
) -> tf.data.Dataset | Batches:
    """The batches of one epoch: every example once, in an order and with crops that (seed, epoch) alone decide.

    Args:
        split: The training examples.
        config: Gives size, augmentation, batch size and seed.
        epoch: Counts from 0.
        refused: Gets the error of an example that cannot be read; tf.data raises one of its own then.
        workers: Processes that make the crops; None makes them on threads of this one. The batches are the same.
        part: (k, n) for the k-th of n equal parts of every batch, from 0: what one of n machines reads.

    Returns:
        What `fit` takes and a `for` goes through, the same batches under every backend: (images (B, *size, C) float32 in
        0..255, C the model's channels, labels (B, *size) uint8); the last, smaller batch is left out.
    """
    order = np.random.default_rng((config.seed, epoch)).permutation(len(split))
    steps, (number, parts) = len(split) // config.batch_size, part
    order = order[: steps * config.batch_size].reshape(steps, parts, -1)[:, number].ravel()
    config = dataclasses.replace(config, batch_size=config.batch_size // parts)

    def load(positions: Iterable[int]) -> list[Crop]:
        try:
            if workers:
                return workers.crops(positions, epoch=epoch)
            return [crop(split, config, epoch=epoch, position=int(i)) for i in positions]
        except InputError as error:
            refused(error)
            raise

    processes = workers.count if workers else 0
    if keras.backend.backend() == "tensorflow":
        return _tf_data(order, load, config, processes=processes)
    return Batches(order, load, batch_size=config.batch_size, processes=processes)


def _tf_data(order: np.ndarray, load: Load, config: TrainConfig, *, processes: int) -> tf.data.Dataset:
    import tensorflow as tf

    channels = get_spec(config.model, channels=config.channels).channels

    def load_batch(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        images, labels = zip(*load(positions), strict=True)
        return np.stack(images), np.stack(labels)

    def load_tensors(positions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # Of positions alone, so not stateful: one that is makes tf.data, asked for determinism, read nothing ahead.
        images, labels = tf.numpy_function(load_batch, [positions], [tf.uint8, tf.uint8], stateful=False)
        images.set_shape((config.batch_size, *config.size, channels))
        labels.set_shape((config.batch_size, *config.size))
        return tf.cast(images, tf.float32), labels

    # No autotuning: at some epochs' ends fit waited for its thread, which sleeps for intervals that double, 8 of 20 seconds.
    fixed = tf.data.Options()
    fixed.autotune.enabled = False
    return (
        tf.data.Dataset.from_tensor_slices(order.reshape(-1, config.batch_size))
        .map(load_tensors, num_parallel_calls=_threads(config.batch_size, processes), deterministic=True)
        .prefetch(2)
        .with_options(fixed)
    )


def _threads(batch_size: int, processes: int) -> int:
    """How many load batches: one a processor or, where they wait for processes, two more than those have hands for."""
    return min(AHEAD, processes // batch_size + 2 if processes else os.cpu_count() or 1)


class Batches(keras.utils.PyDataset):
    """The batches for `fit` without tf.data, loaded ahead by a thread a processor, or by processes.

    Keras' own threads are not used: before its first step `fit` looks at a batch to build the network for, and they would go on
    with the second, so that an epoch began with that and ended with the first.
    """

    def __init__(self, order: np.ndarray, load: Load, *, batch_size: int, processes: int):
        super().__init__()
        self.order, self.load, self.batch_size = order, load, batch_size
        self._pool = ThreadPoolExecutor(_threads(batch_size, processes))
        self._ahead: dict[int, Future] = {}

    def __len__(self) -> int:
        return len(self.order) // self.batch_size

    def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        if i >= len(self):
            raise IndexError(i)  # ends a `for`
        for later in range(i, min(i + AHEAD, len(self))):
            if later not in self._ahead:
                self._ahead[later] = self._pool.submit(self._batch, later)
        return self._ahead.pop(i).result()

    def _batch(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        images, labels = zip(*self.load(self.order[i * self.batch_size : (i + 1) * self.batch_size]), strict=True)
        return np.stack(images, dtype=np.float32), np.stack(labels)
