"""python benchmarks/distillation.py --alone=RUN,... --taught=RUN,...: what a teacher brings, by runs that have ended."""

import json
from dataclasses import dataclass
from pathlib import Path

from kerasseg import cli, files
from kerasseg.config import setting
from kerasseg.errors import InputError

TEACHING = {"teacher", "distill_weight", "distill_temperature"}


@dataclass(frozen=True)
class BenchmarkOptions:
    """Prints JSON: val mIoU after each epoch that was scored, of pairs of runs that differ in nothing but the teacher."""

    alone: tuple[str, ...] = setting((), "run directories without a teacher")
    taught: tuple[str, ...] = setting((), "those with one, in the same order")


def measure(options: BenchmarkOptions) -> dict:
    """A row a pair.

    Raises:
        InputError: a run of a pair has other settings than the other, or one has not ended.
    """
    from kerasseg.run.provenance import provenance

    rows = []
    for alone, taught in zip(options.alone, options.taught, strict=True):
        pair = [ended(folder) for folder in (alone, taught)]
        settings, others = (report["config"] for report in pair)
        differ = [name for name in settings if name not in TEACHING and settings[name] != others[name]]
        if differ or not others["teacher"]:
            raise InputError(
                f"{taught} is not {alone} with a teacher: {', '.join(differ) or 'it has none'}; give pairs of runs"
            )
        scored = [{row["epoch"]: row["val_miou"] for row in report["history"] if "val_miou" in row} for report in pair]
        rows.append(
            {
                "model": settings["model"], "seed": settings["seed"], "epochs": settings["epochs"],
                "teacher": json.loads(Path(taught, "config.json").read_text())["teacher"]["model"],
                "weight": others["distill_weight"] or 1.0, "temperature": others["distill_temperature"],
                "alone": scored[0], "taught": scored[1], "commits": [report["commit"] for report in pair],
            }
        )  # fmt: skip
    return {"split": pair[0]["split"], "size": pair[0]["size"], "rows": rows, **provenance()}


def ended(folder: str) -> dict:
    """The report of a training that has ended."""
    path = Path(folder, "report.json")
    if not path.is_file():
        raise InputError(f"{path} is missing; give the directory of a training that has ended")
    return files.read_json(path)


def main(options: BenchmarkOptions) -> None:
    if not options.alone or len(options.alone) != len(options.taught):
        raise InputError("give as many runs as --alone as as --taught, at least one of each")
    print(json.dumps(measure(options), indent=1))


if __name__ == "__main__":
    cli.run(main)
