"""python -m kerasseg.evaluate: the scores of a run on a split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasseg import cli
from kerasseg.config import setting
from kerasseg.errors import InputError

if TYPE_CHECKING:
    from kerasseg.data.splits import Split
    from kerasseg.metrics import Scores

Predict = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class EvaluateOptions:
    """Scores a run at the labels' own resolution and draws a confusion matrix and a sheet of examples."""

    workdir: str = setting("", "run directory of kerasseg.train")
    split: str = setting("val", "split to score")
    data_dir: str = setting("", "where the data set lies now; empty takes the run's own")
    output_dir: str = setting("", "where report and figures go; empty takes WORKDIR/evaluate_SPLIT")


def evaluate(predict: Predict, split: Split, *, class_names: tuple[str, ...], size: tuple[int, int]) -> Scores:
    """Scores anything that maps images to class ids: Keras, LiteRT and TFLite Micro alike.

    Every picture is letterboxed to `size`; the predictions go back to the labels' resolution before they are counted.

    Args:
        predict: images (1, *size, 3) uint8 -> class ids (1, *size).
        split: The examples.
        class_names: One a class.
        size: (height, width) that `predict` takes.

    Raises:
        InputError: a picture or its labels cannot be used, or `predict` gives ids outside the classes.
    """
    (scores,), _ = evaluate_together([predict], split, class_names=class_names, size=size)
    return scores


def evaluate_together(
    predicts: Sequence[Predict], split: Split, *, class_names: tuple[str, ...], size: tuple[int, int]
) -> tuple[list[Scores], list[float]]:
    """`evaluate` for several engines on the same pixels.

    Returns:
        The scores of each, and the share of pixels (0..1, unlabelled ones too) on which each agrees with the first.
    """
    from kerasseg import metrics
    from kerasseg.data.letterbox import segment

    num_classes = len(class_names)
    matrices = [np.zeros((num_classes, num_classes), np.int64) for _ in predicts]
    boundaries = [np.zeros((num_classes + 1, num_classes + 1), np.int64) for _ in predicts]
    agreeing, pixels = np.zeros(len(predicts)), 0
    for example in split.examples():
        all_preds = [segment(predict, example.image, size=size) for predict in predicts]
        pixels += all_preds[0].size
        for i, preds in enumerate(all_preds):
            if preds.max() >= num_classes:
                raise InputError(
                    f"the model predicts class {preds.max()}, the data set has {num_classes} classes; use its own model"
                )
            matrices[i] += metrics.confusion_matrix(example.labels, preds, num_classes=num_classes)
            boundaries[i] += metrics.boundary_confusion(example.labels, preds, num_classes=num_classes)
            agreeing[i] += np.count_nonzero(preds == all_preds[0])
    scores = [
        metrics.scores(matrix, boundary, class_names=class_names, pictures=len(split))
        for matrix, boundary in zip(matrices, boundaries, strict=True)
    ]
    return scores, list(agreeing / pixels)


def main(options: EvaluateOptions) -> None:
    if not options.workdir:
        raise InputError("--workdir is missing; give the run directory of kerasseg.train")
    from kerasseg import files, plots, rundir
    from kerasseg.data.datasets import load_for_run
    from kerasseg.data.letterbox import segment
    from kerasseg.models import trained
    from kerasseg.provenance import provenance

    directory = rundir.RunDir(Path(options.workdir))
    run = rundir.read(directory)
    dataset = load_for_run(run.config, data_dir=options.data_dir)
    split = dataset.split(options.split)
    predict = trained.predictor(trained.load_trained(directory, run))
    print(f"evaluating {run.config.model} on {len(split)} pictures of {dataset.name} {options.split}", flush=True)
    result = evaluate(predict, split, class_names=run.class_names, size=run.eval_size)
    output = Path(options.output_dir or directory.path / f"evaluate_{options.split}")
    report = {"split": options.split, "size": list(run.eval_size), "scores": result.to_json(), **provenance()}
    files.write_json(output / "report.json", report)
    plots.confusion(result, path=output / "confusion.png")
    shown = np.linspace(0, len(split) - 1, min(6, len(split))).astype(int)
    rows = [(e.image, e.labels, segment(predict, e.image, size=run.eval_size)) for e in split.examples(shown)]
    plots.sheet(rows, class_names=run.class_names, path=output / "examples.png")
    print(result.table())
    print(f"wrote report.json, confusion.png and examples.png to {output}")


if __name__ == "__main__":
    cli.run(main, EvaluateOptions)
