"""The training run: fit an epoch, evaluate, save; and go on from there after any interruption."""

import contextlib
import dataclasses
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
from kerasseg.data import pipeline
from kerasseg.data.workers import Workers
from kerasseg.errors import DataError, InputError
from kerasseg.models import backbone, build_model
from kerasseg.run import checkpoint, trained
from kerasseg.run.directory import Run
from kerasseg.run.lock import locked
from kerasseg.run.provenance import provenance
from kerasseg.score.evaluation import evaluate
from kerasseg.score.metrics import Scores
from kerasseg.training import backends, callbacks, distillation, hosts, journal, losses, opening, schedules
from kerasseg.training.averaging import AveragingModel
from kerasseg.training.opening import Opened
from kerasseg.training.timing import InputWatch, Pace

if TYPE_CHECKING:
    from kerasseg.reports.pages import RunStory


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
    data_dir, teacher = (str(Path(folder).resolve()) if folder else "" for folder in (config.data_dir, config.teacher))
    config = dataclasses.replace(config, data_dir=data_dir, teacher=teacher)
    path = Path(workdir)
    with contextlib.ExitStack() as while_it_lasts:
        with hosts.together("opening the run"):
            if hosts.is_first():
                while_it_lasts.enter_context(locked(path))
            opened = opening.opened(config, workdir=path, accept=accept, log=log)
        with hosts.together("comparing settings"):
            opened = opening.agreed(opened)
        with hosts.together("building the network"):
            training = _Training(opened, log)
            if hosts.is_first():
                checkpoint.refuse_little_space(training.model, training.optimizer, path)
                opening.write(opened)
        training.workers = while_it_lasts.enter_context(pipeline.started_workers(opened.splits[0], training.fed))
        return training.run_epochs()


