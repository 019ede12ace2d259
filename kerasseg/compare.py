"""python -m kerasseg.compare: several runs in one table, with what each costs and reaches in float and in int8."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kerasseg import cli
from kerasseg.comparison import APART, RECIPES
from kerasseg.config import setting
from kerasseg.errors import InputError

if TYPE_CHECKING:
    from kerasseg.data.splits import Split
    from kerasseg.rundir import Run, RunDir


@dataclass(frozen=True)
class CompareOptions:
    """Writes compare.md, .csv and .json and figures about runs on the same data; runs that differ in the seed share a row.

    Files that tflite/convert.py left in a run directory (float32, int8 and int8_qat.tflite) are scored and timed, too.
    """

    workdirs: tuple[str, ...] = setting(
        (), "run directories of kerasseg.train, comma-separated; the first row is the yardstick"
    )
    output_dir: str = setting("", "where table and figures go")
    earlier: str = setting("", "a compare.json whose rows the runs join as further seeds; the times in it stay")
    pair: tuple[str, ...] = setting(("v3large", "v3large_sliced"), "two models whose classes are shown side by side")
    pictures: int = setting(3, "pictures of the split shown as each model segments them")
    threads: int = setting(1, "threads of LiteRT")
    runs: int = setting(50, "timed runs of each file")
    warmup: int = setting(5, "runs before them")
    data_dir: str = setting("", "where the data set lies now; empty takes the runs' own")


@dataclass(frozen=True)
class Finished:
    """A run that has been trained to its end, and its report."""

    directory: "RunDir"
    run: "Run"
    report: dict

    @property
    def key(self) -> str:
        """Equal for runs that share a row."""
        from kerasseg import config

        return repr({k: v for k, v in config.to_json(self.run.config).items() if k not in APART})


def read(workdirs: Sequence[str]) -> list[Finished]:
    """The runs, in the order given.

    Raises:
        InputError: a directory that holds no finished run, or runs on other data than the first.
    """
    from kerasseg import files, rundir

    found = []
    for workdir in workdirs:
        directory = rundir.RunDir(Path(workdir))
        run = rundir.read(directory)
        if not directory.report.is_file():
            raise InputError(f"{workdir} is not finished (no report.json); give its `python -m kerasseg.train` command again")
        found.append(Finished(directory, run, files.read_json(directory.report)))
    for one in found[1:]:
        for what, here, there in (
            ("data set", found[0].run.config.dataset, one.run.config.dataset),
            ("number of classes", found[0].run.num_classes, one.run.num_classes),
            ("number of scored pictures", *(f.report["scores"]["pictures"] for f in (found[0], one))),
        ):
            if here != there:
                raise InputError(
                    f"{one.directory.path} has {what} {there}, {found[0].directory.path} has {here}; "
                    "compare runs on the same data"
                )
    return found


def compare(runs: Sequence[Finished], *, options: CompareOptions, log: Callable[[str], None]) -> dict:
    """Scores, counts and times; returns the report, a row for every group of runs that differ in the seed alone.

    Raises:
        InputError: two runs of one seed and the same settings, or a file that was made from other weights.
    """
    from kerasseg import config
    from kerasseg.data.datasets import load_for_run
    from kerasseg.provenance import provenance

    split = load_for_run(runs[0].run.config, data_dir=options.data_dir).split("val")
    groups: dict[str, list[Finished]] = {}
    for one in runs:
        group = groups.setdefault(one.key, [])
        for other in group:
            if other.run.config.seed == one.run.config.seed:
                raise InputError(
                    f"{other.directory.path} and {one.directory.path} have the same settings and seed; give one of them"
                )
        group.append(one)
    rows = [_row(group, split, log) for group in groups.values()]
    for row in rows:
        row["change"] = row["parameters"] / rows[0]["parameters"] - 1
    if not options.earlier:
        _time(rows, [group[0] for group in groups.values()], options, log)
    common, *others = (config.for_report(one.run.config) for one in runs)
    shared = {k: v for k, v in common.items() if all(other[k] == v for other in others)}
    return {
        "dataset": runs[0].run.config.dataset,
        "split": "val",
        "pictures": len(split),
        "selection": "best evaluated epoch by val mIoU, of QAT too",
        "shared_settings": shared,
        "rows": rows,
        **provenance(),
    }


def _row(group: list[Finished], split: "Split", log: Callable[[str], None]) -> dict:
    from kerasseg import config
    from kerasseg.evaluate import evaluate
    from kerasseg.lite import interpreter
    from kerasseg.models import trained
    from kerasseg.models.macs import count_macs

    first = group[0]
    seeds = []
    for one in group:
        result = {"seed": one.run.config.seed, "best_epoch": one.report["best_epoch"], "float": one.report["scores"]}
        for recipe in RECIPES[1:]:
            path = _file(one, recipe)
            if path:
                log(f"scoring {path} on {len(split)} pictures")
                predict = interpreter.predictor(interpreter.LoadedModel(path))
                scores = evaluate(predict, split, class_names=one.run.class_names, size=one.run.eval_size)
                result[recipe] = scores.to_json()
        seeds.append(result)
    model = trained.load_trained(first.directory, first.run)
    history = first.report["history"]
    return {
        "model": first.run.config.model,
        "size": list(first.run.eval_size),
        "output_stride": first.run.output_stride,
        "weights": config.for_report(first.run.config)["backbone_weights"],
        "epochs": first.run.config.epochs,
        "parameters": model.count_params(),
        "macs": count_macs(model),
        "backend": first.report.get("backend", ""),
        # Not their sum: a machine that slept, or was lent to something else, should not show.
        "train_seconds": len(history) * statistics.median(epoch.get("seconds", 0.0) for epoch in history),
        "seeds": seeds,
    }


def _file(one: Finished, recipe: str) -> Path | None:
    """RECIPE.tflite of a run, where it is there.

    Raises:
        InputError: the file was made from other weights than the run's best.
    """
    from kerasseg import files
    from kerasseg.lite import interpreter

    path = one.directory.path / f"{recipe}.tflite"
    if not path.is_file():
        return None
    if files.read_json(interpreter.sidecar(path)).get("weights_sha256") != files.sha256(one.directory.best_weights):
        raise InputError(f"{path} was made from other weights than the run's best; run tflite/convert.py again, or remove it")
    return path


def _time(rows: list[dict], runs: list[Finished], options: CompareOptions, log: Callable[[str], None]) -> None:
    """Adds bytes, latency and arena of each row's files, all timed in turn."""
    from kerasseg.lite import interpreter, latency, micro

    found = [
        (row, recipe, path) for row, one in zip(rows, runs, strict=True) for recipe in RECIPES if (path := _file(one, recipe))
    ]
    log(f"timing {options.runs} runs of each of {len(found)} files on {options.threads} thread(s)")
    loaded = [interpreter.LoadedModel(path, threads=options.threads) for _, _, path in found]
    timings = latency.measure(loaded, runs=options.runs, warmup=options.warmup) if found else []
    for (row, recipe, path), timing in zip(found, timings, strict=True):
        row.setdefault("files", {})[recipe] = {"bytes": path.stat().st_size, "latency": timing.to_json()}
        if recipe == "int8" and micro.is_installed():
            log(f"measuring the arena of {path}")
            row["files"][recipe]["arena"] = micro.measure_arena(path.read_bytes()).to_json()


