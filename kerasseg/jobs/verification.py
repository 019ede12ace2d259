"""How accurate .tflite files are beside their Keras model, where they lose it, and how fast they are."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from kerasseg import config, files, grey
from kerasseg.data.letterbox import letterbox
from kerasseg.data.splits import Split
from kerasseg.errors import InputError
from kerasseg.int8 import preparation, quantization
from kerasseg.jobs import loading
from kerasseg.jobs.settings import CheckSettings
from kerasseg.lite import input_range, inspection, interpreter, latency, lint
from kerasseg.lite.input_range import UNKNOWN, Range, Understood
from kerasseg.lite.interpreter import Runnable, Segmenting
from kerasseg.run import origin, sidecar, trained
from kerasseg.run.directory import Run, open_run
from kerasseg.run.provenance import provenance
from kerasseg.score import engines
from kerasseg.score.evaluation import Predict, evaluate_together

Log = Callable[[str], None]


def check(
    tflite: Sequence[str | Path],
    *,
    workdir: str | Path = "",
    settings: CheckSettings | None = None,
    log: Log = lambda line: None,
) -> dict:
    """Scores .tflite files and their Keras model on the same pixels, times the files in turn, and lints them.

    Args:
        tflite: The files.
        workdir: The run that they came from; empty only times and lints, any files that take a picture.
        settings: What to hold them against; None for the defaults.
        log: Gets a line a stage.

    Returns:
        A report of plain JSON values, a row a file in `files`; `failures` says which limits do not hold, a sentence each.

    Raises:
        InputError: a file that is missing, that LiteRT refuses, or that comes from another run or other weights.
    """
    settings = settings or CheckSettings()
    paths = [Path(name) for name in tflite]
    if not workdir and (settings.sample or settings.per_layer):
        raise InputError("--sample and --per_layer need --workdir of the run that the files came from")
    report: dict = {"kernels": settings.kernels}
    image = None
    run = open_run(workdir) if workdir else None
    understood = [_understand(path, run, settings, log) for path in paths]
    taken = [one.taken for one in understood]
    if run:
        models = [
            engines.load(path, kernels=settings.kernels, taken=one) for path, one in zip(paths, taken, strict=True)
        ]  # fmt: skip
        _refuse_foreign(paths, models, run)
        report["files"] = list(map(_described, paths, models, understood))
        found, image = _scored(run, paths, models, report["files"], settings, log)
        report |= found
        for entry, model, one in zip(report["files"], models, understood, strict=True):
            entry["input"]["doubt"] = loading.doubt(model, image, one)
    else:
        timed = [engines.load_any(path, kernels=settings.kernels) for path in paths]
        for path, runs in zip(paths, timed, strict=True):
            if settings.size not in ((0, 0), runs.size):
                raise InputError(f"{path} takes {runs.size} pictures, --size is {settings.size}; give files of one size")
        report["files"] = list(map(_described, paths, timed, understood))
    report |= _time(paths, taken, report["files"], image, settings, log)
    return report | {"failures": _failures(settings, report), **provenance()}


def _understand(path: Path, run: Run | None, settings: CheckSettings, log: Log) -> Understood:
    """What a file takes for 0..255; without a run nothing is scored, and any file can be timed."""
    story = loading.hold_against(path, run, log=log)
    try:
        found = input_range.understand(path.read_bytes(), file=path, asked=settings.input_range, ours=story is not None)
    except InputError as error:
        if run is not None or settings.input_range:
            raise
        log(f"{error}; it is only timed here")
        return Understood(UNKNOWN, str(error))
    if story is None:
        log(found.line(path))
    return found


def _described(path: Path, model: Runnable, understood: Understood) -> dict:
    return {
        "file": path.name,
        "sha256": files.sha256(path),
        "bytes": path.stat().st_size,
        "size": list(model.size),
        "input": understood.to_json(),
        "partitions": inspection.partitions(path)[0],
        "lint": [finding.to_json() for finding in lint.lint(path.read_bytes())],
    }


def _time(
    paths: list[Path], taken: list[Range], entries: list[dict], image: np.ndarray | None, settings: CheckSettings, log: Log
) -> dict:
    """Adds latencies to the entries, all files in turn, for each number of threads; returns how many cores there were."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if max(settings.threads) > cores:
        log(f"WARNING: {max(settings.threads)} threads on {cores} core(s) take turns; the latency is not that of as many cores")
    counts = ", ".join(map(str, settings.threads))
    log(f"timing {settings.runs} runs of each of {len(paths)} file(s) on {counts} thread(s)")
    for entry in entries:
        entry["latency"] = []
    for threads in settings.threads:
        timed = [
            engines.load_any(path, kernels=settings.kernels, threads=threads, taken=one)
            for path, one in zip(paths, taken, strict=True)
        ]
        timings = latency.measure(timed, image, runs=settings.runs, warmup=settings.warmup)
        for entry, timing in zip(entries, timings, strict=True):
            entry["latency"].append(timing.to_json())
    return {"cores": cores}


def _refuse_foreign(paths: list[Path], models: Sequence[Segmenting], run: Run) -> None:
    for path, model in zip(paths, models, strict=True):
        if model.num_classes != run.num_classes:
            raise InputError(
                f"{path} has {model.num_classes} classes, the run has {run.num_classes}; give the --workdir it came from"
            )
        if model.size != run.eval_size:
            raise InputError(
                f"{path} takes {model.size} pictures, the run has {run.eval_size}; give the --workdir it came from"
            )


