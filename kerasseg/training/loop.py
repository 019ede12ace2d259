"""The training run: fit an epoch, evaluate, save; and go on from there after any interruption."""

import contextlib
import dataclasses
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
from keras import ops

from kerasseg import config as config_lib
from kerasseg.config import TrainConfig
from kerasseg.data import pipeline
from kerasseg.data.workers import Workers
from kerasseg.errors import DataError, InputError
from kerasseg.models import backbone, build_model, pretrained
from kerasseg.run import checkpoint, trained
from kerasseg.run.directory import Run
from kerasseg.run.lock import locked
from kerasseg.score.metrics import Scores
from kerasseg.training import backends, callbacks, distillation, hosts, losses, opening, schedules
from kerasseg.training.averaging import AveragingModel
from kerasseg.training.opening import Opened
from kerasseg.training.record import Record
from kerasseg.training.timing import InputWatch, Pace


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
    config = config_lib.absolute(config)
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
    """One run's network, its optimizer and what it keeps."""

    def __init__(self, opened: Opened, log: Callable[[str], None]):
        run, self.admitted, self.resumes = opened.run, opened.admitted, opened.resumes
        config = self.config = run.config
        self.log = log
        self.train_split, self.val_split = opened.splits
        self.workers: Workers | None = None  # processes that make the crops
        checkpoint.make_deterministic(config.seed, on_gpu=config.deterministic)
        backends.unlimited()
        with backends.building():
            self._build(run, log)

    def _build(self, run: Run, log: Callable[[str], None]) -> None:
        config = self.config
        model = build_model(
            run.spec, size=config.size, num_classes=run.num_classes, bn_momentum=config.bn_momentum, precision=config.precision
        )
        fast = backends.with_fast_kernels(model)
        if run.teacher:
            self.model = distillation.student(fast, distillation.load(run, log=log))
        else:
            self.model = AveragingModel(fast.inputs, fast.outputs, name=fast.name)
        self.fed = dataclasses.replace(config, channels=self.model.inputs[0].shape[-1])  # colours for a grey one's teacher, too
        with hosts.alone():  # one process scores, on one device
            self.record = Record(run, self.val_split, log)
        if not self.resumes:
            if config.init_weights:
                trained.load_weights(fast, Path(config.init_weights))
            else:
                pretrained.load_weights(fast, run.spec, source=config.backbone_weights)
        if config.backbone_lr_factor == 0:
            for layer in fast.layers:
                layer.trainable = not backbone.owns(layer.name)  # its batch norms keep their statistics, too
        self.first_step = callbacks.FirstStep(log)
        steps = self.steps = len(self.train_split) // config.batch_size
        self.schedule = schedules.schedule(config, steps_per_epoch=steps)
        if config.warmup_epochs >= config.epochs:
            log(f"warmup_epochs={config.warmup_epochs:g} is all of the run: the learning rate rises to its end and never falls")
        self.optimizer = schedules.build_optimizer(config, steps_per_epoch=steps, is_backbone=backbone.owns)
        self.optimizer.build(self.model.trainable_variables)
        self.model.averaging(self.optimizer, decay=config.ema_decay)
        loss = losses.build_loss(config, counts=lambda: self.admitted.pixels.sum(0)[: run.num_classes])
        backends.compile_model(self.model, self.optimizer, loss)
        self.watch = InputWatch(self.model)
        log(
            f"{config.model}: {self.model.count_params():,} parameters, {steps} step{'s' * (steps > 1)} an epoch of "
            f"{config.batch_size} images, on {backends.device()}{hosts.spread()}"
        )

    def run_epochs(self) -> Scores:
        config = self.config
        self._begin()
        pace = Pace(batch_size=config.batch_size, steps=self.steps, epochs=config.epochs)
        for epoch in range(self.record.progress.epoch, config.epochs):
            start = time.perf_counter()
            self.watch.start()
            row: dict = {"epoch": epoch + 1, **self._fit(epoch), "backend": backends.made_with()["backend"]}
            row["learning_rate"] = float(self.schedule((epoch + 1) * self.steps - 1))  # of its last step
            row["seconds"] = time.perf_counter() - start  # without the evaluation
            timed = {"seconds": row["seconds"], "waited": self.watch.waited, "first_step": self.first_step.seconds}
            self.log(pace.line(epoch + 1, **timed))
            with hosts.together(f"the evaluation after epoch {epoch + 1}"), hosts.alone():
                if hosts.is_first():
                    self._finish(row)
        scores: dict = {}
        with hosts.together("the report"), hosts.alone():
            if hosts.is_first():
                scores = dataclasses.asdict(self.record.report())
        return Scores(**hosts.shared(scores))

    @property
    def variables(self) -> dict[str, keras.Variable]:
        """All that a training changes, by its name in a checkpoint: of the model, then of the optimizer."""
        of_model = {f"model/{variable.path}": variable for variable in self.model.weights}
        return of_model | {f"optimizer/{i}": variable for i, variable in enumerate(self.optimizer.variables)}

    def _begin(self) -> None:
        """Gives every process what the first one begins or goes on with."""
        record, variables = self.record, self.variables
        values = list(map(ops.convert_to_numpy, variables.values()))
        if self.resumes:
            with hosts.together("reading the checkpoint"):
                if hosts.is_first():
                    values = list(record.restore(variables).values())
                    self.log(f"resuming after epoch {record.progress.epoch} of {self.config.epochs}")
        elif hosts.process()[1] == 1:
            return
        record.progress = checkpoint.Progress(**hosts.shared(dataclasses.asdict(record.progress)))
        for variable, value in zip(variables.values(), hosts.of_first(values), strict=True):
            variable.assign(value)

    def _finish(self, row: dict) -> None:
        """Scores and writes an epoch that has been fitted."""
        epoch, epochs, found = row["epoch"], self.config.epochs, None
        if epoch % self.config.eval_every == 0 or epoch == epochs:
            try:
                scores, found = self.record.evaluate(self.model.averages, epoch=epoch)
            except DataError as error:  # a picture of val that nobody had read: the epoch is not lost for it
                if epoch < epochs:
                    self.record.save(row, None, self.variables)
                raise self.admitted.explained(error) from None
            row |= {"val_miou": scores.miou, "val_pixel_accuracy": scores.pixel_accuracy}
        self.record.save(row, found, self.variables)
        if found is not None and epoch < epochs:
            self.record.page()

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
                callbacks.StopOnNonFinite(self.schedule, first_step=epoch * self.steps),
            ],
        )
