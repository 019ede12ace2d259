"""python tflite/check.py: how accurate .tflite files are beside their Keras model, where they lose it, and how fast."""

from dataclasses import dataclass
from pathlib import Path

from kerasseg import cli
from kerasseg.config import setting
from kerasseg.errors import InputError


@dataclass(frozen=True)
class CheckOptions:
    """Scores .tflite files and their Keras model on the same pixels, and times them in turn; exits 1 past a limit.

    Without --workdir it only times and lints, any files that take a picture.
    """

    workdir: str = setting("", "run directory of kerasseg.train that the files came from")
    tflite: tuple[str, ...] = setting((), ".tflite files to check, comma-separated")
    split: str = setting("val", "split to score")
    examples: int = setting(0, "score the first so many pictures of it; 0 for all")
    kernels: str = setting(
        "xnnpack", "what scores and times: LiteRT's default kernels, its plain ones (slow), or TFLite Micro's (slower)",
        choices=("xnnpack", "reference", "micro"),
    )  # fmt: skip
    sample: int = setting(0, "compare all engines on so many pictures, evenly spaced; the plain kernels take seconds each")
    per_layer: bool = setting(False, "rank the layers of the first file by the signal-to-noise ratio they lose")
    threads: tuple[str, ...] = setting(("1",), "threads of the interpreter, such as 1,2; limits hold for the first")
    runs: int = setting(50, "timed runs of each, at least 50")
    warmup: int = setting(10, "runs before them")
    size: tuple[int, int] = setting((0, 0), "without --workdir: height,width that every file must take; 0,0 takes any")
    max_miou_drop: float = setting(1.0, "largest accepted loss against Keras, in points of mIoU")
    max_latency_ms: float = setting(0.0, "largest accepted median latency; 0 for no limit")
    strict: bool = setting(False, "exit 1 when the linter finds something")
    report: str = setting("", "JSON file to write; with --per_layer a figure beside it")
    json: bool = setting(False, "print the report as JSON instead of a table")
    data_dir: str = setting("", "where the data set lies now; empty takes the run's own")


def check(options: CheckOptions) -> dict:
    """Scores, compares, times and lints; returns the report."""
    from kerasseg import files
    from kerasseg.lite import engines, interpreter, latency, lint
    from kerasseg.provenance import provenance

    paths = [Path(name) for name in options.tflite]
    threads = [int(count) for count in options.threads]
    models = [engines.load(path, kernels=options.kernels, any_output=not options.workdir) for path in paths]
    report = {
        "kernels": options.kernels,
        "files": [
            {
                "file": path.name,
                "sha256": files.sha256(path),
                "bytes": path.stat().st_size,
                "size": list(model.size),
                "partitions": interpreter.partitions(path)[0],
                "lint": [finding.to_json() for finding in lint.lint(path.read_bytes())],
            }
            for path, model in zip(paths, models, strict=True)
        ],
    }
    image = None
    if options.workdir:
        report |= _scored(options, paths, models, report["files"])
        image = report.pop("image")
    elif options.size != (0, 0):
        for path, model in zip(paths, models, strict=True):
            if model.size != options.size:
                raise InputError(f"{path} takes {model.size} pictures, --size is {options.size}; give files of one size")
    _say(options, f"timing {options.runs} runs of each of {len(paths)} file(s) on {', '.join(options.threads)} thread(s)")
    for entry in report["files"]:
        entry["latency"] = []
    for count in threads:
        timed = [engines.load(path, kernels=options.kernels, threads=count, any_output=True) for path in paths]
        for entry, timing in zip(
            report["files"], latency.measure(timed, image, runs=options.runs, warmup=options.warmup), strict=True
        ):
            entry["latency"].append(timing.to_json())
    return report | {"failures": _failures(options, report), **provenance()}