def _scored(
    run: Run, paths: list[Path], models: Sequence[Segmenting], entries: list[dict], settings: CheckSettings, log: Log
) -> tuple[dict, np.ndarray]:
    """Adds scores to the entries; returns what the report says about run, engines and layers, and the first picture."""
    splits = [settings.split, "train"] if settings.per_layer else [settings.split]
    dataset, differences = origin.load_data(
        run, splits=splits, data_dir=settings.data_dir, other_data=settings.other_data, log=log
    )  # fmt: skip
    split = dataset.split(settings.split).first(settings.examples)
    log(f"scoring Keras and {len(paths)} file(s) ({settings.kernels}) on {len(split)} {dataset.name} {settings.split}")
    predicts = [trained.predictor(trained.load_trained(run)), *map(interpreter.predictor, models)]
    scores, agreement = evaluate_together(predicts, split, class_names=run.class_names, size=run.eval_size)
    for entry, score, share in zip(entries, scores[1:], agreement[1:], strict=True):
        drop = scores[0].miou_of_labelled - score.miou_of_labelled  # on a whole split, that of `miou`
        entry |= {"tflite": score.to_json(), "miou_drop_points": 100 * drop, "pixel_agreement": share}
    found = {
        "model": run.config.model,
        "dataset": dataset.name,
        "other_data": differences,
        "split": settings.split,
        "pictures": len(split),
        "size": list(run.eval_size),
        "keras": scores[0].to_json(),
        "config": config.for_report(run.config),
    }
    if settings.sample:
        taken = [model.picture.taken for model in models]
        found["sample"] = _sample(predicts[0], paths, taken, split, run, settings.sample, log)
    if settings.per_layer:
        train, scored = dataset.split("train"), dataset.split(settings.split)
        found["per_layer"] = _per_layer(run, train, scored, paths[0], log)
    return found, letterbox(split[0].image, size=run.eval_size)[0][None]


def _sample(
    keras_predict: Predict, paths: list[Path], taken: list[Range], split: Split, run: Run, count: int, log: Log
) -> dict:
    positions = split.evenly(count)
    rows = []
    for path, one in zip(paths, taken, strict=True):
        log(f"comparing {', '.join(engines.available())} on {len(positions)} pictures for {path.name}")
        rows += _compare_engines(keras_predict, path, one, split.choose(positions), run)
    return {"pictures": [split.names[i] for i in positions], "engines": rows}


def _compare_engines(keras_predict: Predict, path: Path, taken: Range, split: Split, run: Run) -> list[dict]:
    """A row an engine: scores on a few pictures, and the largest difference of any logit from the reference kernels'."""
    loaded: dict[str, Segmenting] = {}
    rows: list[dict] = []
    for kind in engines.available():
        try:
            loaded[kind] = engines.load(path, kernels=kind, taken=taken)
        except InputError as error:
            rows.append({"file": path.name, "kernels": kind, "refused": str(error)})
    records: dict[str, list[np.ndarray]] = {kind: [] for kind in loaded}
    predicts = [keras_predict, *(engines.recording(model, records[kind]) for kind, model in loaded.items())]
    scores, agreement = evaluate_together(predicts, split, class_names=run.class_names, size=run.eval_size)
    rows.append({"file": path.name, "kernels": "keras", "miou": scores[0].miou, "pixel_agreement": 1.0})
    for kind, score, share in zip(loaded, scores[1:], agreement[1:], strict=True):
        largest = max(
            float(np.abs(a.astype(float) - b).max()) for a, b in zip(records[kind], records["reference"], strict=True)
        )
        unit = "LSB" if records[kind][0].dtype != np.float32 else "in the logits"
        rows.append(
            {"file": path.name, "kernels": kind, "miou": score.miou, "pixel_agreement": share}
            | {"largest_difference": largest, "unit": unit}
        )
    return rows


def _per_layer(run: Run, train: Split, scored: Split, path: Path, log: Log) -> list[dict]:
    """Noise of every operator, in order, from four pictures of the split."""
    story = sidecar.read(path)
    if story is None or not story.calibration:
        raise InputError(f"{path} is no int8 file of kerasseg convert; --per_layer needs one, with the JSON beside it")
    log(f"comparing the tensors of {path.name} with float ones")
    prepared = preparation.again(run, train, story.calibration)
    examples = scored.examples(scored.evenly(4))
    pictures = (letterbox(example.image, size=run.eval_size)[0][None] for example in examples)
    images = [grey.fitted(picture, run.spec.channels).astype("float32") for picture in pictures]
    return [dataclasses.asdict(one) for one in quantization.where_it_hurts(prepared, path.read_bytes(), images)]


def _failures(settings: CheckSettings, report: dict) -> list[str]:
    failures = []
    for entry in report["files"]:
        drop, median_ms = (entry.get("miou_drop_points"), entry["latency"][0]["median_ms"])
        if drop is not None and drop > settings.max_miou_drop:
            failures.append(
                f"mIoU of {entry['file']} is {drop:.2f} points below Keras; --max_miou_drop is {settings.max_miou_drop}"
            )
        if settings.max_latency_ms and median_ms > settings.max_latency_ms:
            failures.append(
                f"median latency of {entry['file']} is {median_ms:.2f} ms; --max_latency_ms is {settings.max_latency_ms}"
            )
        if settings.strict and entry["lint"]:
            failures.append(f"{entry['file']} has {len(entry['lint'])} lint finding(s); --strict takes none")
    return failures
