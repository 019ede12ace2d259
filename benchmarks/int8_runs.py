"""python benchmarks/int8_runs.py --workdirs=A,B: what int8 loses on many runs, seeds of a row and drives that nothing saw."""

import time
from dataclasses import dataclass
from pathlib import Path

import paper

from kerasseg import cli, files
from kerasseg.config import setting
from kerasseg.errors import InputError

RECIPES = ("int8", "int8_qat")
KEYED = ("model", "holdout", "seed", "epochs", "size")
SAME = ("precision", "eval_every", "data_dir", "cache_mib", "workers")  # what may differ within one recipe


@dataclass(frozen=True)
class Int8RunsOptions:
    """Converts and checks what is missing and writes what is there after every run; rows of runs that are gone stay."""

    workdirs: tuple[str, ...] = setting((), "finished run directories of kerasseg train, on CamVid")
    recipes: tuple[str, ...] = setting(("int8",), "what to make of each: int8, int8_qat or both")
    qat_epochs: int = setting(2, "epochs of int8_qat")
    output: str = setting("results/int8_runs.json", "the file to write, or to add to")


def steps(run: Path, recipe: str, options: Int8RunsOptions) -> tuple[paper.Step, paper.Step]:
    """The conversion and the check of one run."""
    more = (f"--epochs={options.qat_epochs}",) if recipe == "int8_qat" else ()
    file, report = run / f"{recipe}.tflite", run / f"{recipe}_check.json"
    convert = ("-m", "kerasseg.convert", f"--workdir={run}", f"--recipe={recipe}", *more)
    check = (
        "-m", "kerasseg.check", f"--workdir={run}", f"--tflite={file}", "--max_miou_drop=100", f"--report={report}",
    )  # fmt: skip
    return paper.Step(convert, run / f"{recipe}.tflite.json"), paper.Step(check, report)


def make(run: Path, recipe: str, options: Int8RunsOptions) -> None:
    """Converts and checks; how long the conversion took is kept beside the check's figures."""
    convert, check = steps(run, recipe, options)
    began, made = time.perf_counter(), not convert.makes.is_file()
    if made:
        paper.do(convert)
    seconds = time.perf_counter() - began if made else None
    if made or not check.makes.is_file():
        paper.do(check)
        files.write_json(check.makes, files.read_json(check.makes) | {"convert_seconds": seconds})


def row(run: Path) -> dict | None:
    """What is kept of a run; None where none of its files has been checked.

    Raises:
        InputError: a file is another one than was checked.
    """
    report = files.read_json(run / "report.json")
    config = paper.trained_with(report)
    found = {}
    for recipe in RECIPES:
        if (run / f"{recipe}_check.json").is_file():
            check, made = (files.read_json(run / name) for name in (f"{recipe}_check.json", f"{recipe}.tflite.json"))
            (entry,) = check["files"]
            if entry["sha256"] != made["sha256"]:
                raise InputError(f"{run / recipe}.tflite is not the file that was checked; remove {recipe}_check.json there")
            found[recipe] = {
                "miou": entry["tflite"]["miou"], "keras_miou": check["keras"]["miou"], "agreement": entry["pixel_agreement"],
                "seconds": check.get("convert_seconds"), "epochs": made["calibration"]["epochs"],
                **{name: made[name] for name in ("versions", "cpu", "commit")},
            }  # fmt: skip
    if not found:
        return None
    (plain,) = paper.steps(config["model"], config["seed"], paper.PaperOptions())["train"]
    different = {name: config[name] for name, value in paper.asked(plain).items() if config[name] != value}
    if config["backbone_weights"] != "none":
        different.pop("backbone_weights", None)  # ImageNet's are ImageNet's, wherever they lie
    return {
        **{name: config[name] for name in KEYED}, "pictures": report["scores"]["pictures"],
        "different": {name: value for name, value in different.items() if name not in (*KEYED, *SAME)}, "recipes": found,
    }  # fmt: skip


def write(runs: list[Path], options: Int8RunsOptions) -> None:
    """Puts every run that was checked into the file, in the place of the same run before."""
    path = Path(options.output)
    stored = files.read_json(path)["rows"] if path.is_file() else []
    new = [one for run in runs if (one := row(run))]
    rows = {_key(one): one for one in [*stored, *new]}
    files.write_json(path, {"dataset": "camvid", "rows": [rows[key] for key in sorted(rows)]})
    print(f"wrote {len(rows)} runs to {path}", flush=True)


def _key(one: dict) -> tuple[str, ...]:
    """What makes a row the same row: model, drive, seed and settings."""
    return tuple(str(one[name]) for name in (*KEYED, "different"))


def main(options: Int8RunsOptions) -> None:
    unknown = [name for name in options.recipes if name not in RECIPES]
    if unknown or not options.recipes:
        raise InputError(f"--recipes has {', '.join(unknown) or 'none'}; known are {', '.join(RECIPES)}")
    runs = [Path(run) for run in options.workdirs]
    unfinished = [str(run) for run in runs if not (run / "report.json").is_file()]
    if unfinished or not runs:
        raise InputError(f"--workdirs: {', '.join(unfinished) or 'none'} is no finished run (no report.json)")
    others = [str(run) for run in runs if paper.trained_with(files.read_json(run / "report.json"))["dataset"] != "camvid"]
    if others:
        raise InputError(f"--workdirs: {', '.join(others)} is of other data; the file is of CamVid")
    for run in runs:
        for recipe in options.recipes:
            make(run, recipe, options)
        write(runs, options)


if __name__ == "__main__":
    cli.run(main)
