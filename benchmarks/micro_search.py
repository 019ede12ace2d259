"""python benchmarks/micro_search.py --output=FILE: arena, flash and work of narrow models, without training one."""

import dataclasses
import itertools
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasseg import cli, files
from kerasseg.config import setting

# What is tried around each size. A cut is (backbone, last block, width).
CUTS = (
    ("small", 5, 1.0), ("small", 7, 1.0), ("small", 8, 1.0), ("small", 10, 1.0), ("small", 10, 0.5), ("large", 5, 0.5),
    ("large", 11, 0.35),
)  # fmt: skip
FILTERS = (32, 64)
ACTIVATIONS = ("relu", "hard_swish")
LOGITS_STRIDES = (4, 8, 1)
OUTPUT_STRIDES = (16, 8)


@dataclass(frozen=True)
class SearchOptions:
    """Builds every combination of width, cut, head, activation and logits stride, quantizes it, and runs it in TFLite Micro.

    Kernels are fresh, batch norms are set by a picture: arena, flash and work do not depend on what was learnt. The output
    file grows a row at a time, and rows that are there are not measured again.
    """

    sides: tuple[int, ...] = setting((96, 128, 160), "sides of square inputs, in pixels")
    num_classes: int = setting(11, "classes")
    output: str = setting("", "JSON file to write")


def candidates() -> list:
    """The specs, as ModelSpec: the whole grid at logits stride 4 and relu, and each other choice at one place of it."""
    from kerasseg.models import ModelSpec

    specs = []
    for (backbone, last, alpha), filters, stride in itertools.product(CUTS, FILTERS, OUTPUT_STRIDES):
        specs.append(
            ModelSpec(
                backbone=backbone, last_block=last, alpha=alpha, tail="sliced", output_stride=stride,
                rates=(2, 4) if stride == 8 else (2,), filters=filters, skip_filters=16, decoder_filters=filters,
                separable=True, activation="relu", logits_stride=4,
            )
        )  # fmt: skip
    middle = next(s for s in specs if (s.backbone, s.last_block, s.filters, s.output_stride) == ("small", 7, 64, 8))
    specs += [dataclasses.replace(middle, activation=activation) for activation in ACTIVATIONS[1:]]
    specs += [dataclasses.replace(middle, logits_stride=stride) for stride in LOGITS_STRIDES[1:]]
    specs += [dataclasses.replace(middle, separable=False)]
    return specs


def spec_of(row: dict):
    """The ModelSpec of a row; what rows of that time had no field for is as it is by default."""
    from kerasseg.models import ModelSpec

    return ModelSpec(**row["spec"] | {"rates": tuple(row["spec"]["rates"])})


def measure(spec, *, side: int, num_classes: int) -> tuple[dict, bytes]:
    """One row, and the int8 file that it speaks of."""
    import keras
    from latency import settled

    from kerasseg import int8, mcu
    from kerasseg.int8 import calibration
    from kerasseg.models.macs import count_macs

    keras.utils.set_random_seed(0)
    images = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), np.uint8)
    representative = calibration.representative(iter(images))
    model = settled(spec, images, num_classes=num_classes)
    content = int8.quantize(int8.prepare_model(model, representative))
    row = {
        "side": side, "spec": dataclasses.asdict(spec), "parameters": model.count_params(), "flash_bytes": len(content),
        "macs": count_macs(model)["total"], "arena": mcu.measure_arena(content).to_json(),
    }  # fmt: skip
    return row, content


def main(options: SearchOptions) -> None:
    from kerasseg.run.provenance import provenance

    path = Path(options.output)
    rows = files.read_json(path)["rows"] if path.is_file() else []
    for side, spec in itertools.product(options.sides, candidates()):
        if any(row["side"] == side and spec_of(row) == spec for row in rows):
            continue
        last, _ = measure(spec, side=side, num_classes=options.num_classes)
        rows.append(last)
        shown = {key: last[key] for key in ("flash_bytes", "macs")} | last["arena"]
        print(side, spec, shown, file=sys.stderr, flush=True)
        files.write_json(path, {"num_classes": options.num_classes, "rows": rows, **provenance()})


if __name__ == "__main__":
    cli.run(main)
