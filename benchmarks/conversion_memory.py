"""python benchmarks/conversion_memory.py: what folding, equalizing and measuring for int8 take of memory and time."""

import hashlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasseg import cli
from kerasseg.config import setting
from kerasseg.errors import InputError

ROOT = Path(__file__).resolve().parent.parent
MIB = 2**20
SETTLED_AT = (128, 128)  # weights do not depend on the size, and a forward pass that keeps everything does


@dataclass(frozen=True)
class BenchmarkOptions:
    """Prints JSON. Each model is prepared in a process of its own, by each source tree in turn."""

    models: tuple[str, ...] = setting(("edge_small", "v3large_sliced"), "rows of MODELS")
    size: tuple[int, int] = setting((1024, 2048), "height and width in pixels")
    pictures: int = setting(2, "random pictures to measure on")
    trees: tuple[str, ...] = setting((".",), "checkouts of kerasseg to compare")
    child: str = setting("", "a model to prepare in this very process")


def prepare(name: str, *, size: tuple[int, int], pictures: int) -> dict:
    """Prepares and quantizes a model in this process; memory from /proc, as the kernel counts it."""
    import keras
    from latency import settled

    from kerasseg import int8
    from kerasseg.int8 import calibration
    from kerasseg.models import build_model, get_spec
    from kerasseg.run.provenance import provenance

    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (1, *SETTLED_AT, 3), np.uint8)
    small = settled(get_spec(name), pixels)
    model = build_model(name, size=size, batch_size=1)
    model.set_weights(small.get_weights())
    images = random.integers(0, 256, (pictures, *size, 3), np.uint8)
    # The first conversion brings TensorFlow's own machinery into memory, which is no part of what a picture's size costs.
    int8.quantize(int8.prepare_model(small, calibration.representative(pixels)))
    before, peak_before = _memory("VmRSS"), _memory("VmHWM")
    start = time.perf_counter()
    prepared = int8.prepare_model(model, calibration.representative(images))
    seconds = time.perf_counter() - start
    peak = _memory("VmHWM")
    return {
        "model": name, "size": list(size), "pictures": pictures, "before_mib": before / MIB,
        "beyond_model_mib": (max(peak, before) - before) / MIB, "peak_before_mib": peak_before / MIB, "seconds": seconds,
        "int8_sha256": hashlib.sha256(int8.quantize(prepared)).hexdigest(), **provenance(),
    }  # fmt: skip


def _memory(name: str) -> int:
    """A line of /proc/self/status, in bytes: VmRSS is what is in memory, VmHWM the most that was."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(name)).split()[1])


def measure(options: BenchmarkOptions) -> dict:
    """A row a model and tree."""
    rows = []
    for name in options.models:
        for tree in options.trees:
            size = ",".join(map(str, options.size))
            command = [sys.executable, __file__, f"--child={name}", f"--size={size}", f"--pictures={options.pictures}"]
            environment = os.environ | {"PYTHONPATH": f"{Path(tree).resolve()}"}
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
            if done.returncode:
                raise InputError(f"{name} could not be prepared by {tree}; it says why above")
            rows.append(json.loads(done.stdout))
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    return {
        "method": (
            "VmHWM of /proc/self/status after folding, equalizing and measuring, less VmRSS before, with the model built, the "
            "pictures in memory and a small conversion done; random kernels, batch norms set by a picture; a process a row"
        ),
        "rows": rows,
    }


def main(options: BenchmarkOptions) -> None:
    if not Path("/proc/self/status").is_file():
        raise InputError("there is no /proc/self/status here, which the memory is read from; run this on Linux")
    if options.child:
        print(json.dumps(prepare(options.child, size=options.size, pictures=options.pictures)))
    else:
        print(json.dumps(measure(options), indent=2))


if __name__ == "__main__":
    cli.run(main)
