"""How long one inference takes."""

import dataclasses
import platform
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

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
        cpu: Its name.
        litert: Version of ai-edge-litert.
    """

    median_ms: float
    p90_ms: float
    runs: int
    warmup: int
    threads: int
    cpu: str
    litert: str

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
        cpu=cpu_name(),
        litert=metadata.version("ai-edge-litert"),
    )


def cpu_name() -> str:
    """The processor's name, from /proc/cpuinfo where there is one."""
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
