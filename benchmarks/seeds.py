"""python benchmarks/seeds.py --data_dir=CamVid: rows by a short recipe, seed by seed, to tell them apart."""

import statistics
from dataclasses import dataclass
from pathlib import Path

import paper

from kerasseg import cli, files
from kerasseg.config import setting
from kerasseg.errors import InputError
from kerasseg.run import directory

# Row -> seeds. The first is compared with; what is said of the cut needs the first two, the last have one to be quantized.
ROWS = {
    "v3large": 5, "v3large_sliced": 5, "v3large_thin": 3, "edge_sliced": 3, "v3large_half": 2, "v3small": 2, "v3large_tuned": 2,
    "edge_plain": 2, "edge_mini": 2, "edge_small": 2,
}  # fmt: skip
SHORT = {"size": "256,256", "epochs": 12}  # instead of the paper's crops and epochs; 45 of 320x320 take five times as long


@dataclass(frozen=True)
class SeedsOptions:
    """Trains what is missing, seed by seed, and writes what is there after every run; what was interrupted goes on.

    Seeds that the file has of runs made elsewhere stay in it.
    """

    data_dir: str = setting("", "SegNet's CamVid folder")
    workdir: str = setting("runs/seeds", "where the runs go, a folder a row and seed")
    models: tuple[str, ...] = setting(tuple(ROWS), "the rows to train")
    seeds: tuple[int, ...] = setting(tuple(range(max(ROWS.values()))), "the seeds to train, of rows that have so many")
    large_weights: str = setting("imagenet", "V3-Large's: imagenet, none, or a .npz or .weights.h5 file")
    small_weights: str = setting("imagenet", "the same of V3-Small")
    large_minimalistic_weights: str = setting("imagenet", "the same of the minimalistic V3-Large")
    precision: str = setting("float32", "of training", choices=("float32", "mixed_bfloat16"))
    rehearsal: bool = setting(False, "one epoch of 32 small pictures, into WORKDIR/rehearsal, with its own seeds.json")
    output: str = setting("results/seeds.json", "the file to write, or to add to; not in a rehearsal")

    @property
    def folder(self) -> Path:
        """Where the runs are."""
        return Path(self.workdir, *["rehearsal"] * self.rehearsal)

    @property
    def report(self) -> Path:
        """The file that is written."""
        return self.folder / "seeds.json" if self.rehearsal else Path(self.output)


def step(model: str, seed: int, options: SeedsOptions) -> paper.Step:
    """The command of one run: the paper's, made short."""
    base = paper.PaperOptions(
        data_dir=options.data_dir, workdir=options.workdir, precision=options.precision, rehearsal=options.rehearsal,
        large_weights=options.large_weights, small_weights=options.small_weights,
        large_minimalistic_weights=options.large_minimalistic_weights,
    )  # fmt: skip
    (train,) = paper.steps(model, seed, base)["train"]
    short = () if options.rehearsal else (f"--{name}={value}" for name, value in SHORT.items())
    return paper.Step((*train.command, *short), train.makes, backend=None)


def run(model: str, seed: int, options: SeedsOptions) -> dict | None:
    """What is kept of a finished run; None of one that is not.

    Raises:
        InputError: it was trained with other settings.
    """
    wanted = step(model, seed, options)
    if not wanted.makes.is_file():
        return None
    report = files.read_json(wanted.makes)
    directory.refuse_different(
        paper.trained_with(report), paper.asked(wanted), holds=f"{wanted.makes.parent} holds a run", instead="another --workdir"
    )
    last = report["history"][-1]
    return {
        "seed": seed, "best_epoch": report["best_epoch"], "miou": report["scores"]["miou"], "last_miou": last["val_miou"],
        "iou": report["scores"]["iou"], "seconds_an_epoch": statistics.median(one["seconds"] for one in report["history"]),
        **{name: report[name] for name in ("backend", "versions", "cpu", "commit")},
    }  # fmt: skip


def settings(options: SeedsOptions) -> dict:
    """The recipe, which is the same for every run of the file."""
    asked = paper.asked(step("v3large", 0, options))
    return {
        name: asked[name]
        for name in (
            "size", "eval_size", "epochs", "eval_every", "precision", "class_weights", "dice_weight", "weight_decay",
        )
    }  # fmt: skip


def stored(options: SeedsOptions) -> dict[tuple[str, int], dict]:
    """What the file holds already, by row and seed: runs may have been made elsewhere, and be gone.

    Raises:
        InputError: it is of another recipe.
    """
    if not options.report.is_file():
        return {}
    found = files.read_json(options.report)
    directory.refuse_different(
        found["settings"], settings(options), holds=f"{options.report} holds seeds", instead="another --output"
    )
    return {(row["model"], one["seed"]): one for row in found["rows"] for one in row["seeds"]}


def write(options: SeedsOptions) -> None:
    """Puts every finished run into the file, in the place of the same seed before."""
    found = {(model, seed): run(model, seed, options) for model, seeds in ROWS.items() for seed in range(seeds)}
    here = {key: one for key, one in found.items() if one}
    made = stored(options) | here
    names = files.read_json(step(*next(iter(here)), options).makes)["scores"]["class_names"]
    rows = [
        {"model": model, "seeds": seeds}
        for model, count in ROWS.items()
        if (seeds := [made[model, seed] for seed in range(count) if (model, seed) in made])
    ]
    files.write_json(
        options.report,
        {
            "dataset": "camvid", "split": "val", "settings": settings(options),
            "class_names": names, "rows": rows,
        },
    )  # fmt: skip
    print(f"wrote {len(made)} of {sum(ROWS.values())} runs to {options.report}", flush=True)


def main(options: SeedsOptions) -> None:
    if not options.data_dir:
        raise InputError("--data_dir is missing; give SegNet's CamVid folder")
    unknown = [name for name in options.models if name not in ROWS]
    if unknown:
        raise InputError(f"--models has unknown {', '.join(unknown)}; known are {', '.join(ROWS)}")
    runs = [(model, seed) for seed in options.seeds for model in options.models if seed in range(ROWS[model])]
    if not runs:
        there = ", ".join(f"{model} has 0 to {ROWS[model] - 1}" for model in options.models)
        raise InputError(f"--seeds={','.join(map(str, options.seeds))} names no seed of a row; {there}")
    for model, seed in runs:
        run(model, seed, options)  # one of other settings is refused before hours of training, not after
    stored(options)
    for model, seed in runs:
        wanted = step(model, seed, options)
        if not wanted.makes.is_file():
            paper.do(wanted)
            write(options)
    write(options)


if __name__ == "__main__":
    cli.run(main)
