"""Quantization-aware training of a run, with checkpoints."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasseg import files
from kerasseg.data import pasting, pipeline
from kerasseg.data.splits import Split
from kerasseg.errors import InputError
from kerasseg.int8 import preparation, quantization
from kerasseg.int8.preparation import Prepared, QuantizationSettings
from kerasseg.lite import interpreter
from kerasseg.run import checkpoint, directory, histogram, trained
from kerasseg.run.directory import Run
from kerasseg.run.lock import locked
from kerasseg.score.evaluation import evaluate
from kerasseg.score.metrics import Scores
from kerasseg.training import losses


def fine_tune(
    run: Run,
    prepared: Prepared,
    splits: tuple[Split, Split],
    settings: QuantizationSettings,
    *,
    patience: int = 0,
    log: Callable[[str], None] = lambda line: None,
) -> Prepared:
    """Quantization-aware training: goes on where it was, and returns `prepared` with the best weights, maybe those before it.

    Each epoch is scored as the int8 file it would become, on the validation split.

    Args:
        run: Gives batch size, crop size, augmentation and loss; its folder `qat` gets settings, checkpoint and best weights.
        prepared: From `int8.prepare`, with the same settings.
        splits: Training and validation.
        settings: Epochs and learning rate.
        patience: Epochs in a row without a better score after which it ends; 0 for never.
        log: Gets a line an epoch.

    Raises:
        InputError: the folder holds training with other settings or from other weights, a layer cannot be mapped, or the
            loss is not finite.
    """
    with locked(run.directory.qat, otherwise=""):
        return _fine_tune(run, prepared, splits, settings, patience, log)


def refuse_other(run: Run, settings: QuantizationSettings, weights_sha256: str) -> dict[str, Any]:
    """What is asked, where the folder `qat` of the run holds nothing else.

    The weights that it starts from belong to the settings: a run that was trained on starts QAT anew.

    Raises:
        InputError: it holds training with other settings or from other weights.
    """
    asked, path = dataclasses.asdict(settings) | {"weights_sha256": weights_sha256}, run.directory.qat / "settings.json"
    if path.exists():
        before = {"means": "mean", "outside": 0.0}  # of a folder from when there was no other
        there = before | files.read_json(path)
        directory.refuse_different(there, asked, holds=f"{path.parent} holds QAT", instead="remove that folder")
    return asked


def _fine_tune(
    run: Run,
    prepared: Prepared,
    splits: tuple[Split, Split],
    settings: QuantizationSettings,
    patience: int,
    log: Callable[[str], None],
) -> Prepared:
    folder = run.directory.qat
    asked = refuse_other(run, settings, prepared.weights_sha256)
    if run.config.rare_paste:
        splits[0].donors = pasting.donors(histogram.pixels(run, splits[0]), num_classes=run.num_classes)
    trainer = _trainer(run, prepared, splits[0], settings)
    progress, saved = checkpoint.Progress(), folder / "checkpoint.npz"
    if saved.exists():
        progress = checkpoint.restore(saved, trainer.restore, otherwise="remove its folder")
        log(f"resuming QAT after epoch {progress.epoch} of {settings.epochs}")
    else:
        files.write_json(folder / "settings.json", asked)
        progress.best_miou = _score(run, prepared, splits[1]).miou
        checkpoint.save_weights(prepared.model, folder / preparation.QAT_WEIGHTS)
        log(f"QAT begins at int8 val mIoU {100 * progress.best_miou:.2f} %, and what it gives is no worse there")
    for epoch in range(progress.epoch, settings.epochs):
        if 0 < patience <= epoch - progress.best_epoch:
            log(f"QAT ends after epoch {epoch}: {patience} in a row were no better")
            break
        loss = _checked(trainer.epoch(pipeline.train_batches(splits[0], run.config, epoch=epoch)), epoch)
        trainer.give_average(prepared.model)
        scores = _score(run, prepared, splits[1])
        if progress.add({"epoch": epoch + 1, "loss": loss, "val_miou": scores.miou}, scores.miou):
            checkpoint.save_weights(prepared.model, folder / preparation.QAT_WEIGHTS)
        checkpoint.save(saved, trainer.state(), progress)
        log(
            f"QAT epoch {epoch + 1}/{settings.epochs}: loss {loss:.4f}, int8 val mIoU {100 * scores.miou:.2f} %, "
            f"best {100 * progress.best_miou:.2f} % (epoch {progress.best_epoch})"
        )
    files.write_json(folder / "history.json", progress.history)
    return preparation.with_best(run, prepared)


def _trainer(run: Run, prepared: Prepared, split: Split, settings: QuantizationSettings):
    """Of the twin, at the run's crop size, taught by the run's float model."""
    teacher = trained.load_trained(run, size=run.config.size, batch_size=None)
    return preparation.load_twin().Trainer(
        quantization.twin(prepared, size=run.config.size, batch_size=None),
        losses.build_loss(run.config, counts=lambda: histogram.pixels(run, split).sum(0)[: run.num_classes]),
        lambda images: teacher(images, training=False),
        learning_rate=settings.learning_rate,
        steps=len(split) // run.config.batch_size * settings.epochs,
        clip_norm=run.config.clip_norm,
        ema_decay=run.config.ema_decay,
    )


def _score(run: Run, prepared: Prepared, split: Split) -> Scores:
    predict = interpreter.predictor(interpreter.LoadedModel(quantization.quantize(prepared)))
    return evaluate(predict, split, class_names=run.class_names, size=run.eval_size)


def _checked(loss: float, epoch: int) -> float:
    if not np.isfinite(loss):
        raise InputError(f"the loss of QAT is {loss} in epoch {epoch + 1}; try a lower --learning_rate")
    return loss
