"""python benchmarks/crops.py: how many training crops a second a core makes, and two; threads, and worker processes."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from kerasseg import cli
from kerasseg.config import TrainConfig, setting
from kerasseg.data.augment import augment
from kerasseg.data.splits import Example, Split


@dataclass(frozen=True)
class CropOptions:
    """Prints JSON: crops/s from decoded pictures in memory, on one thread, on two, and in two processes."""

    size: tuple[int, int] = setting((256, 256), "height,width of a crop")
    pictures: tuple[str, ...] = setting(("360x480", "1024x2048"), "height x width of the pictures")
    crops: int = setting(200, "to a measurement")
    rounds: int = setting(5, "times that each is measured, in turn")


@dataclass(frozen=True)
class Drawn:
    """Reads one noisy picture, whatever the position; another process can have it."""

    height: int
    width: int

    def __call__(self, i: int) -> Example:
        """The picture, drawn anew in each process and then kept there."""
        rng = np.random.default_rng(0)
        labels = rng.integers(0, 11, (self.height // 8, self.width // 8), np.uint8).repeat(8, 0).repeat(8, 1)
        image = (labels[..., None] * np.array([20, 7, 13], np.uint8)) + rng.integers(0, 20, (*labels.shape, 3), np.uint8)
        return Example("drawn", image, labels)


def measure(options: CropOptions) -> dict:
    """Medians of the rounds."""
    from kerasseg.run.provenance import provenance

    rows = [_measure(*map(int, size.split("x")), options) for size in options.pictures]
    method = (
        f"medians of {options.rounds} rounds of {options.crops} crops, in turn; decoded pictures in memory; crops/s by the "
        "clock, and the processor time of one"
    )
    return {"method": method, "size": list(options.size), "crops_per_s": rows, **provenance()}


def _measure(height: int, width: int, options: CropOptions) -> dict:
    config, example = TrainConfig(size=options.size), Drawn(height, width)(0)

    def one(i: int) -> None:
        augment(example.image, example.labels, config, random=np.random.default_rng((0, 0, i)))

    def threads(count: int) -> None:
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(one, range(options.crops)))

    measures = {"1 thread": lambda: threads(1), "2 threads": lambda: threads(2)}
    workers = _workers(Drawn(height, width), config)
    if workers:
        measures["2 processes"] = lambda: workers.crops(range(options.crops), epoch=0)
    rates: dict[str, list[float]] = {name: [] for name in measures}
    processor: list[float] = []
    for turn in range(options.rounds + 1):
        for name, work in measures.items():
            start, used = time.perf_counter(), time.process_time()
            work()
            if turn:  # the first is no pace
                rates[name].append(options.crops / (time.perf_counter() - start))
                processor += [1000 * (time.process_time() - used) / options.crops] if name == "1 thread" else []
    if workers:
        workers.close()
    medians = {name: float(np.median(values)) for name, values in rates.items()}
    return {"picture": [height, width], **medians, "processor_ms_a_crop": float(np.median(processor))}


def _workers(read: Drawn, config: TrainConfig):
    """Two processes that keep the picture; None in a version that had none, so that this file measures it, too."""
    try:
        from kerasseg.data.cache import Cache
        from kerasseg.data.workers import Workers
    except ImportError:
        return None
    split = Split(("drawn", "again"), read)
    split.cache = Cache(decoded_bytes=2**30)
    return _Same(Workers(split, config, count=2))


class _Same:
    """Workers over two positions, one of each process, asked again and again."""

    def __init__(self, workers):
        self.workers = workers

    def crops(self, positions: range, *, epoch: int) -> None:
        """So many crops of the two in turn, as a training asks for them: a batch of 8 at a time, two ahead."""
        with ThreadPoolExecutor(2) as pool:
            batches = range(len(positions) // 8)
            list(pool.map(lambda i: self.workers.crops([0, 1] * 4, epoch=epoch + i), batches))

    def close(self) -> None:
        """Ends the processes."""
        self.workers.close()


def main(options: CropOptions) -> None:
    print(json.dumps(measure(options), indent=2))


if __name__ == "__main__":
    cli.run(main)