def _scored(options: CheckOptions, paths: list[Path], models: list, entries: list[dict]) -> dict:
    """Adds scores to the entries; returns what the report says about the run, the engines and the layers."""
    from kerasseg import config, rundir
    from kerasseg.data.datasets import load_for_run
    from kerasseg.data.letterbox import letterbox
    from kerasseg.evaluate import evaluate_together
    from kerasseg.lite import engines, interpreter
    from kerasseg.models import trained

    directory = rundir.RunDir(Path(options.workdir))
    run = rundir.read(directory)
    for path, model in zip(paths, models, strict=True):
        if model.num_classes != run.num_classes:
            raise InputError(
                f"{path} has {model.num_classes} classes, the run has {run.num_classes}; give the --workdir it came from"
            )
        if model.size != run.eval_size:
            raise InputError(
                f"{path} takes {model.size} pictures, the run has {run.eval_size}; give the --workdir it came from"
            )
    dataset = load_for_run(run.config, data_dir=options.data_dir)
    split = dataset.split(options.split).first(options.examples)
    _say(options, f"scoring Keras and {len(paths)} file(s) ({options.kernels}) on {len(split)} {dataset.name} {options.split}")
    keras_model = trained.load_trained(directory, run)
    predicts = [trained.predictor(keras_model), *map(interpreter.predictor, models)]
    scores, agreement = evaluate_together(predicts, split, class_names=run.class_names, size=run.eval_size)
    for entry, score, share in zip(entries, scores[1:], agreement[1:], strict=True):
        entry |= {
            "tflite": score.to_json(),
            "miou_drop_points": 100 * (scores[0].miou - score.miou),
            "pixel_agreement": share,
        }
    found = {
        "model": run.config.model,
        "dataset": dataset.name,
        "split": options.split,
        "pictures": len(split),
        "size": list(run.eval_size),
        "keras": scores[0].to_json(),
        "config": config.for_report(run.config),
        "image": letterbox(split[0].image, size=run.eval_size)[0][None],
    }
    if options.sample:
        positions = split.evenly(options.sample)
        found["sample"] = {"pictures": [split.names[i] for i in positions], "engines": []}
        for path in paths:
            _say(options, f"comparing {', '.join(engines.available())} on {len(positions)} pictures for {path.name}")
            rows = _compare_engines(predicts[0], path, split.choose(positions), run)
            found["sample"]["engines"] += rows
    if options.per_layer:
        found["per_layer"] = _per_layer(options, directory, run, dataset, paths[0])
    return found


def _compare_engines(keras_predict, path: Path, split, run) -> list[dict]:
    """A row an engine: scores on a few pictures, and the largest difference of any logit from the reference kernels'."""
    import numpy as np

    from kerasseg.evaluate import evaluate_together
    from kerasseg.lite import engines

    loaded, rows = {}, []
    for kind in engines.available():
        try:
            loaded[kind] = engines.load(path, kernels=kind)
        except InputError as error:
            rows.append({"file": path.name, "kernels": kind, "refused": str(error)})
    records = {kind: [] for kind in loaded}
    predicts = [engines.recording(model, records[kind]) for kind, model in loaded.items()]
    scores, agreement = evaluate_together(
        [keras_predict, *predicts], split, class_names=run.class_names, size=run.eval_size
    )  # fmt: skip
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


def _per_layer(options: CheckOptions, directory, run, dataset, path: Path) -> list[dict]:
    """Noise of every operator, in order, from four pictures of the split."""
    import dataclasses

    from kerasseg import files, plots, quantization
    from kerasseg.data.letterbox import letterbox
    from kerasseg.lite import interpreter

    story = files.read_json(interpreter.sidecar(path))
    if not story.get("calibration"):
        raise InputError(f"{path} is no int8 file of tflite/convert.py; --per_layer needs one, with the JSON beside it")
    _say(options, f"comparing the tensors of {path.name} with float ones")
    prepared = quantization.again(directory, run, dataset.split("train"), story["calibration"])
    split = dataset.split(options.split)
    images = [letterbox(e.image, size=run.eval_size)[0][None].astype("float32") for e in split.examples(split.evenly(4))]
    found = quantization.where_it_hurts(prepared, path.read_bytes(), images)
    if options.report:
        plots.noise(found, path=Path(options.report).with_suffix(".png"))
    return [dataclasses.asdict(one) for one in found]


