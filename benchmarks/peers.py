"""python benchmarks/peers.py --peers=A.tflite,B.tflite: kerasseg's int8 beside the int8 files others ship, in turn."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasseg import cli
from kerasseg.config import setting
from kerasseg.errors import InputError


@dataclass(frozen=True)
class BenchmarkOptions:
    """Prints JSON. Every file is timed at its own input size, which is printed; kerasseg's weights are `latency.settled`."""

    peers: tuple[str, ...] = setting((), ".tflite files that take a picture")
    models: tuple[str, ...] = setting(("edge_sliced", "edge_small"), "rows of MODELS")
    side: int = setting(512, "side of kerasseg's square inputs, in pixels")
    threads: tuple[int, ...] = setting((1, 2), "threads of LiteRT")
    runs: int = setting(50, "timed runs of each file")
    warmup: int = setting(5, "runs before them")


def measure(options: BenchmarkOptions) -> dict:
    """Converts kerasseg's models and times everything, run by run in turn."""
    import keras
    from latency import settled

    from kerasseg import int8
    from kerasseg.int8 import calibration
    from kerasseg.lite import interpreter, latency
    from kerasseg.models import get_spec
    from kerasseg.run.provenance import provenance

    keras.utils.set_random_seed(0)
    side = options.side
    images = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), np.uint8)
    representative = calibration.representative(iter(images))
    contents = {}
    for name in options.models:
        contents[name] = int8.quantize(int8.prepare_model(settled(get_spec(name), images[:1]), representative))
    contents |= {Path(peer).name: Path(peer).read_bytes() for peer in options.peers}
    rows = []
    for threads in options.threads:
        loaded = [interpreter.ImageModel(content, threads=threads) for content in contents.values()]
        timings = latency.measure(loaded, images[:1], runs=options.runs, warmup=options.warmup)
        rows += [
            {"file": name, "size": list(model.size), "bytes": len(contents[name]), **timing.to_json()}
            for name, model, timing in zip(contents, loaded, timings, strict=True)
        ]
    return {
        "method": f"all files in turn, medians of {options.runs} runs after {options.warmup}, LiteRT with XNNPACK",
        "rows": rows,
        **provenance(),
    }


def main(options: BenchmarkOptions) -> None:
    for peer in options.peers:
        if not Path(peer).is_file():
            raise InputError(f"no file {peer}; give .tflite files")
    print(json.dumps(measure(options), indent=2))


if __name__ == "__main__":
    cli.run(main)
