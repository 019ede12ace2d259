"""python benchmarks/training_step.py --backends=tensorflow,torch: how long a training step takes under each."""

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib import metadata

from kerasseg import cli
from kerasseg.config import TrainConfig, setting
from kerasseg.errors import InputError


@dataclass(frozen=True)
class StepOptions:
    """Prints JSON: seconds of a training step, each backend in a process of its own, their steps in turn."""

    backends: tuple[str, ...] = setting(("tensorflow", "torch"), "Keras backends; the first is the yardstick")
    models: tuple[str, ...] = setting(("v3large", "v3large_sliced", "edge_small"), "names of kerasseg.models")
    precisions: tuple[str, ...] = setting(("float32", "mixed_bfloat16"), "of training")
    size: tuple[int, int] = setting((320, 320), "height and width of the crops")
    batch_size: int = setting(8, "crops a step")
    steps: int = setting(7, "steps that are measured, after two")
    serve: bool = setting(False, "for itself: builds the model, then times a step for each line that comes in")


def build(name: str, precision: str, *, size: tuple[int, int], batch_size: int):
    """The model, ready to train, and a function that trains a step on random crops and returns its seconds."""
    import numpy as np

    from kerasseg.models import backbone, build_model
    from kerasseg.run import checkpoint
    from kerasseg.training import backends, losses, schedules

    config = TrainConfig(size=size, batch_size=batch_size)
    checkpoint.make_deterministic(0)
    model = backends.with_fast_kernels(build_model(name, size=size, num_classes=11, precision=precision))
    optimizer = schedules.build_optimizer(config, steps_per_epoch=45, is_backbone=backbone.owns)
    backends.compile_model(model, optimizer, losses.SegmentationLoss())
    random = np.random.default_rng(0)
    images = random.uniform(0, 255, (batch_size, *size, 3)).astype(np.float32)
    labels = random.integers(0, 11, (batch_size, *size), np.uint8)

    def step() -> float:
        start = time.perf_counter()
        model.train_on_batch(images, labels)
        return time.perf_counter() - start

    return model, step


def serve(options: StepOptions) -> None:
    """A line "ready", then for every line of standard input the seconds of one step."""
    import keras

    (name,), (precision,) = options.models, options.precisions
    _, step = build(name, precision, size=options.size, batch_size=options.batch_size)
    for _ in range(2):
        step()
    print("ready", keras.backend.backend(), flush=True)
    for _ in sys.stdin:
        print(step(), flush=True)


def measure(options: StepOptions) -> dict:
    """A row for each model and precision."""
    from kerasseg.run.provenance import provenance

    rows = []
    for name in options.models:
        for precision in options.precisions:
            seconds = _in_turn(name, precision, options)
            first = seconds[options.backends[0]]
            rows += [
                {"model": name, "precision": precision, "backend": backend, "seconds": value, "speedup": first / value}
                for backend, value in seconds.items()
            ]
    return {
        "method": f"medians of {options.steps} steps after two, the backends' in turn, each in a process of its own",
        "size": list(options.size),
        "batch_size": options.batch_size,
        "threads": len(os.sched_getaffinity(0)),
        "glibc_tunables": os.environ.get("GLIBC_TUNABLES", ""),
        "backends": {backend: metadata.version(backend) for backend in options.backends},
        "rows": rows,
        **provenance(),
    }


def _in_turn(name: str, precision: str, options: StepOptions) -> dict[str, float]:
    """Backend -> seconds of a step."""
    workers = {}
    try:
        for backend in options.backends:
            workers[backend] = subprocess.Popen(
                [
                    sys.executable, __file__, "--serve", f"--models={name}", f"--precisions={precision}",
                    f"--size={options.size[0]},{options.size[1]}", f"--batch_size={options.batch_size}",
                ],
                env=os.environ | {"KERAS_BACKEND": backend}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            if workers[backend].stdout.readline().split() != ["ready", backend]:
                raise InputError(f"{name} does not train with KERAS_BACKEND={backend}; what it said is above")
        found = {backend: [] for backend in workers}
        for _ in range(options.steps):
            for backend, worker in workers.items():
                worker.stdin.write("step\n")
                worker.stdin.flush()
                found[backend].append(float(worker.stdout.readline()))
        return {backend: statistics.median(values) for backend, values in found.items()}
    finally:
        for worker in workers.values():
            worker.communicate()  # its input ends, and so does it


def main(options: StepOptions) -> None:
    if options.serve:
        serve(options)
        return
    if not options.backends or options.steps < 1:
        raise InputError("--backends or --steps measures nothing; give at least one of each")
    print(json.dumps(measure(options), indent=2))


if __name__ == "__main__":
    cli.run(main)
