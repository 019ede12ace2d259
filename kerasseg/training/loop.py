"""The training run: fit an epoch, evaluate, save; and go on from there after any interruption."""

import csv
import dataclasses
import io
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops

from kerasseg import config as config_lib
from kerasseg import files, terminal
from kerasseg.config import TrainConfig
from kerasseg.data import datasets, pipeline
from kerasseg.data.splits import Split
from kerasseg.data.workers import Workers
from kerasseg.errors import InputError
from kerasseg.models import backbone, build_model, check_size, get_spec
from kerasseg.run import checkpoint, directory, histogram, origin, trained
from kerasseg.run.directory import Run, RunDir
from kerasseg.run.lock import locked
from kerasseg.run.provenance import provenance
from kerasseg.score.evaluation import evaluate
from kerasseg.score.metrics import Scores
from kerasseg.training import admission, backends, callbacks, journal, losses, schedules
from kerasseg.training.admission import Admitted
from kerasseg.training.averaging import AveragingModel
from kerasseg.training.timing import InputWatch, Pace

if TYPE_CHECKING:
    from kerasseg.reports.pages import RunStory

BATCH_SIZE = 8  # where none is asked and there are as many pictures


def resolve(config: TrainConfig, class_names: tuple[str, ...], *, workdir: Path) -> Run:
    """The run that settings ask for, with what they leave to the model and the data set filled in.

    Raises:
        InputError: an unknown model, or a size that the output stride does not divide.
    """
    spec = get_spec(config.model, output_stride=config.output_stride, activation=config.activation)
    check_size(config.size, output_stride=spec.output_stride)
    eval_size = config.eval_size
    if eval_size == (0, 0):
        eval_size = datasets.eval_size(config.dataset, size=config.size, output_stride=spec.output_stride)
    check_size(eval_size, output_stride=spec.output_stride)
    return Run(RunDir(workdir), config, class_names, eval_size, spec.output_stride)


def train(
    config: TrainConfig,
    *,
    workdir: str | Path,
    accept: Sequence[str] = (),
    log: Callable[[str], None] = lambda line: None,
) -> Scores:
    """Trains, or goes on with, the run in `workdir`; returns the scores of its best weights on the validation split.

    Args:
        config: The settings.
        workdir: The run directory, new or of the same settings.
        accept: Kinds of errors in the data, of `kerasseg.data.findings.ERRORS`, that shall not stop it.
        log: Gets a line a stage.

    Raises:
        InputError: bad settings or data, another run in `workdir`, or a loss that is not finite.
    """
    if config.data_dir:
        config = dataclasses.replace(config, data_dir=str(Path(config.data_dir).resolve()))
    with locked(Path(workdir)):
        return _train(config, Path(workdir), accept, log)


def _train(config: TrainConfig, workdir: Path, accept: Sequence[str], log: Callable[[str], None]) -> Scores:
    admission.check_accept(accept)
    dataset = datasets.load_for_run(config)
    if not config.batch_size:
        config = dataclasses.replace(config, batch_size=min(BATCH_SIZE, len(dataset.split("train"))))
        if config.batch_size < BATCH_SIZE:
            log(f"a batch is {config.batch_size} images, as many as there are")
    run = resolve(config, dataset.class_names, workdir=workdir)
    splits = dataset.split("train"), dataset.split("val")
    if len(splits[0]) < config.batch_size:
        raise InputError(f"{len(splits[0])} training examples do not fill a batch of {config.batch_size}; lower --batch_size")
    if config.batch_size == 1:
        raise InputError(
            "batch_size=1 cannot train: the batch norm of the head's image pooling would see one value a channel, find no "
            "variance, and validation would run another network than training; give at least 2"
        )
    directory.refuse_other(run)
    run = dataclasses.replace(run, data=origin.describe(dataset), made_with=backends.made_with())
    _go_on(run, dataset, log)
    files.remove_leftovers(workdir)
    admitted = admission.admit(dataset, run, accept=accept, log=log)
    training = _Training(run, splits, admitted, log)
    checkpoint.refuse_little_space(training.model, training.optimizer, workdir)
    directory.create(run)  # nothing is left behind when settings, pictures or weights are refused
    histogram.save(run, admitted.pixels)
    files.write_json(run.directory.data, admitted.story)
    with pipeline.started_workers(splits[0], config) as training.workers:
        return training.run_epochs()