def _segmented(runs: Sequence[Finished], options: CompareOptions) -> tuple[list[str], list[tuple]]:
    """Names of the rows' models, and (image, labels, class ids of each model) of some pictures, evenly spaced."""
    from kerasseg.data.datasets import load_for_run
    from kerasseg.data.letterbox import segment
    from kerasseg.models import trained

    split = load_for_run(runs[0].run.config, data_dir=options.data_dir).split("val")
    examples = list(split.examples(split.evenly(options.pictures)))
    firsts = {one.key: one for one in reversed(runs)}
    shown = [one for one in runs if firsts[one.key] is one]
    preds = []
    for one in shown:
        predict = trained.predictor(trained.load_trained(one.directory, one.run))
        preds.append([segment(predict, example.image, size=one.run.eval_size) for example in examples])
    rows = [(e.image, e.labels, [of_model[i] for of_model in preds]) for i, e in enumerate(examples)]
    return [one.run.config.model for one in shown], rows


def main(options: CompareOptions) -> None:
    if not options.workdirs or not options.output_dir:
        raise InputError("--workdirs or --output_dir is missing; give run directories of kerasseg.train, and where to write")
    if options.runs < 1 or options.threads < 1 or options.pictures < 1:
        raise InputError(
            f"--runs={options.runs} --threads={options.threads} --pictures={options.pictures}: give at least 1 of each"
        )
    from kerasseg import comparison, files, plots

    def log(line: str) -> None:
        print(line, flush=True)

    earlier = files.read_json(Path(options.earlier)) if options.earlier else None
    runs, output = read(options.workdirs), Path(options.output_dir)
    report = compare(runs, options=options, log=log)
    if earlier is not None:
        report = comparison.join(earlier, report)
    files.write_json(output / "compare.json", report)
    files.write_text(output / "compare.md", comparison.markdown(report))
    files.write_text(output / "compare.csv", comparison.table_csv(report))
    plots.tradeoffs(comparison.tradeoffs(report), path=output / "tradeoffs.svg")
    by_model = {row["model"]: row for row in reversed(report["rows"])}
    pair = [by_model[name] for name in options.pair if name in by_model]
    if len(pair) == 2:
        plots.class_iou([(row["model"], comparison.class_means(row)) for row in pair], path=output / "classes.svg")
    else:
        log(f"no classes.svg: --pair names {' and '.join(options.pair)}, and not both are among the runs")
    names, rows = _segmented(runs, options)
    plots.segmented(rows, names=names, class_names=runs[0].run.class_names, path=output / "pictures.png")
    print(comparison.markdown(report))
    print(f"wrote compare.md, .csv and .json and the figures to {output}")


if __name__ == "__main__":
    cli.run(main, CompareOptions)
