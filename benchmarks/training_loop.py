"""python benchmarks/training_loop.py > results/training_loop.json: what `train` takes a step, beside the bare step of Keras."""

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

from kerasseg import cli
from kerasseg.config import TrainConfig, setting
from kerasseg.errors import InputError


@dataclass(frozen=True)
class LoopOptions:
    """Prints JSON: seconds of a step of `train` and of `train_on_batch` of the same network, in turn in one process."""

    backends: tuple[str, ...] = setting(("tensorflow", "torch", "jax"), "Keras backends, a process each")
    model: str = setting("edge_small", "name of kerasseg.models")
    size: tuple[int, int] = setting((128, 128), "height and width of the crops")
    batch_size: int = setting(8, "crops a step")
    steps: int = setting(12, "steps in turn")
    rounds: int = setting(5, "how often, after one")
    serve: bool = setting(False, "for itself: measures the backend of this process")


def serve(options: LoopOptions) -> dict:
    """Seconds of a step: bare, and with what `train` adds: pictures, the weights' average, and callbacks."""
    import numpy as np

    from kerasseg.data import datasets, pipeline
    from kerasseg.models import backbone, build_model
    from kerasseg.run import checkpoint
    from kerasseg.training import backends, callbacks, losses, schedules
    from kerasseg.training.averaging import AveragingModel
    from kerasseg.training.timing import InputWatch

    config = TrainConfig(size=options.size, batch_size=options.batch_size)
    split = datasets.load_dataset("shapes").split("train").first(options.steps * options.batch_size)
    split.keep(limit_bytes=2**30)
    checkpoint.make_deterministic(0)

    def built(of):
        made = backends.with_fast_kernels(build_model(options.model, size=options.size, num_classes=6))
        model = of(made.inputs, made.outputs)
        optimizer = schedules.build_optimizer(config, steps_per_epoch=options.steps, is_backbone=backbone.owns)
        optimizer.build(model.trainable_variables)
        if of is AveragingModel:
            model.averaging(optimizer, decay=0.99)
        backends.compile_model(model, optimizer, losses.SegmentationLoss())
        return model

    import keras

    bare, ours = built(keras.Model), built(AveragingModel)
    watch = InputWatch(ours)
    rate = schedules.schedule(config, steps_per_epoch=options.steps)
    images, labels = next(iter(pipeline.train_batches(split, config, epoch=0)))
    images, labels = np.array(images), np.array(labels)
    rows = []
    for epoch in range(options.rounds + 1):
        start = time.perf_counter()
        for _ in range(options.steps):
            bare.train_on_batch(images, labels)
        middle = time.perf_counter()
        watch.start()
        ours.fit(
            pipeline.train_batches(split, config, epoch=epoch), verbose=0, shuffle=False,
            callbacks=[callbacks.StopOnNonFinite(rate, first_step=0)],
        )  # fmt: skip
        end = time.perf_counter()
        rows.append({"bare": (middle - start) / options.steps, "train": (end - middle) / options.steps, "waited": watch.waited})
    found = {name: statistics.median(row[name] for row in rows[1:]) for name in rows[0]}
    return found | {"ratio": statistics.median(row["train"] / row["bare"] for row in rows[1:])}


def measure(options: LoopOptions) -> dict:
    """A row for each backend."""
    from kerasseg.run.provenance import provenance

    rows = []
    for backend in options.backends:
        child = subprocess.run(
            [
                sys.executable, __file__, "--serve", f"--model={options.model}", f"--size={options.size[0]},{options.size[1]}",
                f"--batch_size={options.batch_size}", f"--steps={options.steps}", f"--rounds={options.rounds}",
            ],
            env=os.environ | {"KERAS_BACKEND": backend}, stdout=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
        if child.returncode:
            raise InputError(f"{options.model} does not train with KERAS_BACKEND={backend}; what it said is above")
        rows.append({"backend": backend, **json.loads(child.stdout)})
    return {
        "method": f"medians of {options.rounds} rounds after one, in each {options.steps} steps of either",
        "model": options.model,
        "size": list(options.size),
        "batch_size": options.batch_size,
        "steps": options.steps,
        "processors": os.cpu_count(),
        "rows": rows,
        **provenance(),
    }


def main(options: LoopOptions) -> None:
    print(json.dumps(serve(options) if options.serve else measure(options), indent=None if options.serve else 1))


if __name__ == "__main__":
    cli.run(main)