def _go_on(run: Run, dataset: datasets.Dataset, log: Callable[[str], None]) -> None:
    """Holds data and backend against those that the run in the directory was begun with.

    Raises:
        InputError: the data is another.
    """
    if not run.directory.config.exists():
        return
    begun = directory.open_run(run.directory.path)
    found = origin.differences(begun.class_names, begun.data, dataset, splits=("train", "val"))
    if found:
        raise InputError(
            f"{run.directory.path} was begun on other data: {'; '.join(found)}; give the data it was begun on to resume it, "
            f"or another --workdir, where --init_weights={run.directory.best_weights} starts from what it has learned"
        )
    before, now = (" and ".join((one.made_with or {}).values()) for one in (begun, run))
    if before and before != now:
        log(f"begun with {before}, goes on with {now}: the weights will not be those of an undisturbed run")


class _Training:
    """One run's model, averages and progress."""

    def __init__(self, run: Run, splits: tuple[Split, Split], admitted: Admitted, log: Callable[[str], None]):
        config = self.config = run.config
        self.run, self.directory, self.log = run, run.directory, log
        self.train_split, self.val_split = splits
        self.admitted = admitted
        self.workers: Workers | None = None  # processes that make the crops
        self.progress = checkpoint.Progress()
        self.shown: list | None = None  # pictures of the page, as the best weights segment them
        checkpoint.make_deterministic(config.seed, on_gpu=config.deterministic)
        backends.unlimited()
        with backends.building():
            self._build(run, log)

    def _build(self, run: Run, log: Callable[[str], None]) -> None:
        config = self.config
        spec = get_spec(config.model, output_stride=run.output_stride, activation=config.activation)
        classes, momentum = run.num_classes, config.bn_momentum
        model = build_model(spec, size=config.size, num_classes=classes, bn_momentum=momentum, precision=config.precision)
        eval_model = build_model(spec, size=run.eval_size, num_classes=classes, bn_momentum=momentum, batch_size=1)
        fast = backends.with_fast_kernels(model)
        self.model = AveragingModel(fast.inputs, fast.outputs, name=fast.name)
        self.eval_model = backends.with_fast_kernels(eval_model)
        self.predict = trained.predictor(self.eval_model)
        if not self.directory.checkpoint.exists():
            if config.init_weights:
                trained.load_weights(self.model, Path(config.init_weights))
            else:
                backbone.load_weights(self.model, spec, source=config.backbone_weights)
        if config.backbone_lr_factor == 0:
            for layer in self.model.layers:
                layer.trainable = not backbone.owns(layer.name)  # its batch norms keep their statistics, too
        self.first_step = callbacks.FirstStep(log)
        steps = self.steps = len(self.train_split) // config.batch_size
        self.optimizer = schedules.build_optimizer(config, steps_per_epoch=steps, is_backbone=backbone.owns)
        self.optimizer.build(self.model.trainable_variables)
        self.model.averaging(self.optimizer, decay=config.ema_decay)
        loss = losses.build_loss(config, counts=lambda: self.admitted.pixels.sum(0)[: run.num_classes])
        backends.compile_model(self.model, self.optimizer, loss)
        self.watch = InputWatch(self.model)
        log(
            f"{config.model}: {self.model.count_params():,} parameters, {steps} steps an epoch of {config.batch_size} images, "
            f"on {backends.device()}"
        )

    def run_epochs(self) -> Scores:
        config = self.config
        if self.directory.checkpoint.exists():
            self._restore()
            self.log(f"resuming after epoch {self.progress.epoch} of {config.epochs}")
        pace = Pace(images=self.steps * config.batch_size, epochs=config.epochs)
        for epoch in range(self.progress.epoch, config.epochs):
            start = time.perf_counter()
            self.watch.start()
            row: dict = {"epoch": epoch + 1, "loss": self._fit(epoch), "backend": backends.made_with()["backend"]}
            row["learning_rate"] = float(self.optimizer.learning_rate)
            row["seconds"] = time.perf_counter() - start  # without the evaluation
            self.log(pace.line(epoch + 1, seconds=row["seconds"], waited=self.watch.waited))
            found = None
            if (epoch + 1) % config.eval_every == 0 or epoch + 1 == config.epochs:
                try:
                    scores, found = self._evaluate(epoch + 1)
                except InputError as error:  # a picture of val that nobody had read: the epoch is not lost for it
                    if epoch + 1 < config.epochs:
                        self._save(row, None)
                    raise self.admitted.explained(error) from None
                row |= {"val_miou": scores.miou, "val_pixel_accuracy": scores.pixel_accuracy}
            self._save(row, found)
            if found is not None and epoch + 1 < config.epochs:
                self._page()
        return self._report()

    def _fit(self, epoch: int) -> float:
        refused: list[InputError] = []
        try:
            with checkpoint.naming_the_flag():
                history = self._fit_epoch(epoch, refused.append)
        except Exception:
            if refused:  # tf.data wraps it in an error of its own
                raise self.admitted.explained(refused[0]) from None
            raise
        return history.history["loss"][0]

    def _fit_epoch(self, epoch: int, refused: Callable[[InputError], None]) -> keras.callbacks.History:
        return self.model.fit(
            pipeline.train_batches(self.train_split, self.config, epoch=epoch, refused=refused, workers=self.workers),
            initial_epoch=epoch,
            epochs=epoch + 1,
            shuffle=False,
            verbose=1 if sys.stdout.isatty() else 2,
            callbacks=[
                self.first_step,
                callbacks.EpochBar(self.config.epochs),
                callbacks.StopOnNonFinite(
                    schedules.schedule(self.config, steps_per_epoch=self.steps), first_step=epoch * self.steps
                ),
            ],
        )

    def _evaluate(self, epoch: int) -> tuple[Scores, journal.Evaluation]:
        for variable, average in zip(self.eval_model.weights, self.model.averages, strict=True):
            variable.assign(ops.copy(average.value))  # JAX donates what its models hold
        return self._scored(epoch)

    def _scored(self, epoch: int) -> tuple[Scores, journal.Evaluation]:
        """Of what `eval_model` holds: the weights of that epoch."""
        found = journal.Evaluation(epoch, {})
        names, size = self.run.class_names, self.run.eval_size
        show = terminal.bar("pictures scored")
        scores = evaluate(self.predict, self.val_split, class_names=names, size=size, each=found.add, show=show)
        found.scores = scores.to_json()
        return scores, found

    def _save(self, row: dict, found: journal.Evaluation | None) -> None:
        """Writes weights first and the checkpoint last: killed in between, the epoch is simply done again."""
        progress = self.progress
        if progress.add(row, row.get("val_miou")) and found:
            checkpoint.save_weights(self.eval_model, self.directory.best_weights)
            journal.keep(self.run, found)
            self.shown = None
        if found is not None:
            checkpoint.save_weights(self.eval_model, self.directory.last_weights)
            self.log(
                f"epoch {row['epoch']}/{self.config.epochs}: loss {row['loss']:.4f}, val mIoU {100 * row['val_miou']:.2f} %, "
                f"best {100 * progress.best_miou:.2f} % (epoch {progress.best_epoch})"
            )
        arrays = {f"model/{v.path}": ops.convert_to_numpy(v) for v in self.model.weights}
        arrays |= {f"optimizer/{i}": ops.convert_to_numpy(v) for i, v in enumerate(self.optimizer.variables)}
        checkpoint.save(self.directory.checkpoint, arrays, progress)
        self._write_history()
        callbacks.write_summaries(row, self.directory.logs, log=self.log)

    def _restore(self) -> None:
        self.progress = checkpoint.restore(
            self.directory.checkpoint, self._take, otherwise="train in another --workdir"
        )  # fmt: skip
        self._write_history()  # a kill may have come between the checkpoint and the table made from it

    def _take(self, arrays: Mapping[str, np.ndarray]) -> None:
        for variable in self.model.weights:
            variable.assign(arrays[f"model/{variable.path}"])
        for i, variable in enumerate(self.optimizer.variables):
            variable.assign(arrays[f"optimizer/{i}"])

    def _write_history(self) -> None:
        text = io.StringIO()
        names = ["epoch", "loss", "learning_rate", "val_miou", "val_pixel_accuracy"]  # no seconds: the same run, the same table
        writer = csv.DictWriter(text, names, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(self.progress.history)
        files.write_text(self.directory.history, text.getvalue())

    def _page(self) -> None:
        """Writes the page of the run, as far as it is."""

        def told() -> "RunStory":
            best = journal.kept(self.run)
            if best and self.shown is None:
                if best.epoch != self.progress.epoch:
                    self.eval_model.load_weights(self.directory.best_weights)
                self.shown = journal.samples(self.run, self.val_split, self.predict, best.by_picture)
            return journal.story(self.run, best=best, shown=self.shown or (), about=provenance())

        journal.write(self.run, told, log=self.log)

    def _report(self) -> Scores:
        self.eval_model.load_weights(self.directory.best_weights)
        scores, found = self._scored(self.progress.best_epoch)
        if journal.kept(self.run) != found:  # those of an earlier version kept none
            journal.keep(self.run, found)
        report = {
            "split": "val",
            "size": list(self.run.eval_size),
            "best_epoch": self.progress.best_epoch,
            "config": config_lib.for_report(self.config),
            "scores": scores.to_json(),
            "history": self.progress.history,
            "backend": " then ".join(dict.fromkeys(row["backend"] for row in self.progress.history if "backend" in row)),
            **provenance(),
        }
        files.write_json(self.directory.report, report)
        self._page()
        return scores