class _Training:
    """One run's model, averages and progress."""

    def __init__(self, opened: Opened, log: Callable[[str], None]):
        run, self.admitted, self.resumes = opened.run, opened.admitted, opened.resumes
        config = self.config = run.config
        self.run, self.directory, self.log = run, run.directory, log
        self.train_split, self.val_split = opened.splits
        self.workers: Workers | None = None  # processes that make the crops
        self.progress = checkpoint.Progress()
        self.shown: list | None = None  # pictures of the page, as the best weights segment them
        checkpoint.make_deterministic(config.seed, on_gpu=config.deterministic)
        backends.unlimited()
        with backends.building():
            self._build(run, log)

    def _build(self, run: Run, log: Callable[[str], None]) -> None:
        config = self.config
        spec, classes, momentum = run.spec, run.num_classes, config.bn_momentum
        model = build_model(spec, size=config.size, num_classes=classes, bn_momentum=momentum, precision=config.precision)
        fast = backends.with_fast_kernels(model)
        if run.teacher:
            self.model = distillation.student(fast, distillation.load(run, log=log))
        else:
            self.model = AveragingModel(fast.inputs, fast.outputs, name=fast.name)
        self.fed = dataclasses.replace(config, channels=self.model.inputs[0].shape[-1])  # colours for a grey one's teacher, too
        with hosts.alone():  # one process scores, on one device
            eval_model = build_model(spec, size=run.eval_size, num_classes=classes, bn_momentum=momentum, batch_size=1)
            self.eval_model = backends.with_fast_kernels(eval_model)
            self.predict = trained.predictor(self.eval_model)
        if not self.resumes:
            if config.init_weights:
                trained.load_weights(fast, Path(config.init_weights))
            else:
                backbone.load_weights(fast, spec, source=config.backbone_weights)
        if config.backbone_lr_factor == 0:
            for layer in fast.layers:
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
        self._begin()
        pace = Pace(images=self.steps * config.batch_size, epochs=config.epochs)
        for epoch in range(self.progress.epoch, config.epochs):
            start = time.perf_counter()
            self.watch.start()
            row: dict = {"epoch": epoch + 1, **self._fit(epoch), "backend": backends.made_with()["backend"]}
            row["learning_rate"] = float(self.optimizer.learning_rate)
            row["seconds"] = time.perf_counter() - start  # without the evaluation
            self.log(pace.line(epoch + 1, seconds=row["seconds"], waited=self.watch.waited))
            with hosts.together(f"the evaluation after epoch {epoch + 1}"), hosts.alone():
                if hosts.is_first():
                    self._finish(row)
        scores: dict = {}
        with hosts.together("the report"), hosts.alone():
            if hosts.is_first():
                scores = dataclasses.asdict(self._report())
        return Scores(**hosts.shared(scores))

    @property
    def variables(self) -> list[keras.Variable]:
        """All that a training changes: of the model, then of the optimizer."""
        return [*self.model.weights, *self.optimizer.variables]

    @property
    def _names(self) -> list[str]:
        """Of the variables, in a checkpoint."""
        return [
            *(f"model/{variable.path}" for variable in self.model.weights),
            *(f"optimizer/{i}" for i in range(len(self.optimizer.variables))),
        ]

    def _begin(self) -> None:
        """Gives every process what the first one begins or goes on with."""
        values = list(map(ops.convert_to_numpy, self.variables))
        if self.resumes:
            with hosts.together("reading the checkpoint"):
                if hosts.is_first():
                    self._restore(values)
                    self.log(f"resuming after epoch {self.progress.epoch} of {self.config.epochs}")
        elif hosts.process()[1] == 1:
            return
        self.progress = checkpoint.Progress(**hosts.shared(dataclasses.asdict(self.progress)))
        for variable, value in zip(self.variables, hosts.of_first(values), strict=True):
            variable.assign(value)

    def _finish(self, row: dict) -> None:
        """Scores and writes an epoch that has been fitted."""
        epoch, epochs, found = row["epoch"], self.config.epochs, None
        if epoch % self.config.eval_every == 0 or epoch == epochs:
            try:
                scores, found = self._evaluate(epoch)
            except DataError as error:  # a picture of val that nobody had read: the epoch is not lost for it
                if epoch < epochs:
                    self._save(row, None)
                raise self.admitted.explained(error) from None
            row |= {"val_miou": scores.miou, "val_pixel_accuracy": scores.pixel_accuracy}
        self._save(row, found)
        if found is not None and epoch < epochs:
            self._page()

    def _fit(self, epoch: int) -> dict[str, float]:
        """Means over an epoch: of the loss and, with a teacher, of the divergence."""
        refused: list[InputError] = []
        try:
            with checkpoint.naming_the_flag(), hosts.noticing():
                history = self._fit_epoch(epoch, refused.append)
        except Exception:
            if refused:  # tf.data wraps it in an error of its own
                raise self.admitted.explained(refused[0]) from None
            raise
        return {name: values[0] for name, values in history.history.items()}

    def _fit_epoch(self, epoch: int, refused: Callable[[InputError], None]) -> keras.callbacks.History:
        batches = pipeline.train_batches(
            self.train_split, self.fed, epoch=epoch, refused=refused, workers=self.workers, part=hosts.process()
        )
        return self.model.fit(
            batches,
            initial_epoch=epoch,
            epochs=epoch + 1,
            shuffle=False,
            verbose=(1 if sys.stdout.isatty() else 2) if hosts.is_first() else 0,
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
            variable.assign(ops.convert_to_numpy(average))  # JAX donates what its models hold, and it may lie on many devices
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
            means = ", ".join(f"{name} {row[name]:.4f}" for name in ("loss", "divergence") if name in row)
            self.log(
                f"epoch {row['epoch']}/{self.config.epochs}: {means}, val mIoU {100 * row['val_miou']:.2f} %, "
                f"best {100 * progress.best_miou:.2f} % (epoch {progress.best_epoch})"
            )
        arrays = map(ops.convert_to_numpy, self.variables)
        checkpoint.save(self.directory.checkpoint, dict(zip(self._names, arrays, strict=True)), progress)
        journal.write_table(self.run, progress.history)
        callbacks.write_summaries(row, self.directory.logs, log=self.log)

    def _restore(self, values: list[np.ndarray]) -> None:
        """Puts those of the checkpoint in the place of the `values` of all variables."""

        def take(arrays: Mapping[str, np.ndarray]) -> None:
            for i, name in enumerate(self._names):
                if arrays[name].shape != values[i].shape:
                    raise ValueError(f"{name} is {arrays[name].shape}, not {values[i].shape}")
                values[i] = arrays[name]

        self.progress = checkpoint.restore(self.directory.checkpoint, take, otherwise="train in another --workdir")
        # A kill may have come between the checkpoint and the table made from it.
        journal.write_table(self.run, self.progress.history)

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
            **({"teacher": self.run.teacher} if self.run.teacher else {}),
            "history": self.progress.history,
            "backend": " then ".join(dict.fromkeys(row["backend"] for row in self.progress.history if "backend" in row)),
            **provenance(),
        }
        files.write_json(self.directory.report, report)
        self._page()
        return scores
