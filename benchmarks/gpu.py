"""python benchmarks/gpu.py: what a training step costs on a GPU, under JAX and PyTorch; TensorFlow need not be there."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kerasseg import cli
from kerasseg.config import TrainConfig, setting

PASSES = 5  # over every activation: written, read; read again backward, its gradient written and read


@dataclass(frozen=True)
class GpuOptions:
    """Prints a JSON line a figure as it comes, and all of them at the end. Each part runs by itself under its own limit."""

    backends: tuple[str, ...] = setting(("jax", "torch"), "Keras backends")
    models: tuple[str, ...] = setting(("v3large_sliced", "edge_sliced"), "names of kerasseg.models")
    shapes: tuple[str, ...] = setting(("256x256x16", "512x512x8"), "height x width x batch size of the crops")
    precision: str = setting("mixed_bfloat16", "of training", choices=("float32", "mixed_bfloat16"))
    steps: int = setting(25, "steps to an epoch that is measured")
    part_s: int = setting(55, "seconds after which a part is ended")
    output: str = setting("", "JSON file for all figures")
    serve: bool = setting(False, "for itself: measures the one part that it is given")


def parts(options: GpuOptions) -> list[dict]:
    """One backend, model and shape each."""
    return [
        {"backend": backend, "model": model, "shape": shape}
        for shape in options.shapes
        for model in options.models
        for backend in options.backends
    ]


def run(part: dict, options: GpuOptions) -> dict:
    """Measures a part in a process of its own; what it had printed when its time was over counts."""
    command = [
        sys.executable, __file__, "--serve", f"--backends={part['backend']}", f"--models={part['model']}",
        f"--shapes={part['shape']}", f"--precision={options.precision}", f"--steps={options.steps}",
    ]  # fmt: skip
    environment = os.environ | {"KERAS_BACKEND": part["backend"], "PYTHONUNBUFFERED": "1"}
    row = dict(part)

    def relay(lines: Iterable[str]) -> None:
        for line in lines:
            print(json.dumps(part | json.loads(line)), flush=True)
            row.update(json.loads(line))

    with tempfile.TemporaryFile("w+") as said, subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=said, text=True
    ) as worker:  # fmt: skip
        listener = threading.Thread(target=relay, args=(worker.stdout,))
        listener.start()
        try:
            worker.wait(options.part_s)
        except subprocess.TimeoutExpired:
            worker.kill()
            row["ended_after_s"] = options.part_s
        listener.join()
        if worker.returncode and "ended_after_s" not in row:
            said.seek(0)
            row["error"] = said.read()[-600:]
    return row


def serve(options: GpuOptions) -> None:
    """A JSON object a line, each with the figures that have just been measured."""
    started = time.perf_counter()
    (name,), (shape,) = options.models, options.shapes
    height, width, batch_size = map(int, shape.split("x"))
    size = (height, width)
    config = TrainConfig(
        model=name, dataset="shapes", size=size, batch_size=batch_size, precision=options.precision, backbone_weights="none",
        train_examples=batch_size * options.steps, val_examples=2, epochs=3, eval_every=3,
    )  # fmt: skip
    say(imported_s=time.perf_counter() - started)
    ceilings = measure_ceilings()
    say(**ceilings)
    step_ms = measure_train(config)
    bare_ms = measure_bare(config, options.steps)
    say(waiting=max(0.0, 1 - bare_ms / step_ms), **floor(config, ceilings), peak_memory_mib=peak_memory_mib())


def say(**figures: float | str) -> None:
    rounded = {key: round(value, 4) if isinstance(value, float) else value for key, value in figures.items()}
    print(json.dumps(rounded), file=sys.__stdout__, flush=True)


def measure_train(config: TrainConfig) -> float:
    """Ms a step of `train`: its second and third epoch, read-ahead, average and watch included."""
    from kerasseg.training import train

    start = time.perf_counter()
    said = {}

    def log(line: str) -> None:
        key = next((word for word in ("first step", "epoch") if line.startswith(word)), "")
        if key:
            said.setdefault(key, time.perf_counter() - start)
            say(**{f"{key.replace(' ', '_')}_s": time.perf_counter() - start})

    with tempfile.TemporaryDirectory() as folder:
        train(config, workdir=f"{folder}/run", log=log)
        history = json.loads(Path(folder, "run", "report.json").read_text())["history"]
    steps = config.train_examples // config.batch_size
    step_ms = 1000 * min(row["seconds"] for row in history[1:]) / steps
    say(train_ms=step_ms, train_images_per_s=1000 * config.batch_size / step_ms)
    return step_ms


def measure_bare(config: TrainConfig, steps: int) -> float:
    """Ms a step of `train_on_batch` on one batch, and the pace of the pipeline by itself."""
    from kerasseg.data import datasets, pipeline
    from kerasseg.models import backbone, build_model
    from kerasseg.training import backends, losses, schedules

    split = datasets.load_for_run(config).split("train")
    split.keep(limit_bytes=2**31)
    start = time.perf_counter()
    batches = [batch for _, batch in zip(range(steps), pipeline.train_batches(split, config, epoch=0), strict=False)]
    say(crops_per_s=len(batches) * config.batch_size / (time.perf_counter() - start), processors=os.cpu_count())
    model = build_model(config.model, size=config.size, num_classes=4, precision=config.precision)
    model = backends.with_fast_kernels(model)
    backends.compile_model(
        model, schedules.build_optimizer(config, steps_per_epoch=45, is_backbone=backbone.owns), losses.SegmentationLoss()
    )
    start = time.perf_counter()
    model.train_on_batch(*batches[0])
    say(bare_first_step_s=time.perf_counter() - start)
    times = []
    for images, labels in batches:
        start = time.perf_counter()
        model.train_on_batch(images, labels)
        times.append(time.perf_counter() - start)
    bare_ms = 1000 * sorted(times)[len(times) // 2]
    say(bare_ms=bare_ms)
    return bare_ms


def measure_ceilings() -> dict[str, float]:
    """TFLOP/s of a large bfloat16 matrix product and GB/s of a copy, bytes read and written."""
    import keras

    side = 8192 if on_gpu() else 1024
    a = keras.ops.cast(keras.random.normal((side, side)), "bfloat16")
    sync(a)
    rates = {}
    for name, work, amount in (
        ("tflop_per_s", lambda: keras.ops.matmul(a, a), 2 * side**3 / 1e12),
        ("gb_per_s", lambda: keras.ops.add(a, 1), 2 * 2 * side**2 / 1e9),
    ):
        seconds = []
        for _ in range(8):
            start = time.perf_counter()
            sync([work() for _ in range(10)][-1])
            seconds.append((time.perf_counter() - start) / 10)
        rates[name] = amount / min(seconds)
    return rates


def floor(config: TrainConfig, ceilings: dict[str, float]) -> dict[str, float]:
    """Ms below which no step gets: by its operations (forward, and twice that backward), and by its activations' bytes."""
    import math

    from kerasseg.models import build_model
    from kerasseg.models.macs import count_macs

    model = build_model(config.model, size=config.size, num_classes=4, batch_size=1)
    tflop = 6 * count_macs(model)["total"] * config.batch_size / 1e12
    elements = sum(math.prod(layer.output.shape[1:]) for layer in model.layers) * config.batch_size
    width = 2 if config.precision == "mixed_bfloat16" else 4
    return {
        "floor_flops_ms": 1000 * tflop / ceilings["tflop_per_s"],
        "floor_bytes_ms": 1000 * PASSES * width * elements / 1e9 / ceilings["gb_per_s"],
    }


def on_gpu() -> bool:
    import keras

    if keras.backend.backend() == "torch":
        import torch

        return torch.cuda.is_available()
    import jax

    return jax.default_backend() == "gpu"


def sync(value) -> None:
    """Waits until it is computed."""
    import keras

    if keras.backend.backend() == "jax":
        value.block_until_ready()
    elif on_gpu():
        import torch

        torch.cuda.synchronize()


def peak_memory_mib() -> float:
    """Of the device; 0 where it does not say."""
    import keras

    if not on_gpu():
        return 0.0
    if keras.backend.backend() == "torch":
        import torch

        return torch.cuda.max_memory_allocated() / 2**20
    import jax

    return jax.devices()[0].memory_stats()["peak_bytes_in_use"] / 2**20


def main(options: GpuOptions) -> None:
    if options.serve:
        with contextlib.redirect_stdout(sys.stderr):  # Keras' progress is no figure
            serve(options)
        return
    rows = [run(part, options) for part in parts(options)]
    report = {"method": __doc__, "precision": options.precision, "steps": options.steps, "rows": rows}
    if options.output:
        Path(options.output).write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    cli.run(main)
