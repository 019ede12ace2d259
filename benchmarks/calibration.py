"""python benchmarks/calibration.py --workdir=RUN: what number, choice and seed of calibration pictures do to int8."""

import json
import sys
import time
from dataclasses import dataclass

from kerasseg import cli
from kerasseg.config import setting
from kerasseg.errors import InputError


@dataclass(frozen=True)
class BenchmarkOptions:
    """Prints JSON: mIoU of the int8 file on the validation split for every combination."""

    workdir: str = setting("", "run directory of kerasseg train")
    counts: tuple[int, ...] = setting((32, 50, 100, 200, 367), "numbers of training pictures")
    choices: tuple[str, ...] = setting(("random", "covering"), "how they are chosen; counts above the first take the first")
    seeds: tuple[int, ...] = setting((0, 1, 2), "seeds; counts above 50 take the first alone")


def measure(options: BenchmarkOptions) -> dict:
    """Calibrates, quantizes and scores."""
    from kerasseg import int8
    from kerasseg.data.datasets import load_for_run
    from kerasseg.lite import interpreter
    from kerasseg.run import trained
    from kerasseg.run.directory import open_run
    from kerasseg.run.provenance import provenance
    from kerasseg.score.evaluation import evaluate

    run = open_run(options.workdir)
    dataset = load_for_run(run.config)

    def score(predict) -> float:
        return evaluate(predict, dataset.split("val"), class_names=run.class_names, size=run.eval_size).miou

    rows = []
    for count in options.counts:
        for choice in options.choices if count == options.counts[0] else options.choices[:1]:
            for seed in options.seeds if count <= 50 else options.seeds[:1]:
                settings = int8.QuantizationSettings(count, seed, choice)
                start = time.perf_counter()
                prepared = int8.prepare(run, dataset.split("train"), settings)
                seconds = time.perf_counter() - start
                loaded = interpreter.LoadedModel(int8.quantize(prepared))
                rows.append({"count": count, "choice": choice, "seed": seed, "miou": score(interpreter.predictor(loaded))})
                rows[-1]["seconds"] = seconds
                print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    return {
        "model": run.config.model,
        "dataset": dataset.name,
        "split": "val",
        "size": list(run.eval_size),
        "keras_miou": score(trained.predictor(trained.load_trained(run))),
        "rows": rows,
        **provenance(),
    }


def main(options: BenchmarkOptions) -> None:
    if not options.workdir:
        raise InputError("--workdir is missing; give the run directory of kerasseg train")
    print(json.dumps(measure(options), indent=2))


if __name__ == "__main__":
    cli.run(main)
