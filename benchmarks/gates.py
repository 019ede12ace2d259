"""python benchmarks/gates.py: int8 hard-swish whose gate adds a constant, beside one whose gate is a depthwise convolution."""

import json
import time
from dataclasses import dataclass

from kerasseg import cli
from kerasseg.config import setting


@dataclass(frozen=True)
class BenchmarkOptions:
    """Prints JSON: latency of both forms of each row, in turn in one process. Weights are random."""

    models: tuple[str, ...] = setting(("edge_small", "edge_sliced", "v3large_sliced"), "rows with hard-swish")
    size: tuple[int, int] = setting((512, 512), "height,width")
    rounds: int = setting(40, "of which the first five do not count")


def measure(options: BenchmarkOptions) -> dict:
    """Builds both forms of each row, and runs them in turn."""
    import keras
    import numpy as np

    from kerasseg.int8 import equalization, folding, quantization, ranges
    from kerasseg.lite import converter, interpreter
    from kerasseg.models import build_model
    from kerasseg.run.provenance import provenance

    image = np.random.default_rng(0).integers(0, 256, (1, *options.size, 3)).astype(np.float32)

    def representative():
        return iter([[image]])

    def adding(model: keras.Model) -> keras.Model:
        """The gates of hard-swish as sums with a constant."""

        def emit(layer, inputs):
            if layer.name.endswith("_shift") and isinstance(layer, keras.layers.DepthwiseConv2D):
                return keras.layers.Rescaling(1.0, 3.0, name=layer.name)(inputs[0])
            return folding.copy(layer, inputs)

        return folding.rebuild(model, emit)

    def loaded(model: keras.Model) -> interpreter.LoadedModel:
        content = converter.convert(model, recipe="float32")
        return interpreter.LoadedModel(quantization.with_ranges(content, ranges.measure(content, representative)), threads=1)

    rows = []
    for name in options.models:
        folded = folding.fold(build_model(name, size=options.size, num_classes=11, batch_size=1))
        model = equalization.equalize(folded, representative, gated=frozenset())
        forms = {"sum": loaded(adding(model)), "depthwise": loaded(model)}
        seconds = np.array([[_run(one, image) for one in forms.values()] for _ in range(options.rounds)])[5:]
        medians = dict(zip(forms, (1000 * np.median(seconds, 0)).tolist(), strict=True))
        rows.append({"model": name, "median_ms": medians, "ratio": float(np.median(seconds[:, 1] / seconds[:, 0]))})
    return {
        "method": f"int8, {options.size[0]}x{options.size[1]}, random weights, one thread, in turn in one process, medians of "
        f"{options.rounds - 5} runs after 5; ratio: median of each pair's",
        "rows": rows,
        **provenance(),
    }


def _run(model, image) -> float:
    model.set_image(image)
    start = time.perf_counter()
    model.invoke()
    return time.perf_counter() - start


def main(options: BenchmarkOptions) -> None:
    print(json.dumps(measure(options), indent=2))


if __name__ == "__main__":
    cli.run(main)
