"""python benchmarks/head_search.py --output=FILE: parameters, work, int8 time and arena of heads, without training one."""

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasseg import cli, files
from kerasseg.config import setting

# Beside these rows everything is timed: a file of each in turn with every candidate.
BESIDE = ("edge_sliced", "edge_small", "v3large_thin")

# A head's name here -> what it changes, around the middle of each backbone.
CHANGES = {
    "middle": {},
    "logits at stride 1": {"logits_stride": 1},
    "logits at stride 8": {"logits_stride": 8},
    "one convolution in the decoder": {"decoder_convolutions": 1},
    "no skip": {"skip_filters": 0},
    "wider": {"filters": 192, "decoder_filters": 192},
    "narrower": {"filters": 64, "decoder_filters": 64, "skip_filters": 24},
    "ASPP of half the decoder's width": {"filters": 64, "decoder_filters": 128},
    "plain convolutions": {"separable": False, "filters": 64, "decoder_filters": 64, "skip_filters": 24},
    "plain convolutions, one in the decoder": {
        "separable": False, "filters": 96, "decoder_filters": 96, "skip_filters": 24, "decoder_convolutions": 1,
    },
    "stride 16": {"output_stride": 16, "rates": (6, 12, 18)},
    "one rate": {"rates": (3,)},
    "LR-ASPP": {"head": "lraspp"},
    "LR-ASPP, one convolution in the decoder": {"head": "lraspp", "decoder_convolutions": 1},
    "LR-ASPP, stride 16": {"head": "lraspp", "output_stride": 16},
    "relu": {"activation": "relu"},
    "relu, narrower": {"activation": "relu", "filters": 64, "decoder_filters": 64, "skip_filters": 24},
    "relu, one convolution in the decoder": {"activation": "relu", "decoder_convolutions": 1},
    "relu, plain convolutions": {
        "activation": "relu", "separable": False, "filters": 64, "decoder_filters": 64, "skip_filters": 24,
    },
    "stride 16, one convolution in the decoder": {"output_stride": 16, "rates": (6, 12, 18), "decoder_convolutions": 1},
    "stride 16, plain convolutions": {
        "output_stride": 16, "rates": (6, 12, 18), "separable": False, "filters": 64, "decoder_filters": 64, "skip_filters": 24,
    },
    "stride 16, plain convolutions, one in the decoder": {
        "output_stride": 16, "rates": (6, 12, 18), "separable": False, "filters": 96, "decoder_filters": 96, "skip_filters": 24,
        "decoder_convolutions": 1,
    },
    "stride 16, plain convolutions of 128": {
        "output_stride": 16, "rates": (6, 12, 18), "separable": False, "filters": 128, "decoder_filters": 128,
    },
    "stride 16, plain convolutions of 160": {
        "output_stride": 16, "rates": (6, 12, 18), "separable": False, "filters": 160, "decoder_filters": 160,
    },
    "stride 16, plain convolutions of 192": {
        "output_stride": 16, "rates": (6, 12, 18), "separable": False, "filters": 192, "decoder_filters": 192,
    },
    "relu, stride 16": {"activation": "relu", "output_stride": 16, "rates": (6, 12, 18)},
    "relu, stride 16, plain convolutions": {
        "activation": "relu", "output_stride": 16, "rates": (6, 12, 18), "separable": False, "filters": 64,
        "decoder_filters": 64, "skip_filters": 24,
    },
    "relu, stride 16, plain convolutions, one in the decoder": {
        "activation": "relu", "output_stride": 16, "rates": (6, 12, 18), "separable": False, "filters": 96,
        "decoder_filters": 96, "skip_filters": 24, "decoder_convolutions": 1,
    },
}  # fmt: skip
BACKBONES = {
    "large": {"backbone": "large"},
    "small": {"backbone": "small"},
    "minimalistic large": {"backbone": "large", "minimalistic": True, "activation": "relu"},
}
MIDDLE = {
    "tail": "sliced", "output_stride": 32, "rates": (3, 6, 9), "filters": 128, "decoder_filters": 128, "separable": True,
    "logits_stride": 4,
}  # fmt: skip


@dataclass(frozen=True)
class SearchOptions:
    """Builds each head on each sliced backbone, quantizes it with kernels as they are, and runs it.

    Batch norms are set by a picture: time, arena and work do not depend on what was learnt. The output file grows a row at a
    time, and rows that are there are not measured again: keep the machine idle, and the same.
    """

    size: tuple[int, int] = setting((384, 480), "height,width of the input, in pixels")
    num_classes: int = setting(11, "classes")
    threads: int = setting(1, "threads of LiteRT")
    runs: int = setting(50, "timed runs of each file")
    output: str = setting("", "JSON file to write")


def candidates() -> dict[str, object]:
    """Name -> ModelSpec; what changes nothing on a backbone is left out."""
    from kerasseg.models import ModelSpec

    found: dict[str, object] = {}
    for backbone, fields in BACKBONES.items():
        for head, changes in CHANGES.items():
            spec = ModelSpec(**MIDDLE | fields | changes)  # type: ignore[arg-type]
            if spec not in found.values():
                found[f"{backbone}: {head}"] = spec
    return found


def int8_file(spec, options: SearchOptions) -> tuple[object, bytes]:
    """The fresh network and its int8 file."""
    import keras
    from latency import settled

    from kerasseg import int8
    from kerasseg.int8 import calibration

    keras.utils.set_random_seed(0)
    images = np.random.default_rng(0).integers(0, 256, (1, *options.size, 3), np.uint8)
    model = settled(spec, images, num_classes=options.num_classes)
    prepared = int8.prepare_model(model, calibration.representative(iter(images)), rounding="nearest")
    return model, int8.quantize(prepared)


def main(options: SearchOptions) -> None:
    from kerasseg import mcu
    from kerasseg.lite import interpreter, latency
    from kerasseg.models import get_spec
    from kerasseg.models.macs import count_macs
    from kerasseg.run.provenance import provenance

    path, images = Path(options.output), np.zeros((1, *options.size, 3), np.uint8)
    method = f"int8, each in turn with {', '.join(BESIDE)}, medians of {options.runs} runs, LiteRT, {options.threads} thread(s)"
    rows = files.read_json(path)["rows"] if path.is_file() else []
    beside = {name: int8_file(get_spec(name), options)[1] for name in BESIDE}
    for name, spec in ({one: get_spec(one) for one in BESIDE} | candidates()).items():
        if any(row["name"] == name for row in rows):
            continue
        model, content = int8_file(spec, options)
        loaded = [interpreter.ImageModel(one, threads=options.threads) for one in (content, *beside.values())]
        timing, *others = latency.measure(loaded, images, runs=options.runs, warmup=10)
        ratios = {other: timing.median_ms / theirs.median_ms for other, theirs in zip(BESIDE, others, strict=True)}
        row = {
            "name": name, "spec": dataclasses.asdict(spec), "parameters": model.count_params(), "file_bytes": len(content),
            "gmac": count_macs(model)["total"] / 1e9, "median_ms": timing.median_ms, "times": ratios,
            "arena": mcu.measure_arena(content).to_json(),
        }  # fmt: skip
        rows.append(row)
        print(name, {key: row[key] for key in ("parameters", "gmac", "median_ms", "times")}, file=sys.stderr, flush=True)
        files.write_json(path, {"size": options.size, "method": method, "rows": rows, **provenance()})


if __name__ == "__main__":
    cli.run(main)
