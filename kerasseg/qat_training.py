"""Quantization-aware training of a run, with checkpoints."""

import dataclasses
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kerasseg import files, losses, quantization, training
from kerasseg.data import pipeline
from kerasseg.data.splits import Split
from kerasseg.errors import InputError
from kerasseg.evaluate import evaluate
from kerasseg.lite import interpreter
from kerasseg.models import trained
from kerasseg.rundir import Run, RunDir


def fine_tune(
    directory: RunDir,
    run: Run,
    prepared: quantization.Prepared,
    splits: tuple[Split, Split],
    settings: quantization.QuantizationSettings,
    log: Callable[[str], None],
) -> quantization.Prepared:
    """Quantization-aware training: goes on where it was, and returns `prepared` with the best epoch's weights.

    Each epoch is scored as the int8 file it would become, on the validation split.

    Args:
        directory: Of the run; its folder `qat` gets settings, checkpoint and best weights.
        run: Gives batch size, crop size, augmentation and loss.
        prepared: From `quantization.prepare`, with the same settings.
        splits: Training and validation.
        settings: Epochs and learning rate.
        log: Gets a line an epoch.

    Raises:
        InputError: the folder holds training with other settings or from other weights, a layer cannot be mapped, or the
            loss is not finite.
    """
    folder = directory.path / "qat"
    # The weights it started from belong to the settings: a run that was trained on starts QAT anew.
    asked = dataclasses.asdict(settings) | {"weights_sha256": files.sha256(directory.best_weights)}
    _refuse_other(folder / "settings.json", asked)
    steps = len(splits[0]) // run.config.batch_size
    loss = losses.build_loss(run.config, counts=lambda: splits[0].count_labels()[: run.num_classes])
    trainer = quantization.load_qat().Trainer(
        prepared.twin(size=run.config.size, batch_size=None),
        loss,
        _teacher(directory, run),
        learning_rate=settings.learning_rate,
        steps=steps * settings.epochs,
        clip_norm=run.config.clip_norm,
        ema_decay=run.config.ema_decay,
    )
    progress = training.Progress()
    checkpoint, best = folder / "checkpoint.npz", folder / "best.weights.h5"
    if checkpoint.exists():
        progress = _restore(checkpoint, trainer)
        log(f"resuming QAT after epoch {progress.epoch} of {settings.epochs}")
    else:
        files.write_json(folder / "settings.json", asked)
    for epoch in range(progress.epoch, settings.epochs):
        batches = pipeline.train_batches(splits[0], run.config, epoch=epoch)
        row = {"epoch": epoch + 1, "loss": trainer.epoch(batches)}
        if not np.isfinite(row["loss"]):
            raise InputError(f"the loss of QAT is {row['loss']} in epoch {epoch + 1}; try a lower --learning_rate")
        trainer.give_average(prepared.model)
        predict = interpreter.predictor(interpreter.LoadedModel(quantization.quantize(prepared)))
        scores = evaluate(predict, splits[1], class_names=run.class_names, size=run.eval_size)
        progress.epoch = epoch + 1
        progress.history.append(row | {"val_miou": scores.miou})
        if scores.miou > progress.best_miou:
            progress.best_miou, progress.best_epoch = scores.miou, epoch + 1
            training.save_weights(prepared.model, best)
        arrays = trainer.state() | {"progress": np.frombuffer(json.dumps(dataclasses.asdict(progress)).encode(), np.uint8)}
        with files.replacing(checkpoint) as temporary:
            np.savez(temporary, **arrays)
        log(
            f"QAT epoch {epoch + 1}/{settings.epochs}: loss {row['loss']:.4f}, int8 val mIoU {100 * scores.miou:.2f} %, "
            f"best {100 * progress.best_miou:.2f} % (epoch {progress.best_epoch})"
        )
    files.write_json(folder / "history.json", progress.history)
    return quantization.with_best(directory, prepared)


def _teacher(directory: RunDir, run: Run) -> Callable:
    """The run's float model for batches of training crops."""
    model = trained.load_trained(directory, run, size=run.config.size, batch_size=None)
    return lambda images: model(images, training=False)


def _refuse_other(path: Path, new: dict) -> None:
    if path.exists():
        old = files.read_json(path)
        different = [f"{key} ({old.get(key)} there, {new[key]} asked)" for key in new if old.get(key) != new[key]]
        if different:
            raise InputError(
                f"{path.parent} holds QAT with other settings: {', '.join(different)}; "
                "give the same settings to resume it, or remove that folder"
            )


def _restore(checkpoint: Path, trainer) -> training.Progress:
    try:
        with checkpoint.open("rb") as file, np.load(file) as stored:
            arrays = dict(stored)
        trainer.restore(arrays)
        return training.Progress(**json.loads(arrays["progress"].tobytes()))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{checkpoint} cannot be resumed from ({error}); restore it or remove its folder") from error
