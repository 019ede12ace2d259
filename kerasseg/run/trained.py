"""A trained model out of its run directory, and as the callable that is scored."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasseg import files, grey
from kerasseg.errors import InputError
from kerasseg.logits import class_ids, refuse_not_finite
from kerasseg.models import build_model
from kerasseg.run import checkpoint
from kerasseg.run.directory import Run


def load_trained(
    run: Run, *, size: tuple[int, int] | None = None, batch_size: int | None = 1, precision: str = "float32"
) -> keras.Model:
    """The model with the run's best weights.

    Args:
        run: The run.
        size: (height, width) of its pictures; None takes the run's evaluation size.
        batch_size: Fixed, or None.
        precision: Of `build_model`.

    Raises:
        InputError: the directory has no weights, or they are of another model.
    """
    weights = run.directory.learned()
    model = build_model(
        run.spec, size=size or run.eval_size, num_classes=run.num_classes, batch_size=batch_size,
        bn_momentum=run.config.bn_momentum, precision=precision,
    )  # fmt: skip
    load_weights(model, weights)
    return model


def load_hashed(run: Run, **settings: Any) -> tuple[keras.Model, str]:
    """`load_trained`, and the SHA-256 of the weights that were loaded.

    Args:
        run: The run.
        settings: Of `load_trained`.

    Raises:
        InputError: as there, or a training replaced the weights meanwhile.
    """
    path = run.directory.best_weights
    before = files.sha256(path) if path.exists() else ""
    model = load_trained(run, **settings)
    if files.sha256(path) != before:
        raise InputError(f"{path} was replaced while it was read; wait until its training has ended")
    return model, before


def load_weights(model: keras.Model, path: Path) -> None:
    """Loads the weights that a run kept, whatever the size of its pictures.

    Raises:
        InputError: the file is missing, cannot be read, is of another model, or holds a number that is not finite.
    """
    refuse_missing(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras' about layers that stay as they are, of a file that is refused
            model.load_weights(path)
    except Exception as error:  # h5py and Keras raise OSError, ValueError and KeyError
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path} cannot be read ({reason}); give the weights of a run with the same model and classes"
        ) from error
    checkpoint.refuse_not_finite(model, source=str(path))


def refuse_missing(path: Path) -> None:
    """Raises InputError where `load_weights` has no file to read."""
    if not path.is_file():
        is_folder = f"{path} is a folder" if path.is_dir() else f"no file {path}"
        raise InputError(f"{is_folder}; give the weights of a run with the same model and classes")


def predictor(model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """Images (N, H, W, 3) uint8 -> class ids (N, H, W) uint8, by the largest logit; a network that takes grey is shown theirs.

    N is at most the model's own batch size, if that is fixed; fewer are filled up with the first, so that it is compiled once.
    Where the logits are of the images' size, the largest is found in the compiled network: one byte a pixel leaves the device.
    It is compiled at the first call: make one predictor, not one a score. It raises InputError for pictures that are none, more
    of them than it takes, and logits that are not finite.
    """
    batch_size, *_, channels = model.input.shape

    def taken(images: np.ndarray) -> np.ndarray:
        grey.check(images, channels=(3, channels))
        if batch_size and len(images) > batch_size:
            raise InputError(f"{len(images)} pictures were given to a network of {batch_size}; give that many at a time")
        missing = max(0, (batch_size or 0) - len(images))
        return grey.fitted(np.concatenate([images, images[:1].repeat(missing, 0)]), channels).astype(np.float32)

    if tuple(model.output.shape[1:3]) != tuple(model.input.shape[1:3]):

        def predict_coarse(images: np.ndarray) -> np.ndarray:
            return class_ids(model.predict_on_batch(taken(images))[: len(images)], size=images.shape[1:3])

        return predict_coarse
    largest = ops.cast(ops.argmax(model.output, -1), "uint8")
    odd = ops.sum(ops.cast(ops.logical_not(ops.isfinite(model.output)), "int32"), (1, 2, 3))
    network = keras.Model(model.input, [largest, odd])

    def predict(images: np.ndarray) -> np.ndarray:
        ids, counts = network.predict_on_batch(taken(images))
        refuse_not_finite(int(np.sum(counts[: len(images)])), of=images[..., 0].size * model.output.shape[-1])
        return ids[: len(images)]

    return predict
