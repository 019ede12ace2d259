"""The table of data sets, and `load_dataset`."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kerasseg.config import TrainConfig
from kerasseg.data import camvid, folder, holdout, shapes, shards, tfds_sets, voc2012
from kerasseg.data import labels as label_tables
from kerasseg.data.splits import Split
from kerasseg.errors import InputError
from kerasseg.logits import MOST_CLASSES


@dataclass(frozen=True)
class Dataset:
    """Class names and splits ("train", "val", perhaps "test").

    Attributes:
        fixed_classes: Whether the names are a published list, of which a part of the data may lack some.
        held: What was held out of training, a sentence; empty where val is the data set's own.
    """

    name: str
    class_names: tuple[str, ...]
    splits: Mapping[str, Split]
    fixed_classes: bool = False
    held: str = ""

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    def split(self, name: str) -> Split:
        """A split by name.

        Raises:
            InputError: the data set has no such split; the message lists those it has.
        """
        if name not in self.splits:
            raise InputError(f"{self.name} has no split {name!r}; it has {', '.join(self.splits)}")
        return self.splits[name]


@dataclass(frozen=True)
class DatasetSpec:
    """How a data set is loaded.

    Attributes:
        load: data_dir -> (class names, splits).
        eval_size: (height, width) it is customarily evaluated at; None for the training size.
        needs_dir: Whether it lies in a folder of the user's.
        fixed_classes: Of `Dataset`.
        says_fixed: Whether the one in a folder has them; None where none can.
        has_names: Whether its pictures have names of their own, not numbers of their order.
    """

    load: Callable[[Path], tuple[tuple[str, ...], dict[str, Split]]]
    eval_size: tuple[int, int] | None = None
    needs_dir: bool = True
    fixed_classes: bool = False
    says_fixed: Callable[[Path], bool] | None = None
    has_names: bool = True


DATASETS = {
    "shapes": DatasetSpec(lambda _: (label_tables.SHAPES, shapes.load()), needs_dir=False),
    "camvid": DatasetSpec(lambda path: (label_tables.CAMVID, camvid.load(path)), eval_size=(360, 480)),
    "voc2012": DatasetSpec(lambda path: (label_tables.VOC2012, voc2012.load(path)), eval_size=(512, 512), fixed_classes=True),
    "oxford_iiit_pet": DatasetSpec(tfds_sets.oxford_iiit_pet, eval_size=(512, 512), has_names=False),
    "cityscapes": DatasetSpec(tfds_sets.cityscapes, eval_size=(1024, 2048), fixed_classes=True, has_names=False),
    "ade20k": DatasetSpec(tfds_sets.ade20k, eval_size=(512, 512), fixed_classes=True, has_names=False),
    "folder": DatasetSpec(folder.load, says_fixed=folder.has_fixed_classes),
    "shards": DatasetSpec(shards.load, says_fixed=shards.has_fixed_classes),
}


def list_datasets() -> list[str]:
    """Names that `load_dataset` accepts."""
    return list(DATASETS)


def load_dataset(name: str, *, data_dir: str = "") -> Dataset:
    """Finds a data set's examples; pictures are read when they are asked for.

    Args:
        name: One of `list_datasets()`.
        data_dir: Where it lies; `shapes` needs none.

    Raises:
        InputError: an unknown name, a missing or empty folder, or files that do not pair up.
    """
    if name not in DATASETS:
        raise InputError(f"unknown dataset {name!r}; known are {', '.join(DATASETS)}")
    spec = DATASETS[name]
    if spec.needs_dir and not data_dir:
        raise InputError(f"--dataset={name} needs --data_dir; say where it lies")
    if spec.needs_dir and not Path(data_dir).is_dir():
        raise InputError(f"no folder {data_dir}; --data_dir must be where {name} lies")
    class_names, splits = spec.load(Path(data_dir))
    if len(class_names) > MOST_CLASSES:
        raise InputError(
            f"{data_dir} has {len(class_names)} classes; {MOST_CLASSES} are the most: an id is a byte, 255 is unlabelled, and "
            "scores use one more"
        )
    fixed = spec.fixed_classes or (spec.says_fixed is not None and spec.says_fixed(Path(data_dir)))
    return Dataset(name, class_names, splits, fixed)


def load_for_run(config: TrainConfig, *, data_dir: str = "") -> Dataset:
    """The data set of a run: what it holds out is val, and of train and val there are as many examples as it was told to use.

    Args:
        config: Of the run.
        data_dir: Where the data set lies now; empty takes the run's own.

    Raises:
        InputError: as `load_dataset` and `holdout.hold_out`, or there are no names to hold out by.
    """
    spec = DATASETS.get(config.dataset)
    if config.holdout and spec and not spec.has_names:
        able = ", ".join(name for name, one in DATASETS.items() if one.has_names)
        raise InputError(f"--holdout needs names, and the pictures of {config.dataset} have numbers alone; it takes {able}")
    dataset = load_dataset(config.dataset, data_dir=data_dir or config.data_dir)
    splits, held = dict(dataset.splits), ""
    if config.holdout:
        splits, held = holdout.hold_out(splits, config.holdout)
    limits = {"train": config.train_examples, "val": config.val_examples}
    splits = {name: split.first(limits.get(name, 0)) for name, split in splits.items()}
    if held and any(limits.values()):
        held += f"; of those the first {len(splits['train'])} are trained on, and the first {len(splits['val'])} are val"
    return dataclasses.replace(dataset, splits=splits, held=held)


def eval_size(name: str, *, size: tuple[int, int], output_stride: int) -> tuple[int, int]:
    """The data set's customary evaluation size, rounded up to what the output stride takes."""
    height, width = DATASETS[name].eval_size or size
    return -(-height // output_stride) * output_stride, -(-width // output_stride) * output_stride
