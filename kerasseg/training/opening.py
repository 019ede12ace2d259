"""What is settled before a training begins: its run, its data, and whether the directory is its own."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasseg import files
from kerasseg.config import TrainConfig
from kerasseg.data import datasets, pasting
from kerasseg.data.splits import Split
from kerasseg.errors import InputError
from kerasseg.models import check_size, get_spec
from kerasseg.run import directory, histogram, origin
from kerasseg.run.directory import Run, RunDir
from kerasseg.training import admission, backends, distillation, hosts, start
from kerasseg.training.admission import Admitted

BATCH_SIZE = 8  # where none is asked and there are as many pictures

Log = Callable[[str], None]


@dataclass(frozen=True)
class Opened:
    """A training that may begin.

    Attributes:
        run: New, or gone on with.
        splits: Train and val.
        admitted: What was seen of them.
        resumes: Whether the first process goes on with a run.
    """

    run: Run
    splits: tuple[Split, Split]
    admitted: Admitted
    resumes: bool


def resolve(config: TrainConfig, class_names: tuple[str, ...], *, workdir: Path) -> Run:
    """The run that settings ask for, with what they leave to the model and the data set filled in.

    Raises:
        InputError: an unknown model, or a size that the output stride does not divide.
    """
    spec = get_spec(config.model, output_stride=config.output_stride, activation=config.activation, channels=config.channels)
    check_size(config.size, output_stride=spec.output_stride)
    eval_size = config.eval_size
    if eval_size == (0, 0):
        eval_size = datasets.eval_size(config.dataset, size=config.size, output_stride=spec.output_stride)
    check_size(eval_size, output_stride=spec.output_stride)
    return Run(RunDir(workdir), config, class_names, eval_size, spec.output_stride)


def opened(config: TrainConfig, *, workdir: Path, accept: Sequence[str], log: Log) -> Opened:
    """Looks at settings, data and directory, and writes nothing.

    Raises:
        InputError: something is wrong with one of them.
    """
    admission.check_accept(accept)
    begins = not RunDir(workdir).checkpoint.exists()
    if begins:
        start.refuse_missing(config)
    for line in _idle(config):
        log(line)
    dataset = datasets.load_for_run(config)
    if dataset.held:
        log(dataset.held)
    splits = dataset.split("train"), dataset.split("val")
    config = _with_batch_size(config, len(splits[0]), log)
    run = resolve(config, dataset.class_names, workdir=workdir)
    if hosts.is_first():
        directory.refuse_other(run)
    teacher = distillation.find(config, dataset, workdir=workdir, log=log)
    run = dataclasses.replace(run, data=origin.describe(dataset), made_with=backends.made_with(), teacher=teacher)
    if hosts.is_first():
        _go_on(run, dataset, log)
        files.remove_leftovers(workdir)
    if begins:
        start.look_at_other(run, dataset, log=log)
    admitted = admission.admit(dataset, run, accept=accept, log=log)
    if config.rare_paste:
        donors = splits[0].donors = pasting.donors(admitted.pixels, num_classes=run.num_classes)
        rare = ", ".join(dataset.class_names[i] for i in donors.classes)
        log(f"rare, and pasted into {100 * config.rare_paste:.0f} % of the crops: {rare}")
    return Opened(run, splits, admitted, resumes=not begins)


def write(opened: Opened) -> None:
    """Writes what the run keeps of its settings and data: when nothing can be refused any more."""
    run = opened.run
    directory.create(run)
    histogram.save(run, opened.admitted.pixels)
    files.write_json(run.directory.data, opened.admitted.story)


def agreed(opened: Opened) -> Opened:
    """The same training in every process, with the pixels a class, and the rare ones, that the first one counted.

    Raises:
        InputError: this process was given other settings or data than the first.
    """
    run = opened.run
    asked = directory.decisive(run.config)
    mine = json.loads(json.dumps(asked | {"class names": run.class_names, "data": run.data, "teacher": run.teacher}))
    train, counted = opened.splits[0], opened.admitted.pixels.sum(0).tolist()
    donors = dataclasses.asdict(train.donors) if train.donors else None
    theirs, pixels, resumes, donors = hosts.shared([mine, counted, opened.resumes, donors])
    directory.refuse_different(
        theirs, mine, holds="the first process trains", instead="the same files where this one looks for them"
    )
    if hosts.is_first():
        return opened
    train.donors = pasting.Donors(**donors) if donors else None
    admitted = dataclasses.replace(opened.admitted, pixels=np.array([pixels], np.int64))
    return dataclasses.replace(opened, admitted=admitted, resumes=resumes)


def _idle(config: TrainConfig) -> list[str]:
    """What was asked for and does nothing, a line each."""
    lines = []
    if config.optimizer != "sgd" and config.momentum != TrainConfig.momentum:
        lines.append(f"--momentum: of no use for {config.optimizer}")
    if config.class_weights != "none" and not config.ce_weight:
        lines.append("--class_weights: of no use without cross-entropy, whose pixels alone they weigh (--ce_weight=0)")
    if config.backbone_lr_factor == 0 and config.backbone_weights == "none" and not config.init_weights:
        lines.append(
            "--backbone_lr_factor=0 freezes a backbone of random numbers (--backbone_weights=none): the head alone learns"
        )
    return lines


def _with_batch_size(config: TrainConfig, examples: int, log: Log) -> TrainConfig:
    """The settings with a batch size that can be trained with.

    Raises:
        InputError: there is none, or the one that is asked for cannot.
    """
    devices = hosts.device_count()
    if not config.batch_size:
        size = min(BATCH_SIZE, examples) // devices * devices or min(devices, examples)
        config = dataclasses.replace(config, batch_size=size)
        if size < BATCH_SIZE:
            log(f"a batch is {size} images, as many as there are" + (f" for {devices} devices" if devices > 1 else ""))
    if examples < config.batch_size:
        raise InputError(f"{examples} training examples do not fill a batch of {config.batch_size}; lower --batch_size")
    if config.batch_size == 1:
        raise InputError(
            "batch_size=1 cannot train: the batch norm of the head's image pooling would see one value a channel, find no "
            "variance, and validation would run another network than training; give at least 2"
        )
    if config.batch_size % devices:
        raise InputError(f"batch_size={config.batch_size} cannot be shared among {devices} devices; give a multiple of them")
    return config


def _go_on(run: Run, dataset: datasets.Dataset, log: Log) -> None:
    """Holds data, teacher and backend against those that the run in the directory was begun with.

    Raises:
        InputError: the data or the teacher is another.
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
    distillation.refuse_other(begun, run)
    before, now = (" and ".join((one.made_with or {}).values()) for one in (begun, run))
    if before and before != now:
        log(f"begun with {before}, goes on with {now}: the weights will not be those of an undisturbed run")
