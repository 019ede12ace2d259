"""Everything that runs a .tflite file here, behind one interface."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from kerasseg.lite import interpreter, micro

Predict = Callable[[np.ndarray], np.ndarray]


def available() -> tuple[str, ...]:
    """LiteRT with XNNPACK, LiteRT's plain reference kernels, and TFLite Micro where the extra is installed."""
    return (*interpreter.KERNELS, "micro") if micro.is_installed() else interpreter.KERNELS


def load(
    path: Path, *, kernels: str, threads: int = 1, any_output: bool = False
) -> interpreter.LoadedModel | micro.MicroModel:  # fmt: skip
    """Loads a file.

    Args:
        path: Of the .tflite file.
        kernels: "xnnpack", "reference" or "micro".
        threads: Of LiteRT; TFLite Micro has one.
        any_output: Take a file whose output is no logits at the input's size, to time it.

    Raises:
        InputError: the file, or the engine, is not to be had.
    """
    if kernels == "micro":
        return micro.MicroModel(path)
    return interpreter.LoadedModel(path, kernels=kernels, threads=threads, any_output=any_output)


def recording(model: interpreter.LoadedModel | micro.MicroModel, record: list[np.ndarray]) -> Predict:
    """`interpreter.predictor`, which also appends the raw logits of every picture to `record`."""
    predict = interpreter.predictor(model)

    def run(images: np.ndarray) -> np.ndarray:
        ids = predict(images)
        record.append(model.raw_logits().copy())
        return ids

    return run
