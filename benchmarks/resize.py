"""python benchmarks/resize.py --workdir=RUN: where the last resize and the argmax are best done."""

import json
import time
from dataclasses import dataclass

import numpy as np

from kerasseg import cli
from kerasseg.config import setting
from kerasseg.errors import InputError


@dataclass(frozen=True)
class BenchmarkOptions:
    """Prints JSON: latency in the file and outside it, and mIoU on the validation split, of int8 files that end differently."""

    workdir: str = setting("", "run directory of kerasseg train")
    calibration_examples: int = setting(32, "training pictures that ranges are measured on")
    runs: int = setting(50, "timed runs of each, in turn")
    warmup: int = setting(5, "runs before them")


def measure(options: BenchmarkOptions) -> dict:
    """Cuts and rebuilds the end of the network, quantizes, scores and times."""
    from kerasseg.data.datasets import load_for_run
    from kerasseg.int8 import calibration, preparation, quantization, ranges
    from kerasseg.lite import converter, interpreter, latency
    from kerasseg.run.directory import open_run
    from kerasseg.run.provenance import provenance
    from kerasseg.score.evaluation import evaluate

    run = open_run(options.workdir)
    dataset = load_for_run(run.config)
    settings = preparation.QuantizationSettings(options.calibration_examples, 0, "random")
    prepared = preparation.prepare(run, dataset.split("train"), settings)
    image = prepared.image.astype(np.uint8)
    loaded, rows = [], []
    for name, (model, finish) in forms(prepared.model).items():
        content = converter.convert(model, recipe="float32")
        found = ranges.measure(content, calibration.representative(iter(image)))
        model = interpreter.ImageModel(quantization.with_ranges(content, found))
        loaded.append(model)
        outputs = []

        def predict(images, model=model, finish=finish, outputs=outputs):
            model.set_image(images.astype(np.float32))
            model.invoke()
            start = time.perf_counter()
            ids = finish(model.raw_output())
            outputs.append(1e3 * (time.perf_counter() - start))
            return ids.astype(np.uint8)

        scores = evaluate(predict, dataset.split("val"), class_names=run.class_names, size=run.eval_size)
        rows.append({"form": name, "miou": scores.miou, "outside_ms": float(np.median(outputs))})
    for row, timing in zip(rows, latency.measure(loaded, image, runs=options.runs, warmup=options.warmup), strict=True):
        row["file_ms"] = timing.median_ms
    return {
        "model": run.config.model,
        "size": list(run.eval_size),
        "method": f"int8, 1 thread, files in turn, medians of {options.runs} runs after {options.warmup}; outside: NumPy",
        "rows": rows,
        **provenance(),
    }


def forms(model) -> dict:
    """Name -> (model, raw output -> class ids (1, H, W)); ranges of all but the end are the same."""
    import keras
    import tensorflow as tf

    from kerasseg.int8 import folding

    class Argmax(keras.layers.Layer):
        def call(self, logits):
            return tf.argmax(logits, -1, output_type=tf.int32)

    def chained(layer, inputs):
        if layer.name != "logits_resize":
            return folding.copy(layer, inputs)
        half = keras.layers.Resizing(layer.height // 2, layer.width // 2, name="logits_half")(inputs[0])
        return keras.layers.Resizing(layer.height, layer.width, name="logits_resize")(half)

    at_stride_4 = keras.Model(model.input, model.get_layer("logits").output)
    return {
        "one 4x resize, argmax outside": (model, lambda logits: logits.argmax(-1)),
        "two 2x resizes, argmax outside": (folding.rebuild(model, chained), lambda logits: logits.argmax(-1)),
        "one 4x resize, argmax inside": (keras.Model(model.input, Argmax()(model.output)), lambda ids: ids),
        "stride 4, argmax and nearest resize outside": (
            at_stride_4, lambda logits: logits.argmax(-1).repeat(4, axis=1).repeat(4, axis=2),
        ),
    }  # fmt: skip


def main(options: BenchmarkOptions) -> None:
    if not options.workdir:
        raise InputError("--workdir is missing; give the run directory of kerasseg train")
    print(json.dumps(measure(options), indent=2))


if __name__ == "__main__":
    cli.run(main)
