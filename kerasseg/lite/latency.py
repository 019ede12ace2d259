"""How long one inference takes."""

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerasseg.lite.interpreter import Runnable


@dataclass(frozen=True)
class Latency:
    """Wall time of one inference, input already in place, and how it was measured.

    Attributes:
        median_ms: Half of the runs were faster.
        p90_ms: Nine tenths were.
        p95_ms: Nineteen twentieths were.
        runs: Counted runs.
        warmup: Runs before them, not counted.
        threads: Of the interpreter.
        interleaved: How many files took turns, run by run.
    """

    median_ms: float
    p90_ms: float
    p95_ms: float
    runs: int
    warmup: int
    threads: int
    interleaved: int

    def to_json(self) -> dict:
        """As plain JSON values."""
        return dataclasses.asdict(self)


def measure(models: Sequence[Runnable], image: np.ndarray | None = None, *, runs: int, warmup: int) -> list[Latency]:
    """Times models in turn, run by run, so that whatever else the machine does meets all of them alike.

    Args:
        models: Loaded, in any mixture of sizes and threads.
        image: (1, H, W, 3), values 0..255, for models of that size; a grey one where none fits.
        runs: Counted runs of each, at least 1.
        warmup: Runs of each before them.
    """
    for model in models:
        if image is not None and image.shape[1:3] == model.size:
            model.set_image(image.astype(np.float32))
        else:
            model.set_image(np.full((1, *model.size, 3), 128, np.float32))
    times_ms = np.empty((len(models), warmup + runs))
    for turn in range(warmup + runs):
        for i, model in enumerate(models):
            start = time.perf_counter()
            model.invoke()
            times_ms[i, turn] = 1e3 * (time.perf_counter() - start)
    found = []
    for model, counted in zip(models, times_ms[:, warmup:], strict=True):
        median, p90, p95 = map(float, np.percentile(counted, (50, 90, 95)))
        found.append(Latency(median, p90, p95, runs, warmup, model.threads, interleaved=len(models)))
    return found
