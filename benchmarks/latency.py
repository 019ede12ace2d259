"""python benchmarks/latency.py: float32, int8 by TensorFlow's own converter, and kerasseg's int8, in turn in one process."""

import json
from dataclasses import dataclass

import numpy as np

from kerasseg import cli
from kerasseg.config import setting


@dataclass(frozen=True)
class BenchmarkOptions:
    """Prints JSON. Kernels are fresh, batch norms are set by a picture, for ranges as in a trained network."""

    models: tuple[str, ...] = setting(("v3large_sliced", "edge_sliced", "edge_small"), "rows of MODELS")
    activations: tuple[str, ...] = setting(("swish", "relu6"), "what else to put where MobileNetV3 has hard-swish, in int8")
    sides: tuple[int, ...] = setting((256, 512), "sides of square inputs, in pixels")
    threads: int = setting(1, "threads of LiteRT")
    runs: int = setting(50, "timed runs of each file")
    warmup: int = setting(5, "runs before them")


def measure(options: BenchmarkOptions) -> dict:
    """Builds, converts and times every model at every size."""
    from kerasseg.run.provenance import provenance

    rows = []
    for model in options.models:
        for side in options.sides:
            rows += _rows(model, side, options)
    return {
        "method": f"files of a model and size in turn, medians of {options.runs} runs after {options.warmup}, LiteRT, XNNPACK",
        "threads": options.threads,
        "rows": rows,
        **provenance(),
    }  # fmt: skip


def _rows(name: str, side: int, options: BenchmarkOptions) -> list[dict]:
    import keras

    from kerasseg import int8
    from kerasseg.int8 import calibration
    from kerasseg.lite import converter, inspection, interpreter, latency
    from kerasseg.models import get_spec

    keras.utils.set_random_seed(0)
    images = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), np.uint8)
    representative = calibration.representative(iter(images))

    def build(activation: str):
        return settled(get_spec(name, activation=activation), images[:1])

    def quantized(activation: str) -> bytes:
        return int8.quantize(int8.prepare_model(build(activation), representative))

    model = build("")
    contents = {"float32": converter.convert(model, recipe="float32"), "int8 by TensorFlow": plain_int8(model, representative)}
    contents |= {"int8": quantized("")} | {f"int8 {activation}": quantized(activation) for activation in options.activations}
    loaded = [interpreter.LoadedModel(content, threads=options.threads) for content in contents.values()]
    timings = latency.measure(loaded, images[:1], runs=options.runs, warmup=options.warmup)
    return [
        {
            "model": name, "size": [side, side], "file": kind, "bytes": len(content), **timing.to_json(),
            "partitions": inspection.partitions(content)[0], "faster_than_float": timings[0].median_ms / timing.median_ms,
        }
        for (kind, content), timing in zip(contents.items(), timings, strict=True)
    ]  # fmt: skip


def settled(spec, image: np.ndarray, *, num_classes: int = 21):
    """A fresh model whose batch norms hold the statistics of a picture.

    With those it starts with, signals shrink from layer to layer until XNNPACK hands back operators for their tiny scales.
    """
    from kerasseg.models import build_model

    model = build_model(spec, size=image.shape[1:3], num_classes=num_classes, batch_size=1, bn_momentum=0.0)
    model(image.astype(np.float32), training=True)
    return model


def plain_int8(model, representative) -> bytes:
    """What `TFLiteConverter` makes by itself of a Keras model: full integer, calibrated by its own calibrator."""
    import tensorflow as tf

    from kerasseg.quiet import quiet

    with quiet():
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        return converter.convert()


def main(options: BenchmarkOptions) -> None:
    print(json.dumps(measure(options), indent=2))


if __name__ == "__main__":
    cli.run(main)
