"""python benchmarks/crop_filter.py --aliased=RUN,... --antialiased=RUN,...: what crops through the filter of scoring bring."""

import json
from dataclasses import dataclass

from distillation import ended

from kerasseg import cli
from kerasseg.config import setting
from kerasseg.errors import InputError


@dataclass(frozen=True)
class BenchmarkOptions:
    """Prints JSON: val mIoU of runs that differ in nothing but the commit that sampled their crops, pair by pair."""

    aliased: tuple[str, ...] = setting((), "run directories trained before crops were antialiased", path=True)
    antialiased: tuple[str, ...] = setting((), "those trained since, in the same order", path=True)


def measure(options: BenchmarkOptions) -> dict:
    """A row a model, with a pair of scores a seed.

    Raises:
        InputError: a run of a pair has other settings than the other, or one has not ended.
    """
    from kerasseg.run.provenance import provenance

    rows: dict[str, dict] = {}
    for folders in zip(options.aliased, options.antialiased, strict=True):
        pair = [ended(folder) for folder in folders]
        settings, others = (report["config"] for report in pair)
        differ = [name for name in settings if settings[name] != others[name]]
        if differ:
            raise InputError(f"{' and '.join(folders)} differ in {', '.join(differ)}; give pairs of runs")
        row = rows.setdefault(settings["model"], {"model": settings["model"], "seeds": []})
        told = {
            "size": settings["size"],
            "epochs": settings["epochs"],
            "scales": [settings["scale_min"], settings["scale_max"]],
        }
        if row.setdefault("settings", told) != told:
            raise InputError(f"the runs of {settings['model']} have other settings than each other; give seeds of one recipe")
        scores = {
            way: {"miou": report["scores"]["miou"], "last_miou": report["history"][-1]["val_miou"], "commit": report["commit"]}
            for way, report in zip(("aliased", "antialiased"), pair, strict=True)
        }
        row["seeds"].append({"seed": settings["seed"], "backend": pair[0]["backend"], **scores})
    return {"dataset": settings["dataset"], "split": pair[0]["split"], "rows": list(rows.values()), **provenance()}


def main(options: BenchmarkOptions) -> None:
    if not options.aliased or len(options.aliased) != len(options.antialiased):
        raise InputError("give as many runs as --aliased as as --antialiased, at least one of each")
    print(json.dumps(measure(options), indent=1))


if __name__ == "__main__":
    cli.run(main)
