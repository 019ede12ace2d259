"""What a run that trains keeps on the disk: its best and last weights, its checkpoint, its table, its page, its report."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops

from kerasseg import config as config_lib
from kerasseg import files, terminal
from kerasseg.data.splits import Split
from kerasseg.models import build_model
from kerasseg.run import checkpoint, trained
from kerasseg.run.directory import Run
from kerasseg.run.provenance import provenance
from kerasseg.score.evaluation import evaluate
from kerasseg.score.metrics import Scores
from kerasseg.training import backends, callbacks, journal

if TYPE_CHECKING:
    from kerasseg.reports.pages import RunStory


class Record:
    """The scored network and the files of one run.

    Attributes:
        progress: How far the training is.
        model: The network at the size at which it is scored, some pictures at a time.
    """

    def __init__(self, run: Run, val_split: Split, log: Callable[[str], None]):
        self.progress = checkpoint.Progress()
        self._run, self._directory, self._val_split, self._log = run, run.directory, val_split, log
        self._together = backends.scored_together(run.eval_size, run.num_classes, pictures=len(val_split))
        model = build_model(
            run.spec, size=run.eval_size, num_classes=run.num_classes, bn_momentum=run.config.bn_momentum,
            batch_size=self._together,
        )  # fmt: skip
        self.model = backends.with_fast_kernels(model)
        self._predict = trained.predictor(self.model)
        self._shown: list | None = None  # pictures of the page, as the best weights segment them

    def evaluate(self, averages: Iterable[keras.Variable], *, epoch: int) -> tuple[Scores, journal.Evaluation]:
        """Scores the averaged weights of an epoch on the validation split."""
        for variable, average in zip(self.model.weights, averages, strict=True):
            variable.assign(ops.convert_to_numpy(average))  # JAX donates what its models hold, and it may lie on many devices
        return self._scored(epoch)

    def _scored(self, epoch: int) -> tuple[Scores, journal.Evaluation]:
        """Of what `model` holds: the weights of that epoch."""
        found = journal.Evaluation(epoch, {})
        names, size = self._run.class_names, self._run.eval_size
        show = terminal.bar("pictures scored")
        scores = evaluate(
            self._predict, self._val_split, class_names=names, size=size, together=self._together, each=found.add, show=show
        )
        found.scores = scores.to_json()
        return scores, found

    def save(self, row: dict, found: journal.Evaluation | None, variables: Mapping[str, keras.Variable]) -> None:
        """Writes weights first and the checkpoint last: killed in between, the epoch is simply done again."""
        progress = self.progress
        if progress.add(row, row.get("val_miou")) and found:
            checkpoint.save_weights(self.model, self._directory.best_weights)
            journal.keep(self._run, found)
            self._shown = None
        if found is not None:
            checkpoint.save_weights(self.model, self._directory.last_weights)
            means = ", ".join(f"{name} {row[name]:.4f}" for name in ("loss", "divergence") if name in row)
            self._log(
                f"epoch {row['epoch']}/{self._run.config.epochs}: {means}, val mIoU {100 * row['val_miou']:.2f} %, "
                f"best {100 * progress.best_miou:.2f} % (epoch {progress.best_epoch})"
            )
        arrays = {name: ops.convert_to_numpy(variable) for name, variable in variables.items()}
        checkpoint.save(self._directory.checkpoint, arrays, progress)
        journal.write_table(self._run, progress.history)
        callbacks.write_summaries(row, self._directory.logs, log=self._log)

    def restore(self, variables: Mapping[str, keras.Variable]) -> dict[str, np.ndarray]:
        """The values of all variables as the checkpoint has them; the progress becomes the checkpoint's.

        Raises:
            InputError: it is damaged, or of another network.
        """
        values: dict[str, np.ndarray] = {}

        def take(arrays: Mapping[str, np.ndarray]) -> None:
            for name, variable in variables.items():
                if arrays[name].shape != tuple(variable.shape):
                    raise ValueError(f"{name} is {arrays[name].shape}, not {tuple(variable.shape)}")
                values[name] = arrays[name]

        self.progress = checkpoint.restore(self._directory.checkpoint, take, otherwise="train in another --workdir")
        # A kill may have come between the checkpoint and the table made from it.
        journal.write_table(self._run, self.progress.history)
        return values

    def page(self) -> None:
        """Writes the page of the run, as far as it is."""

        def told() -> "RunStory":
            best = journal.kept(self._run)
            if best and self._shown is None:
                if best.epoch != self.progress.epoch:
                    trained.load_weights(self.model, self._directory.best_weights)
                self._shown = journal.samples(
                    self._run, self._val_split, self._predict, best.by_picture, together=self._together
                )
            return journal.story(self._run, best=best, shown=self._shown or (), about=provenance())

        journal.write(self._run, told, log=self._log)

    def report(self) -> Scores:
        """Scores the best weights once more and writes report.json and the page."""
        trained.load_weights(self.model, self._directory.best_weights)
        scores, found = self._scored(self.progress.best_epoch)
        if journal.kept(self._run) != found:  # those of an earlier version kept none
            journal.keep(self._run, found)
        report = {
            "split": "val",
            "size": list(self._run.eval_size),
            "best_epoch": self.progress.best_epoch,
            "config": config_lib.for_report(self._run.config),
            "scores": scores.to_json(),
            **({"teacher": self._run.teacher} if self._run.teacher else {}),
            "history": self.progress.history,
            "backend": " then ".join(dict.fromkeys(row["backend"] for row in self.progress.history if "backend" in row)),
            **provenance(),
        }
        files.write_json(self._directory.report, report)
        self.page()
        return scores
