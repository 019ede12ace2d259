"""Finished runs in one table, with what each costs and reaches in float and in int8."""

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from kerasseg import config, files
from kerasseg.data.letterbox import segment
from kerasseg.data.splits import Split
from kerasseg.errors import InputError
from kerasseg.jobs import finished
from kerasseg.jobs.finished import Finished
from kerasseg.jobs.settings import CompareSettings
from kerasseg.lite import interpreter, latency
from kerasseg.mcu import runtime
from kerasseg.models.macs import count_macs
from kerasseg.reports import comparison, joining, pages, plots
from kerasseg.reports.comparison import RECIPES
from kerasseg.reports.joining import APART
from kerasseg.run import origin, sidecar, trained
from kerasseg.run.directory import refuse_as_output
from kerasseg.run.provenance import provenance
from kerasseg.score.evaluation import evaluate
from kerasseg.training import backends

CLASSES = "classes.svg"
WRITTEN = ("compare.json", "compare.md", "compare.csv", "compare.html", "tradeoffs.svg", "pictures.png", CLASSES)
Log = Callable[[str], None]


def compare(
    workdirs: Sequence[str | Path],
    *,
    output_dir: str | Path,
    earlier: str | Path = "",
    settings: CompareSettings | None = None,
    log: Log = lambda line: None,
) -> dict:
    """Scores, counts and times runs on the same data, and writes compare.html, .md, .csv and .json and figures.

    Args:
        workdirs: Run directories; the first row is the yardstick. Runs that differ in the seed share a row.
        output_dir: Where table and figures go.
        earlier: A compare.json whose rows the runs join as further seeds; the times in it stay.
        settings: None for the defaults.
        log: Gets a line a stage.

    Returns:
        What compare.json holds; `kerasseg.reports.comparison.markdown` makes the table of it.

    Raises:
        InputError: a directory that holds no finished run, runs on other data than the first, two runs of one seed and the
            same settings, a file that was made from other weights, or runs that do not fit `earlier`.
    """
    settings, output = settings or CompareSettings(), Path(output_dir)
    refuse_as_output(output)
    before = _written_before(output)
    known = files.read_json(earlier) if earlier else None
    runs = finished.read(workdirs)
    dataset, differences = origin.load_data(
        runs[0].run, splits=["val"], data_dir=settings.data_dir, other_data=settings.other_data, log=log
    )  # fmt: skip
    split = dataset.split("val")
    groups = finished.grouped(runs)
    earlier_rows = known.get("rows", []) if isinstance(known, dict) else []
    pair = _pair([*(group[0].run.config.model for group in groups), *(row["model"] for row in earlier_rows)], settings, log)
    written = [name for name in WRITTEN if pair or name != CLASSES]
    files.refuse_to_replace([output / name for name in written if name not in before], command="kerasseg compare")
    if differences:
        runs = [_scored_again(one, split, log) for one in runs]
        groups = finished.grouped(runs)
    report = _report(runs, groups, split, log) | {"other_data": differences, "files": written}
    names = comparison.labels(report["rows"])
    if known is None:
        _time(report["rows"], [group[0] for group in groups], settings, log)
    else:
        report = joining.join(known, report) | {"files": written}
    files.write_json(output / "compare.json", report)
    files.write_text(output / "compare.md", comparison.markdown(report))
    files.write_text(output / "compare.csv", comparison.table_csv(report))
    _draw(report, output, pair)
    for name in before - set(written):
        (output / name).unlink(missing_ok=True)
    rows = _segmented([group[0] for group in groups], split, settings.pictures)
    plots.segmented(rows, names=names, class_names=runs[0].run.class_names, path=output / "pictures.png")
    _page(report, output, with_classes=bool(pair))
    log(f"wrote compare.html, .md, .csv and .json and the figures to {output}")
    return report


def _written_before(output: Path) -> set[str]:
    """Names of what a comparison left in a folder; none where there is none."""
    path = output / WRITTEN[0]
    if not path.exists():
        return set()
    files.refuse_to_replace([path], told_by=path, keys=("shared_settings", "rows"), command="kerasseg compare")
    return set(files.read_json(path).get("files", WRITTEN)) & set(WRITTEN)


def _scored_again(one: Finished, split: Split, log: Log) -> Finished:
    """A run with the scores of its best weights on other data, of which its own report knows nothing."""
    together = backends.scored_together(one.run.eval_size, one.run.num_classes, pictures=len(split))
    log(f"scoring {one.path} on {len(split)} pictures")
    predict = trained.predictor(trained.load_trained(one.run, batch_size=together))
    found = evaluate(predict, split, class_names=one.run.class_names, size=one.run.eval_size, together=together)
    history = [{**epoch, "val_miou": None} for epoch in one.report["history"]]
    return Finished(one.run, one.report | {"scores": found.to_json(), "history": history})


