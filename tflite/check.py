"""python tflite/check.py: how accurate a .tflite file is beside its Keras model, and how fast."""

from dataclasses import dataclass
from pathlib import Path

from kerasseg import cli
from kerasseg.config import setting
from kerasseg.errors import InputError


@dataclass(frozen=True)
class CheckOptions:
    """Scores a .tflite file and its Keras model on the same pixels with LiteRT, and times it; exits 1 past a limit."""

    workdir: str = setting("", "run directory of kerasseg.train that the file came from")
    tflite: str = setting("", ".tflite file to check")
    split: str = setting("val", "split to score")
    examples: int = setting(0, "score the first so many pictures of it; 0 for all")
    kernels: str = setting(
        "xnnpack", "LiteRT's default kernels, or its plain ones without a delegate (slow)", choices=("xnnpack", "reference")
    )
    threads: int = setting(1, "threads of the interpreter")
    runs: int = setting(50, "timed runs, at least 50")
    warmup: int = setting(10, "runs before them")
    max_miou_drop: float = setting(1.0, "largest accepted loss against Keras, in points of mIoU")
    max_latency_ms: float = setting(0.0, "largest accepted median latency; 0 for no limit")
    report: str = setting("", "JSON file to write")
    data_dir: str = setting("", "where the data set lies now; empty takes the run's own")


def check(options: CheckOptions) -> dict:
    """Scores and times; returns the report."""
    from kerasseg import config, files, rundir
    from kerasseg.data.datasets import load_for_run
    from kerasseg.data.letterbox import letterbox
    from kerasseg.evaluate import evaluate_together
    from kerasseg.lite import interpreter, latency
    from kerasseg.models import trained
    from kerasseg.provenance import provenance

    directory = rundir.RunDir(Path(options.workdir))
    run = rundir.read(directory)
    path = Path(options.tflite)
    model = interpreter.LoadedModel(path, kernels=options.kernels, threads=options.threads)
    if model.num_classes != run.num_classes:
        raise InputError(
            f"{path} has {model.num_classes} classes, the run has {run.num_classes}; give the --workdir it came from"
        )
    if model.size != run.eval_size:
        raise InputError(f"{path} takes {model.size} pictures, the run has {run.eval_size}; give the --workdir it came from")
    dataset = load_for_run(run.config, data_dir=options.data_dir)
    split = dataset.split(options.split).first(options.examples)
    print(
        f"scoring Keras and {path.name} ({options.kernels}) on {len(split)} pictures of {dataset.name} {options.split}",
        flush=True,
    )
    engines = [trained.predictor(trained.load_trained(directory, run)), interpreter.predictor(model)]
    (keras_scores, lite_scores), (_, agreement) = evaluate_together(
        engines, split, class_names=run.class_names, size=run.eval_size
    )
    print(f"timing {options.runs} runs on {options.threads} thread(s)", flush=True)
    image = letterbox(split[0].image, size=run.eval_size)[0][None]
    timing = latency.measure(model, image, runs=options.runs, warmup=options.warmup, threads=options.threads)
    drop = 100 * (keras_scores.miou - lite_scores.miou)
    failures = []
    if drop > options.max_miou_drop:
        failures.append(f"mIoU is {drop:.2f} points below Keras; --max_miou_drop is {options.max_miou_drop}")
    if options.max_latency_ms and timing.median_ms > options.max_latency_ms:
        failures.append(f"median latency is {timing.median_ms:.2f} ms; --max_latency_ms is {options.max_latency_ms}")
    return {
        "file": path.name,
        "sha256": files.sha256(path),
        "bytes": path.stat().st_size,
        "model": run.config.model,
        "dataset": dataset.name,
        "split": options.split,
        "pictures": len(split),
        "size": list(run.eval_size),
        "kernels": options.kernels,
        "keras": keras_scores.to_json(),
        "tflite": lite_scores.to_json(),
        "miou_drop_points": drop,
        "pixel_agreement": agreement,
        "latency": timing.to_json(),
        "failures": failures,
        "config": config.for_report(run.config),
        **provenance(),
    }


def table(report: dict) -> str:
    """The report as text."""
    timing = report["latency"]
    return "\n".join(
        (
            f"mIoU Keras         {100 * report['keras']['miou']:.2f} %",
            f"mIoU .tflite       {100 * report['tflite']['miou']:.2f} %  ({-report['miou_drop_points']:+.2f} points)",
            f"pixel agreement    {100 * report['pixel_agreement']:.2f} %",
            f"file               {report['bytes'] / 1024:.0f} KiB",
            f"latency            median {timing['median_ms']:.2f} ms, p90 {timing['p90_ms']:.2f} ms  ({report['kernels']}, "
            f"{timing['threads']} thread(s), {timing['runs']} runs after {timing['warmup']}, {report['cpu']})",
        )
    )


def main(options: CheckOptions) -> int:
    if not options.workdir or not options.tflite:
        raise InputError("--workdir or --tflite is missing; give the run and the file that was converted from it")
    if options.runs < 50 or options.warmup < 1 or options.threads < 1:
        raise InputError("--runs must be at least 50, --warmup and --threads at least 1, for a median that means something")
    from kerasseg import files

    report = check(options)
    if options.report:
        files.write_json(options.report, report)
    print(table(report))
    for failure in report["failures"]:
        print(f"NOT MET: {failure}")
    return cli.EXIT_NOT_MET if report["failures"] else 0


if __name__ == "__main__":
    cli.run(main, CheckOptions)
