"""KERAS_BACKEND=torch python benchmarks/winograd.py: what Winograd's way to compute wide 3x3 convolutions brings."""

import json
import os
import statistics
from dataclasses import dataclass
from importlib import metadata

import training_step

from kerasseg import cli
from kerasseg.config import setting
from kerasseg.errors import InputError


@dataclass(frozen=True)
class WinogradOptions:
    """Prints JSON: seconds of a float32 training step with PyTorch's own convolutions and with Winograd's, in turn."""

    models: tuple[str, ...] = setting(("v3large_sliced", "v3large_tuned"), "names of kerasseg.models")
    size: tuple[int, int] = setting((320, 320), "height and width of the crops")
    batch_size: int = setting(8, "crops a step")
    steps: int = setting(5, "steps of each that are measured, after one")


def measure(name: str, options: WinogradOptions) -> dict:
    """Medians of one model."""
    import keras

    from kerasseg.models import torch_kernels

    model, step = training_step.build(name, "float32", size=options.size, batch_size=options.batch_size)
    wide = [layer for layer in model.layers if type(layer) is torch_kernels.Conv2D]
    seconds = {"direct": [], "winograd": []}
    for round_ in range(options.steps + 1):
        for way, kind in (("direct", keras.layers.Conv2D), ("winograd", torch_kernels.Conv2D)):
            for layer in wide:
                layer.__class__ = kind
            taken = step()
            if round_:
                seconds[way].append(taken)
    found = {way: statistics.median(values) for way, values in seconds.items()}
    return {"model": name, "layers": len(wide), **found, "speedup": found["direct"] / found["winograd"]}


def main(options: WinogradOptions) -> None:
    import keras

    from kerasseg.run.provenance import provenance

    if keras.backend.backend() != "torch":
        raise InputError(f"the Keras backend is {keras.backend.backend()}; set KERAS_BACKEND=torch")
    if options.steps < 1:
        raise InputError(f"--steps={options.steps} measures nothing; give at least 1")
    report = {
        "method": f"medians of {options.steps} steps after one, both ways in turn in one process",
        "size": list(options.size),
        "batch_size": options.batch_size,
        "threads": len(os.sched_getaffinity(0)),
        "glibc_tunables": os.environ.get("GLIBC_TUNABLES", ""),
        "torch": metadata.version("torch"),
        "rows": [measure(name, options) for name in options.models],
        **provenance(),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    cli.run(main)
