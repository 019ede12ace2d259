"""python benchmarks/remedies.py --workdir=RUN: what each remedy against int8's loss brings, one after the other."""

import json
from dataclasses import dataclass
from pathlib import Path

from kerasseg import cli
from kerasseg.config import setting
from kerasseg.errors import InputError


@dataclass(frozen=True)
class BenchmarkOptions:
    """Prints JSON: mIoU of the int8 file on the validation split, and pixels on which it agrees with Keras, after each step."""

    workdir: str = setting("", "run directory of kerasseg train")
    calibration_examples: int = setting(32, "training pictures that ranges are measured on")
    qat: str = setting("", "a file that `convert --recipe=int8_qat` made of the run, scored as the last step", path=True)
    note: str = setting("", "what else is to be known of the run")


def measure(options: BenchmarkOptions) -> dict:
    """Quantizes in ever better ways and scores each."""
    import numpy as np
    from latency import plain_int8

    from kerasseg.data.datasets import load_for_run
    from kerasseg.data.letterbox import letterbox
    from kerasseg.int8 import calibration, equalization, folding, quantization, ranges
    from kerasseg.int8.rounding import round_kernels
    from kerasseg.lite import converter, inspection, interpreter
    from kerasseg.logits import class_ids
    from kerasseg.run import histogram, trained
    from kerasseg.run.directory import open_run
    from kerasseg.run.provenance import provenance
    from kerasseg.score.evaluation import evaluate_together

    run = open_run(options.workdir)
    dataset = load_for_run(run.config)
    split = dataset.split("train")
    pixels = histogram.pixels(run, split)[:, : len(run.class_names)]
    chosen = calibration.choose_covering(pixels, count=options.calibration_examples, seed=0)
    representative = calibration.representative(
        letterbox(example.image, size=run.eval_size)[0] for example in split.examples(chosen)
    )
    rows = []

    model = trained.load_trained(run)

    def hold(step: str, predict) -> None:
        (keras, found), (_, agreement) = evaluate_together(
            [trained.predictor(model), predict], dataset.split("val"), class_names=run.class_names, size=run.eval_size
        )
        rows.append({"step": step, "miou": found.miou, "keras_miou": keras.miou, "agreement": agreement})

    def score(step: str, model, *, outside: float = 0.0) -> None:
        content = converter.convert(model, recipe="float32")
        found = ranges.measure(content, representative, outside=outside)
        loaded = interpreter.LoadedModel(quantization.with_ranges(content, found))
        hold(step, interpreter.predictor(loaded))

    folded = folding.fold(model)
    inspector = inspection.Inspector(plain_int8(model, representative))  # XNNPACK does not take this one

    def predict(images):
        inspector.run(images.astype(np.float32))
        return class_ids(inspector.read(inspector.activations[-1]), size=run.eval_size)

    hold("TensorFlow's converter and calibrator alone", predict)
    score("own ranges, every tensor kept while measuring, none below where hard-swish is 0", folded)
    none: frozenset[str] = frozenset()
    if equalization.shortcuts_from_activations(folded):
        score("channels equalized", equalization.equalize(folded, representative, gated=none, untied=none))
        score("the stem's shortcut scaled on its own", equalization.equalize(folded, representative, gated=none))
    else:
        score("channels equalized", equalization.equalize(folded, representative, gated=none))
    equal = equalization.equalize(folded, representative)
    if equalization.before_depthwise(folded):
        score("hard-swish before depthwise convolutions equalized too", equal)
    rounded = round_kernels(equal, representative)
    score("kernels rounded together", rounded)
    score("the outermost 3e-5 of a picture's numbers left out of ranges", rounded, outside=ranges.OUTSIDE)
    score("beside that, means as average poolings (`--means=pool`)", folding.pool_means(rounded), outside=ranges.OUTSIDE)
    if options.qat:
        trained_on = interpreter.LoadedModel(Path(options.qat))
        hold("quantization-aware training (`--recipe=int8_qat`)", interpreter.predictor(trained_on))
    return {
        "model": run.config.model, "split": "val", "pictures": len(dataset.split("val")), "epochs": run.config.epochs,
        "note": options.note, "rows": rows, **provenance(),
    }  # fmt: skip


def main(options: BenchmarkOptions) -> None:
    if not options.workdir:
        raise InputError("--workdir is missing; give the run directory of kerasseg train")
    print(json.dumps(measure(options), indent=2))


if __name__ == "__main__":
    cli.run(main)
