"""How long one inference takes."""

import dataclasses
import time
from dataclasses import dataclass

import numpy as np

from kerasseg.lite.interpreter import LoadedModel


@dataclass(frozen=True)
class Latency:
    """Wall time of one inference, input already in place, and how it was measured.

    Attributes:
        median_ms: Half of the runs were faster.
        p90_ms: Nine tenths were.
        runs: Counted runs.
        warmup: Runs before them, not counted.
        threads: Of the interpreter.
    """

    median_ms: float
    p90_ms: float
    runs: int
    warmup: int
    threads: int

    def to_json(self) -> dict:
        """As plain JSON values."""
        return dataclasses.asdict(self)


def measure(model: LoadedModel, image: np.ndarray, *, runs: int, warmup: int, threads: int) -> Latency:
    """Times `model` on one image.

    Args:
        model: Loaded with `threads`.
        image: (1, H, W, 3), values 0..255.
        runs: Counted runs, at least 1.
        warmup: Runs before them.
        threads: What the model was loaded with, for the record.
    """
    model.set_image(image.astype(np.float32))
    for _ in range(warmup):
        model.invoke()
    times_ms = []
    for _ in range(runs):
        start = time.perf_counter()
        model.invoke()
        times_ms.append(1e3 * (time.perf_counter() - start))
    return Latency(
        median_ms=float(np.median(times_ms)),
        p90_ms=float(np.percentile(times_ms, 90)),
        runs=runs,
        warmup=warmup,
        threads=threads,
    )
