"""python benchmarks/crop_filter.py --aliased=RUN,... --antialiased=RUN,...: what crops through the filter of scoring bring."""

from dataclasses import dataclass
from pathlib import Path

from distillation import ended

from kerasseg import cli, files
from kerasseg.config import setting
from kerasseg.errors import InputError


@dataclass(frozen=True)
class BenchmarkOptions:
    """Writes val mIoU of runs that differ in nothing but the commit that sampled their crops, pair by pair.

    Pairs that the file has of other models and seeds stay in it.
    """

    aliased: tuple[str, ...] = setting((), "run directories trained before crops were antialiased", path=True)
    antialiased: tuple[str, ...] = setting((), "those trained since, in the same order", path=True)
    output: str = setting("results/crop_filter.json", "the file to write, or to add to")


def pairs(options: BenchmarkOptions, before: dict) -> dict:
    """A row a model, with a pair of scores a seed: those in `before`, and those of the runs.

    Raises:
        InputError: a run of a pair has other settings than the other, or one has not ended.
    """
    rows = {row["model"]: row for row in before.get("rows", [])}
    for folders in zip(options.aliased, options.antialiased, strict=True):
        pair = [ended(folder) for folder in folders]
        settings, others = (report["config"] for report in pair)
        differ = [name for name in settings if settings[name] != others[name]]
        if differ:
            raise InputError(f"{' and '.join(folders)} differ in {', '.join(differ)}; give pairs of runs")
        told = {
            "size": settings["size"],
            "epochs": settings["epochs"],
            "scales": [settings["scale_min"], settings["scale_max"]],
        }
        row = rows.setdefault(settings["model"], {"model": settings["model"], "settings": told, "seeds": []})
        if row["settings"] != told or before.get("split", pair[0]["split"]) != pair[0]["split"]:
            raise InputError(f"the runs of {settings['model']} have other settings than each other; give seeds of one recipe")
        scores = {
            way: {"miou": report["scores"]["miou"], "last_miou": report["history"][-1]["val_miou"], "commit": report["commit"]}
            for way, report in zip(("aliased", "antialiased"), pair, strict=True)
        }
        made = {"seed": settings["seed"], **{name: pair[1][name] for name in ("backend", "versions", "cpu")}, **scores}
        seeds = {one["seed"]: one for one in row["seeds"]} | {made["seed"]: made}
        row["seeds"] = [seeds[seed] for seed in sorted(seeds)]
    return {"dataset": settings["dataset"], "split": pair[0]["split"], "rows": list(rows.values())}


def main(options: BenchmarkOptions) -> None:
    if not options.aliased or len(options.aliased) != len(options.antialiased):
        raise InputError("give as many runs as --aliased as as --antialiased, at least one of each")
    output = Path(options.output)
    files.write_json(output, pairs(options, files.read_json(output) if output.is_file() else {}))


if __name__ == "__main__":
    cli.run(main)
