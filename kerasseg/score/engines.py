"""Everything that runs a .tflite file here, behind one interface."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from kerasseg.lite import interpreter
from kerasseg.lite.input_range import PIXELS, Range
from kerasseg.lite.interpreter import Runnable, Segmenting
from kerasseg.mcu import runtime

Predict = Callable[[np.ndarray], np.ndarray]


def available() -> tuple[str, ...]:
    """LiteRT with XNNPACK, LiteRT's plain reference kernels, and TFLite Micro where the extra is installed."""
    return (*interpreter.KERNELS, "micro") if runtime.is_installed() else interpreter.KERNELS


def load(path: Path, *, kernels: str, threads: int = 1, taken: Range = PIXELS) -> Segmenting:
    """Loads a segmentation model.

    Args:
        path: Of the .tflite file.
        kernels: "xnnpack", "reference" or "micro".
        threads: Of LiteRT; TFLite Micro has one.
        taken: What it takes for 0..255.

    Raises:
        InputError: the file, or the engine, is not to be had.
    """
    if kernels == "micro":
        return runtime.MicroModel(path, taken=taken)
    return interpreter.LoadedModel(path, kernels=kernels, threads=threads, taken=taken)


def load_any(path: Path, *, kernels: str, threads: int = 1, taken: Range = PIXELS) -> Runnable:
    """As `load`, for a file that takes a picture and gives whatever it gives: to time it."""
    if kernels == "micro":
        return runtime.MicroImageModel(path, taken=taken)
    return interpreter.ImageModel(path, kernels=kernels, threads=threads, taken=taken)


def recording(model: Segmenting, record: list[np.ndarray]) -> Predict:
    """`interpreter.predictor`, which also appends the raw output for every picture to `record`."""
    predict = interpreter.predictor(model)

    def run(images: np.ndarray) -> np.ndarray:
        ids = predict(images)
        record.append(model.raw_output().copy())
        return ids

    return run
