"""Several devices and several processes of one training, under JAX: who is the first, and what all agree on.

Keras' `DataParallel` gives every device the weights and a part of each batch, and XLA makes the sums over all of them: losses,
gradients and batch norms are of the whole batch. What is here is what lies around a step: a process that fails lets no other
wait for it, and what only the first one reads or writes the others are told.
"""

import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from kerasseg.errors import InputError

GRACE_SECONDS = 3  # in which the other processes end
_STATUS = re.compile("(UNKNOWN|UNAVAILABLE|INTERNAL|DEADLINE_EXCEEDED|ABORTED|CANCELLED|FAILED_PRECONDITION): ")  # XLA's


def use(devices: str) -> None:
    """Has Keras train on several devices of each process.

    Args:
        devices: How many of each process, or "all".

    Raises:
        InputError: there are not so many, or the backend is another than JAX.
    """
    if keras.backend.backend() != "jax":
        if devices == "1":
            return
        raise InputError(f"--devices={devices} needs KERAS_BACKEND=jax; this is {keras.backend.backend()}, which trains on one")
    import jax

    if devices != "all" and not (devices.isdigit() and int(devices) > 0):
        raise InputError(f"--devices={devices} is no number of devices; give 1 or more, or all")
    mine = jax.local_device_count()
    count = mine if devices == "all" else int(devices)
    if count > mine:
        raise InputError(f"--devices={count} asked, there are {mine}; give at most as many, or all")
    if count * jax.process_count() == 1:
        return
    chosen = [one for process in range(jax.process_count()) for one in jax.devices() if one.process_index == process]
    chosen = [one for i, one in enumerate(chosen) if i % mine < count]
    mesh = keras.distribution.DeviceMesh((len(chosen),), ["batch"], np.array(chosen))
    keras.distribution.set_distribution(keras.distribution.DataParallel(mesh, auto_shard_dataset=False))


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """What is built or computed here is of this process, on one device."""
    before = keras.distribution.distribution()
    if before is None:
        yield
        return
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(before)


def device_count() -> int:
    """Of all processes."""
    distribution = keras.distribution.distribution()
    return 1 if distribution is None else int(np.prod(distribution.device_mesh.shape))


def spread() -> str:
    """On how many devices and processes a training is, in words; empty where it is one of each."""
    devices, processes = device_count(), process()[1]
    if devices == processes == 1:
        return ""
    return f", {devices} devices of {processes} process{'es' * (processes > 1)}"


def process() -> tuple[int, int]:
    """Which one this is, from 0, and how many there are."""
    if keras.backend.backend() != "jax":
        return 0, 1
    import jax

    return jax.process_index(), jax.process_count()


def is_first() -> bool:
    """Whether this process is the one that writes, scores and speaks."""
    return process()[0] == 0


@contextlib.contextmanager
def together(what: str) -> Iterator[None]:
    """All processes come out of it, or none does.

    Args:
        what: It is, for the message: "preparing".

    Raises:
        InputError: that of this process, or one that names another that failed.
    """
    error: Exception | None = None
    try:
        yield
    except Exception as raised:  # whatever it is, the others must not wait
        error = raised
    number, count = process()
    if count > 1:
        failed = np.flatnonzero(_gathered(np.array([error is not None])))
        if error is None and len(failed):
            error = InputError(f"process {failed[0]} failed at {what}, and says why; process {number} ends with it")
        _let_others_go(some=bool(len(failed)))
    if error is not None:
        raise error


def shared(value: Any) -> Any:
    """What the first process has, as JSON takes it. All processes must ask."""
    if process()[1] == 1:
        return value
    content = np.frombuffer(json.dumps(value).encode(), np.uint8) if is_first() else np.zeros(0, np.uint8)
    (length,) = of_first([np.array(len(content), np.int32)])
    if not is_first():
        content = np.zeros(int(length), np.uint8)
    return json.loads(of_first([content])[0].tobytes())


def of_first(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The first process' arrays, of the shapes and dtypes that all have. All processes must ask."""
    if process()[1] == 1:
        return list(arrays)
    from jax.experimental import multihost_utils

    with noticing():
        return [np.asarray(array) for array in multihost_utils.broadcast_one_to_all(list(arrays))]


@contextlib.contextmanager
def noticing() -> Iterator[None]:
    """Says in one line that another process is gone, where JAX's own words are many.

    Raises:
        InputError: that.
    """
    try:
        yield
    except (RuntimeError, ValueError) as error:  # JAX's errors are of these kinds; a ValueError may be anybody's
        number, count = process()
        if count == 1 or (isinstance(error, ValueError) and not _STATUS.match(str(error))):
            raise
        reason = " ".join(str(error).split())[:200]
        _let_others_go()
        raise InputError(
            f"process {number} of {count} lost another one ({reason}); start all of them again with the same commands: they "
            "go on after the last epoch that was saved"
        ) from error


def _gathered(array: np.ndarray) -> np.ndarray:
    from jax.experimental import multihost_utils

    with noticing():
        return np.asarray(multihost_utils.process_allgather(array))


def leave() -> None:
    """Ends a training of several processes: the first one goes last, since JAX aborts those that lose it."""
    if process()[1] == 1:
        return
    if is_first():
        _let_others_go()
        return
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # at once: the interpreter's own end takes longer than the first one waits


def _let_others_go(*, some: bool = True) -> None:
    if some and is_first():
        time.sleep(GRACE_SECONDS)
