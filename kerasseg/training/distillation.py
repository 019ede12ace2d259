"""A finished run as another one's teacher: what it says of the very crops that the student sees, and how far that is off."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
from keras import ops

from kerasseg import files
from kerasseg.config import TrainConfig
from kerasseg.data.datasets import Dataset
from kerasseg.errors import InputError
from kerasseg.models import check_size
from kerasseg.run import origin, trained
from kerasseg.run.directory import Run, open_run
from kerasseg.training import backends, hosts
from kerasseg.training.averaging import AveragingModel


def find(config: TrainConfig, dataset: Dataset, *, workdir: Path, log: Callable[[str], None]) -> dict[str, str] | None:
    """Model and SHA-256 of the weights of the teacher that settings name; None where they name none.

    Args:
        config: The settings.
        dataset: That the student will be trained on.
        workdir: The student's.
        log: Gets a line where the teacher was trained on other data: pictures of this val may be among them.

    Raises:
        InputError: it is no finished run, has other classes, cannot take the crops, or is the student itself.
    """
    if not config.teacher:
        return None
    path = Path(config.teacher)
    if path.resolve() == workdir.resolve():
        raise InputError(f"--teacher={path} is the run's own --workdir; give the directory of another, finished run")
    run = open_run(path)
    for needed in (run.directory.best_weights, run.directory.report):
        if not needed.is_file():
            raise InputError(
                f"--teacher={path} is not finished (no {needed.name}); finish `kerasseg train --workdir={path} ...` first, or "
                "give another run"
            )
    _refuse_other_classes(run.class_names, dataset.class_names, path)
    try:
        check_size(config.size, output_stride=run.output_stride)
    except InputError as error:
        raise InputError(f"--teacher={path} cannot see these crops: {error}") from None
    if found := origin.differences(run.class_names, run.data, dataset, splits=("train", "val")):
        log(f"the teacher was trained on other data: {'; '.join(found)}; pictures of this val may be among what it has seen")
    return {"model": run.config.model, "weights_sha256": files.sha256(run.directory.best_weights)}


def _refuse_other_classes(known: Sequence[str], asked: Sequence[str], path: Path) -> None:
    if len(known) != len(asked):
        raise InputError(f"--teacher={path} has {len(known)} classes and the data {len(asked)}; give a run of the same classes")
    for i, (ours, theirs) in enumerate(zip(asked, known, strict=True)):
        if ours != theirs:
            raise InputError(
                f"--teacher={path} has {theirs} as class {i} where the data has {ours}; give a run of the same classes in the "
                "same order"
            )


def refuse_other(begun: Run, run: Run) -> None:
    """Holds the teacher of a run against the one that it was begun with.

    Raises:
        InputError: it is another, or other weights, or one of the two has none.
    """
    there, asked = ((one.teacher or {}).get("weights_sha256", "") for one in (begun, run))
    if there != asked:
        was, now = (f"weights {hashed[:12]}" if hashed else "no teacher" for hashed in (there, asked))
        instead = f"--teacher={begun.config.teacher} as it was" if there else "no --teacher"
        raise InputError(
            f"{begun.directory.path} was begun with another teacher ({was} there, {now} asked); give {instead} to resume it, "
            "or another --workdir"
        )


@dataclass(frozen=True)
class Teacher:
    """A network that is asked and never trained.

    Attributes:
        network: From pictures (B, *size, C) to logits, C its own.
        values: Under JAX its weights, as they lie on the devices that train; elsewhere none.
        weight: Factor of the divergence in the loss.
        temperature: Divides the logits.
    """

    network: keras.Model
    values: Sequence[Any]
    weight: float
    temperature: float

    def logits(self, images, values=()):
        """What it says of a batch, (B, h, w, classes) float32.

        Args:
            images: (B, *size, C) float 0..255, with three channels where its own network takes one, if need be.
            values: Its weights, where a compiled step has been given them.
        """
        images = as_taken(images, self.network.input.shape[-1])
        if values:
            return self.network.stateless_call([], values, images, training=False)[0]
        return self.network(images, training=False)


def load(run: Run, *, log: Callable[[str], None]) -> Teacher:
    """The teacher of a run, built for its crops and in its precision, with the weights that `find` has seen.

    Args:
        run: The student's.
        log: Gets a line about it.

    Raises:
        InputError: they were replaced meanwhile, or cannot be read.
    """
    config = run.config
    assert run.teacher is not None
    taught_by = open_run(config.teacher)
    model, found = trained.load_hashed(taught_by, size=config.size, batch_size=None, precision=config.precision)
    if found != run.teacher["weights_sha256"]:
        raise InputError(f"the weights of --teacher={config.teacher} were replaced; wait until its training has ended")
    log(f"teacher: {run.teacher['model']} of {config.teacher}, {model.count_params():,} parameters")
    network = backends.with_fast_kernels(model)
    network.trainable = False
    values = backends.on_devices(network.non_trainable_variables, spread=hosts.device_count() > 1)
    return Teacher(network, values, weight=config.distill_weight or 1.0, temperature=config.distill_temperature)


def student(network: keras.Model, teacher: Teacher) -> "DistillingModel":
    """The model to train: `network` itself, or what makes grey for it of the colours that its teacher is shown.

    Args:
        network: From pictures to logits; its weights are the model's.
        teacher: Whom it learns from.
    """
    inputs, outputs = network.inputs, network.outputs
    if network.input.shape[-1] < teacher.network.input.shape[-1]:
        colours = keras.Input((*network.input.shape[1:3], teacher.network.input.shape[-1]), name="colours")
        inputs, outputs = [colours], [network(as_taken(colours, network.input.shape[-1]))]
    model = DistillingModel(inputs, outputs, name=network.name)
    model.teacher = teacher
    model.divergence = keras.metrics.Mean(name="divergence")
    return model


class DistillingModel(AveragingModel):
    """One that learns the labels and what a teacher says, in the same compiled step; its logs have the divergence, too.

    The teacher is none of its layers: nothing of it is trained, averaged, counted or saved.
    """

    teacher: Teacher
    divergence: keras.metrics.Mean

    def make_train_function(self, force=False):
        """Keras' own. Under JAX the teacher's weights come with each batch: those it closes over are constants to compile."""
        if self.train_function is not None and not force:
            return
        super().make_train_function(force)
        step, values = self.train_function, self.teacher.values
        if keras.backend.backend() == "jax":
            self.train_function = lambda state, batches: step(state, iter([(*next(batches), values)]))

    def train_step(self, *args):
        """A step of the base class, with labels and the teacher's logits in the place of labels."""
        *state, (images, labels, *values) = args
        lesson = self.teacher.logits(images, *values)
        return super().train_step(*state, (images, (labels, lesson)))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The compiled loss and the divergence. Without a lesson, as when Keras looks at a first batch, the loss alone."""
        if not isinstance(y, tuple):
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        labels, lesson = y
        value = divergence(lesson, y_pred, temperature=self.teacher.temperature)
        self.divergence.update_state(value)
        return super().compute_loss(x, labels, y_pred, sample_weight, training) + self.teacher.weight * value


def divergence(lesson, logits, *, temperature: float):
    """Kullback-Leibler divergence of the classes of a pixel, times temperature squared. Hinton et al. 2015, section 2.

    A mean over all pixels: where nothing is labelled the teacher's word is the only one. Coarser logits are resized to the
    finer ones, as for the loss and for class ids.

    Args:
        lesson: The teacher's logits, (B, h, w, C).
        logits: The student's, (B, k, l, C).
        temperature: Divides both.

    Returns:
        A scalar, 0 where both are the same up to a constant a pixel.
    """
    size = max(lesson.shape[1], logits.shape[1]), max(lesson.shape[2], logits.shape[2])
    said, thought = (_log_probabilities(x, size, temperature) for x in (lesson, logits))
    return temperature**2 * ops.mean(ops.sum(ops.exp(said) * (said - thought), 1))


def _log_probabilities(logits, size: tuple[int, int], temperature: float):
    """(B, C, *size) float32: a plane a class, as in `losses.Planes`."""
    logits = ops.cast(logits, "float32")
    if tuple(logits.shape[1:3]) != size:
        logits = ops.image.resize(logits, size, interpolation="bilinear")
    return ops.log_softmax(ops.transpose(logits, (0, 3, 1, 2)) / temperature, 1)


def as_taken(images, channels: int):
    """A batch as a network takes it, inside its compiled step: what `kerasseg.grey.fitted` makes, to the bit.

    Args:
        images: (B, H, W, 3) or (B, H, W, 1) float, whole numbers 0..255.
        channels: 3 or 1.

    Returns:
        (B, H, W, channels) float32, or `images` itself.
    """
    if images.shape[-1] == channels:
        return images
    shares = ops.convert_to_tensor([19595, 38470, 7471], "int32")
    luma = ops.sum(ops.cast(images, "int32") * shares, -1, keepdims=True) + 32768
    return ops.cast(luma // 65536, "float32")
