"""python benchmarks/paper.py --data_dir=CamVid --workdir=runs/paper: the paper's comparison, every row by one recipe."""

import contextlib
import os
import shlex
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from kerasseg import cli
from kerasseg.config import TrainConfig, for_report, setting, to_json
from kerasseg.errors import InputError
from kerasseg.train import TrainOptions

CONVERT = Path(__file__).resolve().parent.parent / "tflite" / "convert.py"

# Row -> number of seeds. The paper's five, what else could have been cut, kerasseg's own, and those on minimalistic backbones.
ROWS = {
    "v3large": 2, "v3large_sliced": 2, "v3small": 1, "v3small_sliced": 1, "v3large_tuned": 2, "v3large_thin": 1,
    "v3large_half": 1, "edge_sliced": 1, "edge_small": 1, "micro_160": 1, "micro_128": 1, "micro_96": 1,
    "edge_plain": 1, "edge_plain_wide": 1, "edge_mini": 1, "edge_mini_plain": 1, "edge_mini_small": 1, "micro_mini_160": 1,
    "micro_mini_128": 1, "micro_mini_96": 1,
}  # fmt: skip

RECIPE = {
    "dataset": "camvid", "size": "320,320", "eval_size": "384,480", "epochs": 45, "eval_every": 3, "class_weights": "sqrt",
    "dice_weight": 0.5, "weight_decay": 0.01,
}  # fmt: skip
REHEARSAL = {"size": "96,96", "eval_size": "96,128", "epochs": 1, "train_examples": 32, "val_examples": 4}
CONVERSIONS = {"float32": (), "int8": (), "int8_qat": ("--epochs=2",)}


@dataclass(frozen=True)
class PaperOptions:
    """Trains, converts and compares; what is done already stays, and what was interrupted goes on from there."""

    data_dir: str = setting("", "SegNet's CamVid folder")
    workdir: str = setting("runs/paper", "where the runs go, a folder a row and seed, and the comparison")
    models: tuple[str, ...] = setting(tuple(ROWS), "the rows to make; the table holds every row that is finished")
    large_weights: str = setting("imagenet", "backbone weights of V3-Large: imagenet, none, or a .npz or .weights.h5 file")
    small_weights: str = setting("imagenet", "the same of V3-Small")
    large_minimalistic_weights: str = setting("imagenet", "the same of the minimalistic V3-Large")
    small_minimalistic_weights: str = setting("imagenet", "the same of the minimalistic V3-Small")
    precision: str = setting("float32", "of training", choices=("float32", "mixed_bfloat16"))
    steps: tuple[str, ...] = setting(("train", "convert", "compare"), "which of these to do")
    rehearsal: bool = setting(
        False, "one epoch of 32 small pictures, into WORKDIR/rehearsal: whether all of it runs here before it takes hours"
    )
    jobs: int = setting(1, "runs at a time; more pay on a GPU, each writes to a .log beside its folder then")

    @property
    def folder(self) -> Path:
        """Where the runs and the comparison are."""
        return Path(self.workdir, *["rehearsal"] * self.rehearsal)


@dataclass(frozen=True)
class Step:
    """A command, and the file that is there when it has been done."""

    command: tuple[str, ...]
    makes: Path
    backend: str | None = "tensorflow"  # of Keras; None is the caller's KERAS_BACKEND. Only training runs on any.


