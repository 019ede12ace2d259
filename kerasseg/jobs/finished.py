"""Runs that have been trained to their end on the same data, and which of them share a row of a comparison."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kerasseg import config, files
from kerasseg.errors import InputError
from kerasseg.reports import joining
from kerasseg.reports.joining import APART
from kerasseg.run.directory import Run, open_run


@dataclass(frozen=True)
class Finished:
    """A run that has been trained to its end, and its report."""

    run: Run
    report: dict

    @property
    def path(self) -> Path:
        return self.run.directory.path

    @property
    def key(self) -> str:
        """Equal for runs that share a row, wherever their teacher and their backbone's weights lay."""
        of = self.run.config
        settings = config.to_json(of) | {"backbone_weights": Path(of.backbone_weights).name, "teacher": self.run.teacher}
        return repr({name: value for name, value in settings.items() if name not in APART})

    @property
    def backend(self) -> str:
        """That trained it; empty where its report is older than that."""
        return self.report.get("backend", "")


def read(workdirs: Sequence[str | Path]) -> list[Finished]:
    """The runs, in the order given.

    Raises:
        InputError: a directory that holds no finished run, or runs on other data than the first.
    """
    found: list[Finished] = []
    for workdir in workdirs:
        run = open_run(workdir)
        if not run.directory.report.is_file():
            raise InputError(f"{workdir} is not finished (no report.json); give its `kerasseg train` command again")
        report = files.read_json(run.directory.report)
        if not isinstance(report, dict) or not {"scores", "best_epoch", "history"} <= report.keys():
            raise InputError(f"{run.directory.report} is no report of a training; remove it, and evaluate or train again")
        found.append(Finished(run, report))
    for one in found[1:]:
        for what, here, there in (
            ("data set", found[0].run.config.dataset, one.run.config.dataset),
            ("classes", ", ".join(found[0].run.class_names), ", ".join(one.run.class_names)),
            ("holdout", *(f.run.config.holdout or "none" for f in (found[0], one))),
            ("validation pictures", *joining.told_apart(*((f.run.data or {}).get("val") for f in (found[0], one)))),
            ("number of scored pictures", *(f.report["scores"]["pictures"] for f in (found[0], one))),
        ):
            if here != there:
                raise InputError(f"{one.path} has {what} {there}, {found[0].path} has {here}; compare runs on the same data")
    return found


def grouped(runs: Sequence[Finished]) -> list[list[Finished]]:
    """The runs of each row: seeds of the same settings, and of each backend for itself where a seed was trained by several.

    Raises:
        InputError: two are of one seed and the same settings.
    """
    seeds: dict[tuple[str, int], dict[str, Finished]] = {}
    for one in runs:
        same = seeds.setdefault((one.key, one.run.config.seed), {})
        if one.backend in same:
            raise InputError(f"{same[one.backend].path} and {one.path} have the same settings and seed; give one of them")
        same[one.backend] = one
    apart = {key for (key, _), same in seeds.items() if len(same) > 1}
    groups: dict[tuple[str, str], list[Finished]] = {}
    for one in runs:
        groups.setdefault((one.key, one.backend if one.key in apart else ""), []).append(one)
    return list(groups.values())
