"""Weights of another run that a training starts from: whether they fit, and what they have seen."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from kerasseg.config import TrainConfig
from kerasseg.data.datasets import Dataset
from kerasseg.errors import InputError
from kerasseg.models import ModelSpec, pretrained
from kerasseg.run import origin, trained
from kerasseg.run.directory import Run, RunDir, open_run

NO_WEIGHTS = ("activation", "output_stride", "logits_stride", "rates")  # of a ModelSpec: the same weights fit any of them


def refuse_missing(config: TrainConfig) -> None:
    """Raises InputError where there is nothing to start from: now, and not when all pictures have been read."""
    if config.init_weights:
        trained.refuse_missing(Path(config.init_weights))
    else:
        pretrained.refuse_missing(config.backbone_weights)


def look_at_other(run: Run, dataset: Dataset, *, log: Callable[[str], None]) -> None:
    """Holds the run that --init_weights come from, where they lie in its directory, against the one that starts from them.

    Args:
        run: That starts.
        dataset: It will be trained on.
        log: Gets a line where classes, activations or data differ: pictures of this val may have been trained on.

    Raises:
        InputError: the weights are of another network or another number of classes.
    """
    path = Path(run.config.init_weights)
    if not run.config.init_weights or not RunDir(path.parent).config.is_file():
        return
    other = open_run(path.parent)
    there, here = (_network(one) for one in (other, run))
    changed = [field.name for field in dataclasses.fields(ModelSpec) if _of(other, field.name) != _of(run, field.name)]
    if other.num_classes != run.num_classes or set(changed) - set(NO_WEIGHTS):
        raise InputError(
            f"{path} is of {there}, and this is {here}; give the weights of a run with the same model, channels and classes"
        )
    if changed:
        told = (", ".join(f"{name}={_of(one, name)}" for name in changed) for one in (other, run))
        log("{} was trained with {}, and goes on with {}".format(path, *told))
    if other.class_names != dataset.class_names:
        names = (", ".join(one) for one in (other.class_names, dataset.class_names))
        log("{} was trained on the classes {}: its logits are where {} begin".format(path, *names))
    if found := origin.differences(dataset.class_names, other.data, dataset, splits=("train",)):
        log(f"{path} was trained on other data: {'; '.join(found)}; pictures of this val may be among what it has seen")


def _network(run: Run) -> str:
    channels, classes = run.spec.channels, run.num_classes
    return f"{run.config.model} with {channels} channel{'s' * (channels > 1)} and {classes} class{'es' * (classes > 1)}"


def _of(run: Run, name: str) -> object:
    return getattr(run.spec, name)