def steps(model: str, seed: int, options: PaperOptions) -> dict[str, list[Step]]:
    """The commands of one row and seed, by the name of their step."""
    from kerasseg.models import get_spec

    spec = get_spec(model)
    weights = {
        ("large", False): options.large_weights, ("large", True): options.large_minimalistic_weights,
        ("small", False): options.small_weights, ("small", True): options.small_minimalistic_weights,
    }[spec.backbone, spec.minimalistic]  # fmt: skip
    if spec.alpha != 1:
        weights = "none"  # keras.applications has weights of width 1 and 0.75 alone, the files of width 1
    run = options.folder / f"{model}_{seed}"
    recipe = (f"--{name}={value}" for name, value in (RECIPE | (REHEARSAL if options.rehearsal else {})).items())
    train = (
        "-m", "kerasseg.train", f"--model={model}", *recipe, f"--data_dir={options.data_dir}", f"--backbone_weights={weights}",
        f"--precision={options.precision}", f"--seed={seed}", f"--workdir={run}",
    )  # fmt: skip
    convert = [
        Step((str(CONVERT), f"--workdir={run}", f"--recipe={recipe}", *more), run / f"{recipe}.tflite.json")
        for recipe, more in CONVERSIONS.items()
    ]
    return {"train": [Step(train, run / "report.json", backend=None)], "convert": convert if seed == 0 else []}


def asked(wanted: Step) -> dict:
    """The settings of a training's command, as its report will have them."""
    config = cli.part(cli.parse(TrainOptions, ["train", *wanted.command[2:]]), TrainConfig)
    return {name: value for name, value in for_report(config).items() if name != "batch_size" or value}


def trained_with(report: dict) -> dict:
    """The settings of a report, and the defaults of those that its version did not have."""
    return to_json(TrainConfig()) | report["config"]


def paper(options: PaperOptions) -> None:
    """Does what is missing, row by row, then compares every row that is finished."""
    runs = [(model, seed) for model in options.models for seed in range(ROWS[model])]
    failed = threading.Event()  # after it those that run go on to their end, and none is begun

    def make(run: tuple[str, int]) -> None:
        if failed.is_set():
            return
        try:
            _make(*run, options)
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(options.jobs) as pool:
        try:
            list(pool.map(make, runs))
        except BaseException:
            failed.set()  # interrupted, too
            raise
    if "compare" in options.steps:
        reports = [steps(model, seed, options)["train"][0].makes for model, seeds in ROWS.items() for seed in range(seeds)]
        made = [report for report in reports if report.is_file()]
        if not made:
            raise InputError(f"no row in {options.folder} is finished; let --steps=train end first")
        workdirs = ",".join(str(report.parent) for report in made)
        output = options.folder / "compare"
        do(Step(("-m", "kerasseg.compare", f"--workdirs={workdirs}", f"--output_dir={output}"), output / "compare.json"))


def _make(model: str, seed: int, options: PaperOptions) -> None:
    log = options.folder / f"{model}_{seed}.log" if options.jobs > 1 else None
    wanted = steps(model, seed, options)
    for step in [step for name in ("train", "convert") if name in options.steps for step in wanted[name]]:
        if not step.makes.is_file():
            do(step, log)


def do(step: Step, log: Path | None = None) -> None:
    """Runs a command, its output on the terminal or added to `log`."""
    command = step.command
    environment = os.environ | ({"KERAS_BACKEND": step.backend} if step.backend else {})
    print("python", shlex.join(command), flush=True)
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") if log else contextlib.nullcontext() as output:
        code = subprocess.run([sys.executable, *command], stdout=output, stderr=output, env=environment, check=False).returncode
    if code:
        where = f" (its output is in {log})" if log else ""
        raise InputError(
            f"{shlex.join(command)} ended with exit code {code}{where}; mend what it says and start this one again: it "
            "goes on there"
        )


def main(options: PaperOptions) -> None:
    if not options.data_dir and "train" in options.steps:
        raise InputError("--data_dir is missing; give SegNet's CamVid folder")
    if options.jobs < 1:
        raise InputError(f"--jobs={options.jobs} makes nothing; give at least 1")
    for given, known, flag in (
        (options.models, tuple(ROWS), "models"),
        (options.steps, ("train", "convert", "compare"), "steps"),
    ):
        unknown = [name for name in given if name not in known]
        if unknown:
            raise InputError(f"--{flag} has unknown {', '.join(unknown)}; known are {', '.join(known)}")
    paper(options)


if __name__ == "__main__":
    cli.run(main)
