"""python benchmarks/minimalistic.py --output=FILE: minimalistic backbones beside the others, without training one.

Parameters, work, file, latency in turn for the edge rows; arena, flash, work, and equality of engines for the micro rows.
"""

import itertools
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasseg import cli, files
from kerasseg.config import setting

# The two that others are held against come first.
EDGES = (
    "edge_sliced", "edge_small", "edge_plain", "edge_plain_wide", "edge_mini", "edge_mini_plain", "edge_mini_small",
    "v3large_thin", "v3large_sliced",
)  # fmt: skip

# (sides of the picture, last blocks of V3-Small, filters, output strides). V3-Large has 64 channels at stride 2, which no micro
# arena holds; output stride 8 takes more than 0.8 of today's rows at 96 and 128 already.
GRIDS = (
    ((96, 128), (5, 8), (32, 48), (16, 8)),
    ((128,), (8,), (40,), (16,)),
    ((128,), (10,), (32,), (16,)),
    ((160,), (8,), (48,), (16,)),
)


@dataclass(frozen=True)
class BenchmarkOptions:
    """Kernels are fresh, batch norms are set by a picture. The file grows part by part; what is there is not measured again."""

    size: tuple[int, int] = setting((384, 480), "height and width of the edge rows' pictures, in pixels")
    num_classes: int = setting(11, "classes")
    threads: int = setting(1, "threads of LiteRT")
    runs: int = setting(50, "timed runs of each file")
    warmup: int = setting(5, "runs before them")
    pictures: int = setting(8, "random pictures on which LiteRT and TFLite Micro are compared")
    output: str = setting("", "JSON file to write")


def edges(options: BenchmarkOptions) -> dict:
    """Every row of EDGES as int8, and the float file that it was quantized from, all files in turn."""
    import keras
    from latency import settled

    from kerasseg import int8
    from kerasseg.int8 import calibration
    from kerasseg.lite import inspection, interpreter, latency
    from kerasseg.models import get_spec
    from kerasseg.models.macs import count_macs

    keras.utils.set_random_seed(0)
    images = np.random.default_rng(0).integers(0, 256, (1, *options.size, 3), np.uint8)
    rows, contents = [], []
    for name in EDGES:
        model = settled(get_spec(name), images, num_classes=options.num_classes)
        prepared = int8.prepare_model(model, calibration.representative(images))
        content = int8.quantize(prepared)
        contents += [content, prepared.content]
        rows.append(
            {
                "model": name, "parameters": model.count_params(),
                "gmac": count_macs(model)["total"] / 1e9, "bytes": len(content),
                "partitions": inspection.partitions(content)[0],
            }
        )  # fmt: skip
        print(rows[-1], file=sys.stderr, flush=True)
    loaded = [interpreter.LoadedModel(content, threads=options.threads) for content in contents]
    timings = latency.measure(loaded, images, runs=options.runs, warmup=options.warmup)
    sliced, small = (timing.median_ms for timing in timings[:4:2])
    for row, timing, floating in zip(rows, timings[::2], timings[1::2], strict=True):
        row |= {"latency": timing.to_json(), "float_ms": floating.median_ms}
        row |= {"of_edge_sliced": timing.median_ms / sliced, "of_edge_small": timing.median_ms / small}
    return {"size": list(options.size), "method": _method(options), "rows": rows}


def _method(options: BenchmarkOptions) -> str:
    return (
        f"all files in turn, medians of {options.runs} runs after {options.warmup}, {options.threads} thread(s), LiteRT with "
        "XNNPACK, float files those that the int8 files were quantized from; random kernels, batch norms set by a picture"
    )


def micro_specs() -> list[tuple[int, object]]:
    """(side, ModelSpec): the micro rows, each with cuts, filters and output strides of a minimalistic V3-Small."""
    from kerasseg.models import MODELS, ModelSpec

    specs = [(side, MODELS[f"micro_{side}"]) for side in (96, 128, 160)]
    for sides, cuts, filters, strides in GRIDS:
        for side, last, width, stride in itertools.product(sides, cuts, filters, strides):
            spec = ModelSpec(
                backbone="small", last_block=last, tail="sliced", output_stride=stride,
                rates=(2, 4) if stride == 8 else (2,), filters=width, skip_filters=16, decoder_filters=width, separable=True,
                activation="relu", logits_stride=4, minimalistic=True,
            )  # fmt: skip
            specs.append((side, spec))
    return specs


def micro(spec, *, side: int, options: BenchmarkOptions) -> dict:
    """One row: what `micro_search` measures, and on how many pictures the engines give the same outputs to the bit."""
    import micro_search

    from kerasseg.lite import interpreter, tensors
    from kerasseg.mcu import parity

    row, content = micro_search.measure(spec, side=side, num_classes=options.num_classes)
    loaded = interpreter.LoadedModel(content)
    images = np.random.default_rng(1).integers(0, 256, (options.pictures, 1, side, side, 3)).astype(np.float32)
    given = loaded.input
    batches = [[tensors.quantize(image, scale=given.scale, zero_point=given.zero_point, dtype=given.dtype)] for image in images]
    exact, outputs = parity.compare(content, batches)
    same = 0
    for image, (ours,) in zip(images, outputs, strict=True):
        loaded.set_image(image)
        loaded.invoke()
        same += int(np.array_equal(ours, loaded.raw_output()))
    return row | {"exactness": exact.to_json(), "equal_to_xnnpack": same}


def main(options: BenchmarkOptions) -> None:
    import micro_search

    from kerasseg.run.provenance import provenance

    path = Path(options.output)
    found = files.read_json(path) if path.is_file() else {"num_classes": options.num_classes, "micro": {"rows": []}}

    def write() -> None:
        files.write_json(path, found | provenance())

    rows = found["micro"]["rows"]
    found["micro"]["method"] = (
        f"TFLite Micro's recorder; exactness: {options.pictures} random pictures in TFLite Micro and in LiteRT's reference "
        "kernels; equal_to_xnnpack: of them, those for which LiteRT with XNNPACK gives the same numbers"
    )
    for side, spec in micro_specs():
        if not any(row["side"] == side and micro_search.spec_of(row) == spec for row in rows):
            rows.append(micro(spec, side=side, options=options))
            print(rows[-1], file=sys.stderr, flush=True)
            write()
    if "edges" not in found:
        found["edges"] = edges(options)
        write()


if __name__ == "__main__":
    cli.run(main)
