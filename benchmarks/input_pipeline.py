"""python benchmarks/input_pipeline.py --data_dir=CAMVID: how fast the input comes, and how fast training takes it."""

import json
import time
from dataclasses import dataclass

import numpy as np

from kerasseg import cli
from kerasseg.config import TrainConfig, setting
from kerasseg.errors import InputError


@dataclass(frozen=True)
class BenchmarkOptions:
    """Prints JSON: images/s of the CamVid pipeline alone and of v3large_sliced's training step alone, interleaved."""

    data_dir: str = setting("", "CamVid folder")
    rounds: int = setting(5, "times that each is measured, in turn")
    batches: int = setting(6, "batches to a measurement")
    precision: str = setting("float32", "of the training step", choices=("float32", "mixed_bfloat16"))


def build(config: TrainConfig, *, num_classes: int, precision: str):
    """The model, ready to train with the deterministic ops that training uses."""
    from kerasseg.models import backbone, build_model
    from kerasseg.run import checkpoint
    from kerasseg.training import backends, losses, schedules

    checkpoint.make_deterministic(0)
    model = build_model(config.model, size=config.size, num_classes=num_classes, precision=precision)
    optimizer = schedules.build_optimizer(config, steps_per_epoch=45, is_backbone=backbone.owns)
    backends.compile_model(model, optimizer, losses.SegmentationLoss())
    return model


def measure(options: BenchmarkOptions) -> dict:
    """Times both on 256x256 crops in batches of 8, in one process."""
    from kerasseg.data import datasets, pipeline
    from kerasseg.run.provenance import provenance

    config = TrainConfig(model="v3large_sliced", dataset="camvid", data_dir=options.data_dir)
    dataset = datasets.load_dataset("camvid", data_dir=options.data_dir)
    split = dataset.split("train")
    split.keep(limit_bytes=config.cache_mib * 2**20)
    model = build(config, num_classes=dataset.num_classes, precision=options.precision)
    images, labels = next(iter(pipeline.train_batches(split, config, epoch=0)))
    model.train_on_batch(images, labels)

    def pipeline_rate(epoch: int) -> float:
        batches = iter(pipeline.train_batches(split, config, epoch=epoch))
        next(batches)  # tracing and the first read-ahead are not its pace
        start = time.perf_counter()
        for _ in range(options.batches * 4):
            next(batches)
        return options.batches * 4 * config.batch_size / (time.perf_counter() - start)

    def step_rate() -> float:
        start = time.perf_counter()
        for _ in range(options.batches):
            model.train_on_batch(images, labels)
        return options.batches * config.batch_size / (time.perf_counter() - start)

    rates = np.array([(pipeline_rate(epoch), step_rate()) for epoch in range(1, options.rounds + 1)])
    return {
        "method": f"medians of {options.rounds} rounds, in turn {options.batches * 4} batches and {options.batches} steps",
        "size": list(config.size),
        "batch_size": config.batch_size,
        "precision": options.precision,
        "pipeline_images_per_s": float(np.median(rates[:, 0])),
        "step_images_per_s": float(np.median(rates[:, 1])),
        "ratio": float(np.median(rates[:, 0] / rates[:, 1])),
        **provenance(),
    }


def main(options: BenchmarkOptions) -> None:
    if not options.data_dir:
        raise InputError("--data_dir is missing; give the CamVid folder")
    print(json.dumps(measure(options), indent=2))


if __name__ == "__main__":
    cli.run(main)
