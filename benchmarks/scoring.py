"""python benchmarks/scoring.py > results/scoring.json: what scoring takes a picture, beside the network."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kerasseg import cli
from kerasseg.config import setting
from kerasseg.data import letterbox
from kerasseg.data.labels import IGNORE_LABEL
from kerasseg.data.splits import Example, Split
from kerasseg.logits import class_ids
from kerasseg.run.provenance import provenance
from kerasseg.score import evaluate, metrics

# (height, width), classes, stride of the logits
CASES = (((360, 480), 11, 1), ((1024, 2048), 19, 1), ((512, 512), 150, 4))


@dataclass(frozen=True)
class ScoringOptions:
    """Prints JSON: milliseconds of each part of scoring, for drawn segments of three sizes."""

    runs: int = setting(7, "medians are of so many, after one")
    backends: tuple[str, ...] = setting(
        ("tensorflow", "torch", "jax"), "Keras backends, for a network with one and several pictures"
    )
    network: bool = setting(False, "for itself: the network under this backend")


def segments(size: tuple[int, int], classes: int, random: np.random.Generator) -> np.ndarray:
    """Class ids (H, W) uint8 in cells of a 24th of the height, with a strip of 255."""
    side = max(1, size[0] // 24)
    cells = random.integers(0, classes, (-(-size[0] // side), -(-size[1] // side)), np.uint8)
    ids = np.kron(cells, np.ones((side, side), np.uint8))[: size[0], : size[1]]
    ids[-side // 2 :] = IGNORE_LABEL
    return ids


def measure(size: tuple[int, int], classes: int, stride: int, *, runs: int) -> dict:
    """A row of the table: milliseconds a picture."""
    random = np.random.default_rng(0)
    labels = segments(size, classes, random)
    preds = np.where(random.random(size) < 0.1, np.uint8(0), np.minimum(labels, classes - 1))
    logits = random.normal(size=(1, size[0] // stride, size[1] // stride, classes)).astype(np.float32)
    image = np.zeros((*size, 3), np.uint8)
    split = Split(tuple(map(str, range(8))), lambda i: Example(str(i), image, labels))
    names = tuple(map(str, range(classes)))
    parts: dict[str, Callable] = {
        "letterbox": lambda: letterbox.letterbox(image, size=size),
        "class_ids": lambda: class_ids(logits, size=size),
        "confusion": lambda: metrics.confusion_matrix(labels, preds, num_classes=classes),
        "boundary_confusion": lambda: metrics.boundary_confusion(labels, preds, num_classes=classes),
        # A network of no time: what is left is reading ahead, fitting and counting, on its threads.
        "eight_pictures": lambda: evaluate(lambda _: preds[None], split, class_names=names, size=size),
    }
    found = {name: _ms(part, runs) for name, part in parts.items()}
    return {"size": list(size), "classes": classes, "logits_stride": stride, "ms": found}


def network(*, runs: int) -> dict:
    """Milliseconds a picture of `edge_small` with one and with four at a time, in turn, and how many pixels differ."""
    import keras

    from kerasseg.models import build_model
    from kerasseg.run import predictor
    from kerasseg.training import backends

    keras.utils.set_random_seed(0)
    images = np.random.default_rng(0).integers(0, 256, (4, 384, 480, 3), np.uint8)
    models = [
        backends.with_fast_kernels(build_model("edge_small", size=(384, 480), num_classes=11, batch_size=n)) for n in (1, 4)
    ]
    models[1].set_weights(models[0].get_weights())
    predicts = list(map(predictor, models))
    ways: list[Callable] = [
        lambda: np.concatenate([predicts[0](image[None]) for image in images]),
        lambda: predicts[1](images),
    ]
    one, four = (way() for way in ways)
    seconds = np.array([[_seconds(way) for way in ways] for _ in range(runs)])
    ms = [1000 * one / len(images) for one in np.median(seconds, 0)]
    return {**backends.made_with(), "ms": ms, "different": int(np.count_nonzero(one != four)), "of": one.size}


def _seconds(part: Callable) -> float:
    start = time.perf_counter()
    part()
    return time.perf_counter() - start


def _ms(part: Callable, runs: int) -> float:
    part()
    return 1000 * statistics.median(_seconds(part) for _ in range(runs))


def main(options: ScoringOptions) -> None:
    if options.network:
        print(json.dumps(network(runs=options.runs)))
        return
    together = []
    for backend in options.backends:
        command = [sys.executable, __file__, "--network", f"--runs={options.runs}"]
        environment = os.environ | {"KERAS_BACKEND": backend}
        together.append(json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout))
    rows = [measure(*case, runs=options.runs) for case in CASES]
    method = f"medians of {options.runs} runs after one; eight_pictures: `evaluate` of eight with a network that takes no time"
    print(
        json.dumps(
            {"method": method, "processors": os.cpu_count(), "rows": rows, "together": together, **provenance()}, indent=1
        )
    )


if __name__ == "__main__":
    cli.run(main)
