"""What lets a killed training go on, float or quantization-aware: progress, weights and optimizer in one file."""

import contextlib
import dataclasses
import json
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasseg import files
from kerasseg.errors import InputError


@dataclass
class Progress:
    """How far a training is: finished epochs, the best score so far, and a row of figures an epoch."""

    epoch: int = 0
    best_miou: float = -1.0
    best_epoch: int = 0
    history: list[dict] = field(default_factory=list)

    def add(self, row: dict, miou: float | None) -> bool:
        """Counts an epoch; returns whether it is the best so far.

        Args:
            row: Its figures; "epoch" is its number, from 1.
            miou: Its score, 0..1, where it was evaluated.
        """
        self.epoch = row["epoch"]
        self.history.append(row)
        if miou is None or miou <= self.best_miou:
            return False
        self.best_miou, self.best_epoch = miou, self.epoch
        return True


def save(path: Path, arrays: Mapping[str, np.ndarray], progress: Progress) -> None:
    """Writes a checkpoint atomically.

    Args:
        path: Of the .npz file.
        arrays: Everything that going on needs.
        progress: How far it is.
    """
    story = np.frombuffer(json.dumps(dataclasses.asdict(progress)).encode(), np.uint8)
    with files.replacing(path) as temporary:
        everything: dict[str, Any] = {**arrays, "progress": story}
        np.savez(temporary, **everything)


def restore(path: Path, take: Callable[[Mapping[str, np.ndarray]], None], *, otherwise: str) -> Progress:
    """Reads what `save` wrote.

    Args:
        path: Of the .npz file.
        take: Puts the arrays where they belong.
        otherwise: What to do where they cannot be used, for the message.

    Raises:
        InputError: the file cannot be read, or `take` raises ValueError or KeyError, as arrays of another model make it.
    """
    try:
        with path.open("rb") as file, np.load(file) as stored:
            arrays = dict(stored)
        take(arrays)
        return Progress(**json.loads(arrays["progress"].tobytes()))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} cannot be resumed from ({error}); restore it or {otherwise}") from error


def refuse_not_finite(model: keras.Model, *, source: str) -> None:
    """Raises InputError, naming the first, where a weight is NaN or infinite: arg max would take NaN for class 0."""
    for variable in model.weights:
        if not np.isfinite(keras.ops.convert_to_numpy(variable)).all():
            raise InputError(
                f"{source}: {variable.path} is not finite; train again with a lower --learning_rate, more --warmup_epochs, "
                "a smaller --clip_norm, or --precision=float32"
            )


def refuse_little_space(model: keras.Model, optimizer: keras.Optimizer, folder: Path) -> None:
    """Raises InputError where a run's files would not fit: before its first step, not after its first epoch."""
    variables = sum(int(np.prod(variable.shape)) for variable in (*model.weights, *optimizer.variables))
    needed = 4 * variables + 3 * 6 * model.count_params()  # checkpoint; best, last and temporary weights as below
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            f"{folder} has {free / 2**20:.0f} MiB free, checkpoint and weights take {needed / 2**20:.0f} MiB; "
            "free some space or choose another place"
        )


def save_weights(model: keras.Model, path: Path) -> None:
    """Writes Keras weights atomically.

    Raises:
        InputError: one is not finite, or the file cannot be written.
    """
    refuse_not_finite(model, source=str(path))
    with files.replacing(path) as temporary:
        # h5py brings the process down when a device fills up while it writes: find out before.
        temporary.write_bytes(bytes(6 * model.count_params() + 2**18))
        model.save_weights(temporary)


def make_deterministic(seed: int, *, on_gpu: bool = False) -> None:
    """Seeds everything and, on a processor, asks TensorFlow for deterministic kernels.

    Args:
        seed: Of Python, NumPy and the backend.
        on_gpu: Whether to ask where there is a GPU, too; TensorFlow has no deterministic kernel there for some operations.
    """
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if on_gpu or not tf.config.list_physical_devices("GPU"):
            tf.config.experimental.enable_op_determinism()
        # int8.twin switches it off for the process; without this, what ran before would decide the last bits.
        tf.config.optimizer.set_experimental_options({"constant_folding": True})


@contextlib.contextmanager
def naming_the_flag() -> Iterator[None]:
    """Turns TensorFlow's refusal of an operation without a deterministic kernel into a line that names --deterministic.

    Raises:
        InputError: that.
    """
    try:
        yield
    except Exception as error:  # TensorFlow's kinds are not to be imported here
        reason = re.search(r"A deterministic GPU implementation of .*? is not currently available", str(error), re.DOTALL)
        if reason is None:
            raise
        raise InputError(f"{' '.join(reason[0].split())}; leave out --deterministic, or train on a processor") from error
