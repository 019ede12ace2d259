"""python benchmarks/folds.py --data_dir=CamVid: a row trained with each of CamVid's drives held out, by the paper's recipe."""

import shlex
import statistics
from dataclasses import dataclass
from pathlib import Path

import paper

from kerasseg import cli, files
from kerasseg.config import setting
from kerasseg.errors import InputError
from kerasseg.run import directory

DRIVES = ("0001TP", "0006R0", "0016E5")  # of train and val; with the last, all of val is held out
OURS = ("model", "dataset", "data_dir", "holdout", "seed", "workdir")  # settings that make a fold what it is


@dataclass(frozen=True)
class FoldsOptions:
    """Trains what is missing and writes what is there after every fold; what was interrupted goes on from there."""

    data_dir: str = setting("", "SegNet's CamVid folder")
    workdir: str = setting("runs/folds", "where the runs go, a folder a row, variant and drive")
    model: str = setting("v3large_sliced", "the row")
    folds: tuple[str, ...] = setting(DRIVES, "the drives to hold out, each in a run of its own")
    weights: str = setting("imagenet", "backbone weights: imagenet, none, or a .npz or .weights.h5 file")
    precision: str = setting("float32", "of training", choices=("float32", "mixed_bfloat16"))
    seed: int = setting(0, "seed of all folds")
    name: str = setting("", "what the extra settings are called")
    extra: str = setting("", "further settings of kerasseg train, such as '--weight_decay=0.05 --color=0.4'; needs --name")
    plain: str = setting(
        "", "run of the same row and settings that holds nothing out, whose val score stands beside the folds'"
    )
    rehearsal: bool = setting(False, "one epoch of 32 small pictures, into WORKDIR/rehearsal, with its own folds.json")
    output: str = setting("results/folds.json", "gets the row beside the rows that are there; not in a rehearsal")

    @property
    def folder(self) -> Path:
        """Where the runs are."""
        return Path(self.workdir, *["rehearsal"] * self.rehearsal)

    @property
    def report(self) -> Path:
        """The file that is written."""
        return self.folder / "folds.json" if self.rehearsal else Path(self.output)


def step(drive: str, options: FoldsOptions) -> paper.Step:
    """The command of one fold: the paper's, with the drive held out and the extra settings behind."""
    weights = {f"{kind}_weights": options.weights for kind in ("large", "small")}
    weights |= {f"{kind}_minimalistic_weights": options.weights for kind in ("large", "small")}
    base = paper.PaperOptions(
        data_dir=options.data_dir, workdir=options.workdir, precision=options.precision, rehearsal=options.rehearsal, **weights
    )
    (train,) = paper.steps(options.model, options.seed, base)["train"]
    run = options.folder / "_".join(filter(None, (options.model, options.name, drive, str(options.seed))))
    command = tuple(word for word in train.command if not word.startswith("--workdir="))
    command += (f"--holdout=^{drive}", *shlex.split(options.extra), f"--workdir={run}")
    return paper.Step(command, run / "report.json", backend=None)


def fold(drive: str, report: dict) -> dict:
    """What is kept of a finished run."""
    scores = report["scores"]
    return {
        "drive": drive, "pictures": scores["pictures"], "miou": scores["miou"], "over": scores["miou_over"],
        "best_epoch": report["best_epoch"], "last_miou": report["history"][-1]["val_miou"],
        "iou": dict(zip(scores["class_names"], scores["iou"], strict=True)),
    }  # fmt: skip


def row(options: FoldsOptions) -> dict:
    """The folds that are finished, their mean, and the plain run's score.

    Raises:
        InputError: a fold was trained with other settings, or the plain run cannot stand beside them.
    """
    steps = {drive: step(drive, options) for drive in DRIVES}
    found = {drive: files.read_json(wanted.makes) for drive, wanted in steps.items() if wanted.makes.is_file()}
    for drive, report in found.items():
        holds = f"{steps[drive].makes.parent} holds a run"
        directory.refuse_different(
            paper.trained_with(report), paper.asked(steps[drive]), holds=holds, instead="another --name or --workdir"
        )
    first = next(iter(found.values()))
    folds = [fold(drive, report) for drive, report in found.items()]
    return {
        "model": options.model, "name": options.name, "extra": options.extra, "seed": options.seed, "folds": folds,
        "mean": statistics.mean(one["miou"] for one in folds), "plain": plain(options) if options.plain else None,
        "epochs": first["config"]["epochs"], "size": first["config"]["size"], "eval_size": first["size"],
        "precision": first["config"]["precision"], "backend": first["backend"],
        **{name: first[name] for name in ("versions", "cpu", "commit")},
    }  # fmt: skip


def plain(options: FoldsOptions) -> dict:
    """What is kept of the run that holds nothing out.

    Raises:
        InputError: it is of another row or other settings, holds something out, or is not finished.
    """
    path = Path(options.plain, "report.json")
    if not path.is_file():
        raise InputError(f"{options.plain} holds no finished run (no report.json); give --plain another, or leave it out")
    report = files.read_json(path)
    wanted = paper.asked(step(DRIVES[0], options)) | {"holdout": ""}
    same = {name: value for name, value in wanted.items() if name not in ("seed", "precision", *directory.HARMLESS)}
    holds = f"--plain={options.plain} holds a run"
    directory.refuse_different(paper.trained_with(report), same, holds=holds, instead="leave --plain out")
    return {name: value for name, value in fold("", report).items() if name != "drive"}


def write(options: FoldsOptions) -> None:
    """Puts the row into the file, in the place of the same row before."""
    stored = files.read_json(options.report) if options.report.is_file() else {"dataset": "camvid", "rows": []}
    new, key = row(options), ("model", "name", "seed")
    others = [one for one in stored["rows"] if any(one[name] != new[name] for name in key)]
    before = [one for one in stored["rows"] if one not in others]
    if not options.plain and before:
        new["plain"] = before[0]["plain"]
    files.write_json(options.report, stored | {"rows": sorted([*others, new], key=lambda one: [one[name] for name in key])})
    print(f"wrote {len(new['folds'])} of {len(DRIVES)} folds of {new['model']} {new['name']} to {options.report}", flush=True)


def main(options: FoldsOptions) -> None:
    if not options.data_dir:
        raise InputError("--data_dir is missing; give SegNet's CamVid folder")
    if bool(options.extra) != bool(options.name):
        raise InputError("--extra and --name belong together; name what the extra settings are")
    unknown = [drive for drive in options.folds if drive not in DRIVES]
    if unknown:
        raise InputError(f"--folds has unknown {', '.join(unknown)}; known are {', '.join(DRIVES)}")
    taken = [word for word in shlex.split(options.extra) if word.lstrip("-").split("=")[0] in OURS]
    if taken:
        raise InputError(f"--extra has {', '.join(taken)}, which the folds set themselves; leave it out")
    if options.plain:
        plain(options)  # refused before hours of training, not after
    for drive in options.folds:
        wanted = step(drive, options)
        if not wanted.makes.is_file():
            paper.do(wanted)
        write(options)


if __name__ == "__main__":
    cli.run(main)
