"""Processes that read pictures and make crops, for trainings that take them faster than one Python can make them."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import numpy as np

from kerasseg import grey
from kerasseg.config import TrainConfig
from kerasseg.data import pasting
from kerasseg.data.augment import augment
from kerasseg.data.cache import Cache
from kerasseg.data.splits import Split
from kerasseg.errors import DataError, InputError
from kerasseg.models import get_spec

Crop = tuple[np.ndarray, np.ndarray]  # image (*size, channels of the model) uint8, labels (*size) uint8


def crop(split: Split, config: TrainConfig, *, epoch: int, position: int) -> Crop:
    """One example of an epoch, as (seed, epoch, position) alone decide. Where the model takes grey, it is made last.

    Raises:
        InputError: it cannot be read, or the picture that something is pasted from.
    """
    example = split[position]
    random = np.random.default_rng((config.seed, epoch, position))
    patch = pasting.patch(split, config, epoch=epoch, position=position)
    image, labels = augment(example.image, example.labels, config, random=random, patch=patch)
    return grey.fitted(image, get_spec(config.model, channels=config.channels).channels), labels


class Workers:
    """Processes that make the crops of a split. Each reads the same positions every epoch, and keeps those in its memory.

    Attributes:
        count: How many.
    """

    def __init__(self, split: Split, config: TrainConfig, *, count: int):
        """Starts them.

        Args:
            split: Of files, which every process opens for itself.
            config: Gives size, augmentation and seed.
            count: Processes, at least 1.

        Raises:
            InputError: the split cannot be read by another process.
        """
        self.count = count
        share = split.cache.part(count) if split.cache else None
        limits = (share.decoded_bytes, share.encoded_bytes) if share else None
        try:
            pickled = pickle.dumps((Split(split.names, split.read, split.size_of, donors=split.donors), config, limits))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise InputError(
                f"workers={count}: these pictures cannot be read by another process ({error}); give workers=0, or a data set "
                "of files, such as kerasseg prepare writes"
            ) from error
        # No fork: a forked TensorFlow or JAX may wait for threads that its process does not have.
        context = multiprocessing.get_context("spawn")
        self._pools = [
            ProcessPoolExecutor(1, mp_context=context, initializer=_begin, initargs=(pickled,)) for _ in range(count)
        ]

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the processes, whatever they are at."""
        for pool in self._pools:
            pool.shutdown(wait=True, cancel_futures=True)

    def crops(self, positions: Iterable[int], *, epoch: int) -> list[Crop]:
        """The crops at some positions, in order, made side by side.

        Raises:
            InputError: an example cannot be read, or a process has ended.
        """
        try:
            waiting: list[Future] = [
                self._pools[i % len(self._pools)].submit(_crop, epoch, int(i)) for i in map(int, positions)
            ]
            return [_opened(one.result()) for one in waiting]
        except BrokenProcessPool as error:
            raise InputError(
                "a process that reads pictures has ended: out of memory, or this is a script without "
                'if __name__ == "__main__": around what it does; give fewer --workers, or 0'
            ) from error


_made: dict[str, Callable[[int, int], Crop]] = {}  # of a worker process: what it was begun with


def _begin(pickled: bytes) -> None:
    """What a worker process does first: it gets its split, leaves Ctrl-C to its parent, and ends when that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    split, config, limits = pickle.loads(pickled)
    if limits:
        split.cache = Cache(decoded_bytes=limits[0], encoded_bytes=limits[1])
    _made["crop"] = lambda epoch, position: crop(split, config, epoch=epoch, position=position)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(0)


def _crop(epoch: int, position: int) -> Crop | tuple[str, str]:
    """A crop, or message and kind of the error: a DataError is not unpickled as it was."""
    try:
        image, labels = _made["crop"](epoch, position)
        return np.ascontiguousarray(image), np.ascontiguousarray(labels)
    except InputError as error:
        return str(error), error.kind if isinstance(error, DataError) else ""


def _opened(outcome: Crop | tuple[str, str]) -> Crop:
    first, second = outcome
    if isinstance(first, str):
        raise DataError(first, kind=str(second)) if second else InputError(first)
    assert isinstance(second, np.ndarray)
    return first, second
