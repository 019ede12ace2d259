"""What lets a killed training go on, float or quantization-aware: progress, weights and optimizer in one file."""

import dataclasses
import json
import zipfile
from collections.abc import Callable, Mapping
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


def save_weights(model: keras.Model, path: Path) -> None:
    """Writes Keras weights atomically."""
    with files.replacing(path) as temporary:
        # h5py brings the process down when a device fills up while it writes: find out before.
        temporary.write_bytes(bytes(6 * model.count_params() + 2**18))
        model.save_weights(temporary)


def make_deterministic(seed: int) -> None:
    """Seeds everything and asks TensorFlow for deterministic kernels."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