def _report(runs: Sequence[Finished], groups: Sequence[list[Finished]], split: Split, log: Log) -> dict:
    rows = [_row(group, split, log) for group in groups]
    for row in rows:
        row["change"] = row["parameters"] / rows[0]["parameters"] - 1
    every = [config.for_report(one.run.config) for one in runs]
    shared = {k: v for k, v in every[0].items() if all(other[k] == v for other in every)}
    for row, group in zip(rows, groups, strict=True):
        of_row = config.for_report(group[0].run.config)
        row["settings"] = {k: v for k, v in of_row.items() if k not in (*shared, *APART, "model")}
        if any(other is not group and other[0].key == group[0].key for other in groups):
            row["settings"]["backend"] = row["backend"]
    return {
        "dataset": runs[0].run.config.dataset,
        "split": "val",
        "pictures": len(split),
        "data": (runs[0].run.data or {}).get("val"),
        "selection": "best evaluated epoch by val mIoU, of QAT too",
        "shared_settings": shared,
        "rows": rows,
        **provenance(),
    }


def _row(group: list[Finished], split: Split, log: Log) -> dict:
    first = group[0]
    seeds = []
    for one in group:
        result = {"seed": one.run.config.seed, "best_epoch": one.report["best_epoch"], "float": one.report["scores"]}
        if (last := one.report["history"][-1].get("val_miou")) is not None:
            result["last_miou"] = last  # chosen by nobody
        for recipe in RECIPES[1:]:
            path = _file(one, recipe)
            if path:
                log(f"scoring {path} on {len(split)} pictures")
                predict = interpreter.predictor(interpreter.LoadedModel(path))
                scores = evaluate(predict, split, class_names=one.run.class_names, size=one.run.eval_size)
                result[recipe] = scores.to_json()
        seeds.append(result)
    model = trained.load_trained(first.run)
    history = first.report["history"]
    return {
        "model": first.run.config.model,
        "size": list(first.run.eval_size),
        "output_stride": first.run.output_stride,
        "channels": first.run.spec.channels,
        "weights": config.for_report(first.run.config)["backbone_weights"],
        "epochs": first.run.config.epochs,
        "parameters": model.count_params(),
        "macs": count_macs(model),
        "backend": first.backend,
        # Not their sum: a machine that slept, or was lent to something else, should not show.
        "train_seconds": len(history) * statistics.median(epoch.get("seconds", 0.0) for epoch in history),
        "seeds": seeds,
    }


def _file(one: Finished, recipe: str) -> Path | None:
    """RECIPE.tflite of a run, where it is there.

    Raises:
        InputError: the file was made from other weights than the run's best, or nobody knows from which.
    """
    path = one.path / f"{recipe}.tflite"
    if not path.is_file():
        return None
    if sidecar.hold_against(path, one.run) is None:
        raise InputError(f"{path} has no JSON beside it that says what it came from; convert it again, or remove it")
    return path


def _time(rows: list[dict], runs: list[Finished], settings: CompareSettings, log: Log) -> None:
    """Adds bytes, latency and arena of each row's files, all timed in turn."""
    found = [
        (row, recipe, path) for row, one in zip(rows, runs, strict=True) for recipe in RECIPES if (path := _file(one, recipe))
    ]
    log(f"timing {settings.runs} runs of each of {len(found)} files on {settings.threads} thread(s)")
    loaded = [interpreter.LoadedModel(path, threads=settings.threads) for _, _, path in found]
    timings = latency.measure(loaded, runs=settings.runs, warmup=settings.warmup) if found else []
    for (row, recipe, path), timing in zip(found, timings, strict=True):
        row.setdefault("files", {})[recipe] = {"bytes": path.stat().st_size, "latency": timing.to_json()}
        if recipe == "int8" and runtime.is_installed():
            log(f"measuring the arena of {path}")
            row["files"][recipe]["arena"] = runtime.measure_arena(path.read_bytes()).to_json()


def _pair(models: Sequence[str], settings: CompareSettings, log: Log) -> tuple[str, ...]:
    """The two models whose classes are shown; none where not both are among the runs."""
    if len(settings.pair) == 2 and set(settings.pair) <= set(models):
        return settings.pair
    log(f"no {CLASSES}: --pair names {' and '.join(settings.pair)}, and not both are among the runs")
    return ()


def _draw(report: dict, output: Path, pair: tuple[str, ...]) -> None:
    """The figures about numbers."""
    plots.tradeoffs(comparison.tradeoffs(report), path=output / "tradeoffs.svg")
    by_model = {row["model"]: row for row in reversed(report["rows"])}
    if pair:
        plots.class_iou([(name, comparison.class_means(by_model[name])) for name in pair], path=output / CLASSES)


def _page(report: dict, output: Path, *, with_classes: bool) -> None:
    page = pages.compare(
        report,
        tradeoffs=(output / "tradeoffs.svg").read_text(encoding="utf-8"),
        classes=(output / "classes.svg").read_text(encoding="utf-8") if with_classes else "",
        pictures=(output / "pictures.png").read_bytes(),
    )
    files.write_text(output / "compare.html", page)


def _segmented(runs: Sequence[Finished], split: Split, count: int) -> list[tuple]:
    """(image, labels, class ids of each model) of some pictures, evenly spaced."""
    examples = list(split.examples(split.evenly(count)))
    preds = []
    for one in runs:
        predict = trained.predictor(trained.load_trained(one.run))
        preds.append([segment(predict, example.image, size=one.run.eval_size) for example in examples])
    return [(e.image, e.labels, [of_model[i] for of_model in preds]) for i, e in enumerate(examples)]
