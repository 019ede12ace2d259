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
    networks: tuple[str, ...] = setting(
        ("edge_small:128:45", "v3large_sliced:256:12"), "models, each with the side of its crops and the steps in turn"
    )
    batch_size: int = setting(8, "crops a step")
    rounds: int = setting(5, "how often, after one")
    serve: bool = setting(False, "for itself: measures the first network with the backend of this process")


def serve(options: LoopOptions) -> dict:
    """Seconds of a step: bare, and with what `train` adds: pictures, the weights' average, and callbacks."""
    import numpy as np

    from kerasseg.data import datasets, pipeline
    from kerasseg.models import backbone, build_model
    from kerasseg.run import checkpoint
    from kerasseg.training import backends, callbacks, losses, schedules
    from kerasseg.training.averaging import AveragingModel
    from kerasseg.training.timing import InputWatch

    name, side, steps = _parts(options.networks[0])
    config = TrainConfig(size=(side, side), batch_size=options.batch_size)
    split = datasets.load_dataset("shapes").split("train").first(steps * options.batch_size)
    split.keep(limit_bytes=2**30)
    checkpoint.make_deterministic(0)

    def built(of):
        made = backends.with_fast_kernels(build_model(name, size=config.size, num_classes=6))
        model = of(made.inputs, made.outputs)
        optimizer = schedules.build_optimizer(config, steps_per_epoch=steps, is_backbone=backbone.owns)
        optimizer.build(model.trainable_variables)
        if of is AveragingModel:
            model.averaging(optimizer, decay=0.99)
        backends.compile_model(model, optimizer, losses.SegmentationLoss())
        return model

    import keras

    bare, ours = built(keras.Model), built(AveragingModel)
    watch = InputWatch(ours)
    rate = schedules.schedule(config, steps_per_epoch=steps)
    images, labels = next(iter(pipeline.train_batches(split, config, epoch=0)))
    images, labels = np.array(images), np.array(labels)
    rows = []
    for epoch in range(options.rounds + 1):
        start = time.perf_counter()
        for _ in range(steps):
            bare.train_on_batch(images, labels)
        middle = time.perf_counter()
        watch.start()
        ours.fit(
            pipeline.train_batches(split, config, epoch=epoch), verbose=0, shuffle=False,
            callbacks=[callbacks.StopOnNonFinite(rate, first_step=0)],
        )  # fmt: skip
        end = time.perf_counter()
        rows.append({"bare": (middle - start) / steps, "train": (end - middle) / steps, "waited": watch.waited})
    found = {name: statistics.median(row[name] for row in rows[1:]) for name in rows[0]}
    return found | {"ratio": statistics.median(row["train"] / row["bare"] for row in rows[1:])}


def _parts(network: str) -> tuple[str, int, int]:
    """Model, side of the crops, steps."""
    name, *numbers = network.split(":")
    if len(numbers) != 2 or not all(number.isdigit() for number in numbers):
        raise InputError(f"--networks has {network!r}; write MODEL:SIDE:STEPS, such as edge_small:128:45")
    return name, int(numbers[0]), int(numbers[1])


def measure(options: LoopOptions) -> dict:
    """A row for each network and backend."""
    from kerasseg.run.provenance import provenance

    rows = []
    for network in options.networks:
        name, side, steps = _parts(network)
        for backend in options.backends:
            child = subprocess.run(
                [
                    sys.executable, __file__, "--serve", f"--networks={network}", f"--batch_size={options.batch_size}",
                    f"--rounds={options.rounds}",
                ],
                env=os.environ | {"KERAS_BACKEND": backend}, stdout=subprocess.PIPE, text=True, check=False,
            )  # fmt: skip
            if child.returncode:
                raise InputError(f"{name} does not train with KERAS_BACKEND={backend}; what it said is above")
            rows.append({"model": name, "side": side, "steps": steps, "backend": backend, **json.loads(child.stdout)})
    return {
        "method": f"medians of {options.rounds} rounds after one, in each the steps of either in turn",
        "batch_size": options.batch_size,
        "processors": os.cpu_count(),
        "rows": rows,
        **provenance(),
    }


def main(options: LoopOptions) -> None:
    print(json.dumps(serve(options) if options.serve else measure(options), indent=None if options.serve else 1))


if __name__ == "__main__":
    cli.run(main)
