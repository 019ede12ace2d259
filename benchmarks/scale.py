"""python benchmarks/scale.py --output=results/scale.json: how start, pace and memory grow with number and size of pictures."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from kerasseg import cli, files
from kerasseg.config import setting
from kerasseg.errors import InputError


@dataclass(frozen=True)
class ScaleOptions:
    """Writes JSON after every data set: seconds to the first step, new and resumed; images/s; peak memory a command."""

    output: str = setting("", "the JSON file", path=True)
    counts: tuple[int, ...] = setting((5000, 20000), "pictures of the small size, train and val together")
    small: tuple[int, int] = setting((128, 160), "height,width of those")
    large_count: int = setting(500, "pictures of the large size; 0 for none")
    large: tuple[int, int] = setting((1024, 2048), "height,width of those, in 19 classes")
    model: str = setting("tiny", "network; a small one, so that the pictures are what is measured")
    size: tuple[int, int] = setting((64, 64), "height,width of the crops and of evaluation")
    sources: tuple[str, ...] = setting(("folder", "shards"), "as what the pictures of the small size lie there")
    remark: str = setting("", "what else is to be known of the machine")


def make(root: Path, *, count: int, size: tuple[int, int], classes: int) -> None:
    """A `folder` data set of coloured blocks with noise, a tenth of them for val: JPEG pictures, PNG labels."""
    rng = np.random.default_rng(0)
    colors = rng.integers(0, 200, (classes, 3), np.uint8)
    noise = rng.integers(0, 50, (*size, 3), np.uint8)
    block = max(8, size[0] // 16)
    for split, some in (("train", count - count // 10), ("val", count // 10)):
        for kind in ("images", "labels"):
            (root / kind / split).mkdir(parents=True)
        for i in range(some):
            grid = rng.integers(0, classes, (size[0] // block, size[1] // block), np.uint8)
            labels = grid.repeat(block, 0).repeat(block, 1)
            image = colors[labels] + np.roll(noise, int(rng.integers(size[1])), 1)
            Image.fromarray(image).save(root / "images" / split / f"p{i:05d}.jpg", quality=90)
            Image.fromarray(labels).save(root / "labels" / split / f"p{i:05d}.png", compress_level=1)
    (root / "classes.txt").write_text("".join(f"class {i}\n" for i in range(classes)))


@dataclass(frozen=True)
class Ran:
    """A command that was watched.

    Attributes:
        seconds: What a line of its output matches -> seconds after its start.
        processor_s: The same, of processor time, which does not grow where others use the machine.
        peak_mib: Largest resident memory.
        wall_s: Until it ended.
    """

    seconds: dict[str, float]
    processor_s: dict[str, float]
    peak_mib: float
    wall_s: float


def watch(*arguments: str, marks: tuple[str, ...] = (), until: str = "") -> Ran:
    """Runs `kerasseg ARGUMENTS`, and kills it where a line matches `until`."""
    seconds, processor, start = {}, {}, time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "kerasseg", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        print(line, end="", flush=True)
        for mark in marks:
            if re.search(mark, line):
                seconds.setdefault(mark, time.perf_counter() - start)
                processor.setdefault(mark, _processor_s(process.pid))
        if until and re.search(until, line):
            process.send_signal(signal.SIGKILL)
            break
    _, status, usage = os.wait4(process.pid, 0)
    if status and not until:
        raise RuntimeError(process.stderr.read() if process.stderr else "")
    return Ran(seconds, processor, usage.ru_maxrss / 1024, time.perf_counter() - start)


def _processor_s(process: int) -> float:
    """Processor time of a process so far, of all its threads."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime, proc(5)


def measure_set(dataset: str, root: Path, options: ScaleOptions) -> dict:
    """One data set, through a training that is killed in its second epoch, its resume, an evaluation and a conversion."""
    step, epoch, batch = "^first step after", "^Epoch 2/2", 8  # when the first has been scored and saved
    with tempfile.TemporaryDirectory() as folder:
        size = ",".join(map(str, options.size))
        command = (
            "train", f"--model={options.model}", f"--dataset={dataset}", f"--data_dir={root}", f"--size={size}",
            f"--eval_size={size}", "--backbone_weights=none", "--epochs=2", f"--batch_size={batch}", f"--workdir={folder}/run",
        )  # fmt: skip
        fitted = r"^\d+/\d+ - "  # Keras' line at the end of an epoch
        trained = watch(*command, marks=(step, fitted), until=epoch)
        resumed = watch(*command, marks=(step,), until=step)
        evaluated = watch("evaluate", f"--workdir={folder}/run")
        converted = watch("convert", f"--workdir={folder}/run", "--recipe=int8")
        count = json.loads(Path(folder, "run", "config.json").read_text())["data"]["train"]["examples"]
    return {
        "dataset": dataset,
        "first_step_s": trained.seconds[step],
        "first_step_processor_s": trained.processor_s[step],
        "resumed_first_step_s": resumed.seconds[step],
        "resumed_first_step_processor_s": resumed.processor_s[step],
        "train_images_per_s": (count // batch - 1) * batch / (trained.seconds[fitted] - trained.seconds[step]),
        "train_peak_mib": trained.peak_mib,
        "evaluate_s": evaluated.wall_s,
        "evaluate_peak_mib": evaluated.peak_mib,
        "convert_s": converted.wall_s,
        "convert_peak_mib": converted.peak_mib,
    }


def measure(options: ScaleOptions) -> None:
    """A row for each data set."""
    from kerasseg.run.provenance import provenance

    method = (
        f"{options.model}, crops and evaluation of {options.size[0]}x{options.size[1]}, batches of 8, {os.cpu_count()} "
        "processors; a tenth of the pictures is val; seconds from the command to the end of its first step, compilation "
        "included; the first epoch's images/s; peak resident memory; pictures just written, the disk warm; each measured once"
    )
    rows = []
    sets = [(count, options.small, 6, options.sources) for count in options.counts]
    sets += [(options.large_count, options.large, 19, ("folder",))] if options.large_count else []
    for count, size, classes, sources in sets:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder, "data")
            make(root, count=count, size=size, classes=classes)
            for source in sources:
                if source == "shards":
                    _pack(root)
                row = measure_set(source, root / "shards" if source == "shards" else root, options)
                rows.append({"pictures": count, "height": size[0], "width": size[1], "classes": classes} | row)
                files.write_json(options.output, {"method": method, "rows": rows, **provenance(), "remark": options.remark})


def _pack(root: Path) -> None:
    from kerasseg.data import datasets, packing

    dataset = datasets.load_dataset("folder", data_dir=str(root))
    pairs = {name: split.read.found for name, split in dataset.splits.items()}
    packing.pack(root / "shards", pairs, count=8, class_names=dataset.class_names)


def main(options: ScaleOptions) -> None:
    if not options.output:
        raise InputError("--output is missing; name the JSON file")
    measure(options)


if __name__ == "__main__":
    cli.run(main)