def _failures(options: CheckOptions, report: dict) -> list[str]:
    failures = []
    for entry in report["files"]:
        drop, median_ms = entry.get("miou_drop_points", 0.0), entry["latency"][0]["median_ms"]
        if options.workdir and drop > options.max_miou_drop:
            failures.append(
                f"mIoU of {entry['file']} is {drop:.2f} points below Keras; --max_miou_drop is {options.max_miou_drop}"
            )
        if options.max_latency_ms and median_ms > options.max_latency_ms:
            failures.append(
                f"median latency of {entry['file']} is {median_ms:.2f} ms; --max_latency_ms is {options.max_latency_ms}"
            )
        if options.strict and entry["lint"]:
            failures.append(f"{entry['file']} has {len(entry['lint'])} lint finding(s); --strict takes none")
    return failures


def _say(options: CheckOptions, line: str) -> None:
    if not options.json:
        print(line, flush=True)


def table(report: dict) -> str:
    """The report as text."""
    lines = []
    if "keras" in report:
        lines.append(f"mIoU Keras         {100 * report['keras']['miou']:.2f} %")
    for entry in report["files"]:
        lines.append(f"{entry['file']}, {entry['bytes'] / 1024:.0f} KiB")
        if "tflite" in entry:
            lines += [
                f"  mIoU .tflite     {100 * entry['tflite']['miou']:.2f} %  ({-entry['miou_drop_points']:+.2f} points)",
                f"  pixel agreement  {100 * entry['pixel_agreement']:.2f} %",
            ]
        lines += [
            f"  latency          median {timing['median_ms']:.2f} ms, p90 {timing['p90_ms']:.2f}, p95 {timing['p95_ms']:.2f}  "
            f"({report['kernels']}, {timing['threads']} thread(s), {timing['runs']} runs after {timing['warmup']}, "
            f"{timing['interleaved']} file(s) in turn)"
            for timing in entry["latency"]
        ]
        lines += [f"  lint             {finding['rule']}: {finding['text']}" for finding in entry["lint"]]
    lines.append(f"on {report['cpu']}, LiteRT {report['versions']['ai-edge-litert']}")
    if "sample" in report:
        lines.append(f"engines on {len(report['sample']['pictures'])} pictures: mIoU, agreement with Keras, largest difference")
        lines += [
            f"  {row['file']}  {row['kernels']:<9}  refuses it: {row['refused']}"
            if "refused" in row
            else f"  {row['file']}  {row['kernels']:<9}  {100 * row['miou']:.2f} %  {100 * row['pixel_agreement']:.2f} %  "
            + (f"{row['largest_difference']:g} {row['unit']} from reference" if "unit" in row else "")
            for row in report["sample"]["engines"]
        ]
    if "per_layer" in report:
        lines.append("where int8 hurts: dB lost by the layer, dB left after it")
        for one in sorted(report["per_layer"], key=lambda one: -one["lost_db"])[:12]:
            lines.append(f"  {one['lost_db']:6.1f}  {one['snr_db']:6.1f}  {one['layer']} ({one['operator']})")
    return "\n".join(lines)


def main(options: CheckOptions) -> int:
    if not options.tflite:
        raise InputError("--tflite is missing; give the .tflite files to check, and --workdir of their run to score them")
    if options.runs < 50 or options.warmup < 1 or not all(count.isdigit() and int(count) for count in options.threads):
        raise InputError("--runs must be at least 50, --warmup and --threads at least 1, for a median that means something")
    if not options.workdir and (options.sample or options.per_layer):
        raise InputError("--sample and --per_layer need --workdir of the run that the files came from")
    import json

    from kerasseg import files

    report = check(options)
    if options.report:
        files.write_json(options.report, report)
    print(json.dumps(report, indent=2) if options.json else table(report))
    for failure in report["failures"]:
        _say(options, f"NOT MET: {failure}")
    return cli.EXIT_NOT_MET if report["failures"] else 0


if __name__ == "__main__":
    cli.run(main, CheckOptions)
