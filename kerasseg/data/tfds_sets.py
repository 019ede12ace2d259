"""Data sets that tensorflow_datasets prepares: Oxford-IIIT Pet, Cityscapes, ADE20K (scene_parse150)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasseg.data import labels as label_tables
from kerasseg.data import pictures
from kerasseg.data.splits import Example, Split
from kerasseg.errors import InputError

Splits = tuple[tuple[str, ...], dict[str, Split]]


def oxford_iiit_pet(data_dir: Path) -> Splits:
    """Trimaps: pet, background and the border between. Parkhi et al., "Cats and Dogs", CVPR 2012."""
    splits = _load(
        "oxford_iiit_pet", data_dir, {"train": "train", "val": "test"},
        _pet,
        num_classes=3,
    )  # fmt: skip
    return label_tables.OXFORD_IIIT_PET, splits


def cityscapes(data_dir: Path) -> Splits:
    """The 19 classes that are scored. Cordts et al., CVPR 2016."""
    splits = _load(
        "cityscapes/semantic_segmentation", data_dir, {"train": "train", "val": "validation"},
        _street,
        num_classes=len(label_tables.CITYSCAPES),
    )  # fmt: skip
    return label_tables.CITYSCAPES, splits


def ade20k(data_dir: Path) -> Splits:
    """The 150 classes of the scene parsing challenge; its 0 (other) does not count. Zhou et al., CVPR 2017."""
    splits = _load(
        "scene_parse150", data_dir, {"train": "train", "val": "test"},
        _scene,
        num_classes=len(label_tables.ADE20K),
    )  # fmt: skip
    return label_tables.ADE20K, splits


def _load(
    builder_name: str, data_dir: Path, names: dict[str, str], read: Callable[[dict], tuple], *, num_classes: int
) -> dict[str, Split]:
    try:
        import tensorflow_datasets as tfds
    except ImportError:
        raise InputError(f"{builder_name} needs tensorflow-datasets; pip install 'kerasseg[tfds]'") from None
    try:
        # ArrayRecord files can be read in any order, TFRecord files only from the start.
        builder = tfds.builder(builder_name, data_dir=str(data_dir), file_format="array_record")
        builder.download_and_prepare()
        sources = {name: builder.as_data_source(split=split) for name, split in names.items()}
    except Exception as error:  # tfds raises as many kinds as there are ways to fail
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"tensorflow_datasets could not prepare {builder_name} in {data_dir} as array_record files ({reason}); "
            f"see https://www.tensorflow.org/datasets/catalog/{builder_name.split('/')[0]} for what it needs there"
        ) from error
    return {name: _split(name, source, read, num_classes) for name, source in sources.items()}


def _pet(record: dict) -> tuple[np.ndarray, np.ndarray]:
    return record["image"], record["segmentation_mask"][..., 0] - np.uint8(1)


def _street(record: dict) -> tuple[np.ndarray, np.ndarray]:
    table = np.full(256, label_tables.IGNORE_LABEL, np.uint8)
    table[list(label_tables.CITYSCAPES_IDS)] = np.arange(len(label_tables.CITYSCAPES), dtype=np.uint8)
    return record["image_left"], table[record["segmentation_label"][..., 0]]


def _scene(record: dict) -> tuple[np.ndarray, np.ndarray]:
    # uint8 arithmetic on purpose: 0 (other) wraps to 255.
    return record["image"], record["annotation"][..., 0] - np.uint8(1)


@dataclass(frozen=True)
class RecordReader:
    """Reads examples of a prepared data set; functions of a module, so that other processes can have it.

    Attributes:
        split: Its name.
        source: The records.
        arrays: Record -> image and labels.
        num_classes: Ids at or above it, but 255, are refused.
    """

    split: str
    source: Sequence[dict]
    arrays: Callable[[dict], tuple[np.ndarray, np.ndarray]]
    num_classes: int

    def name(self, i: int) -> str:
        """What the example at a position is called."""
        return f"{self.split}_{i:05d}"

    def __call__(self, i: int) -> Example:
        """The example at a position."""
        image, labels = self.arrays(self.source[i])
        pictures.check_ids(labels, self.num_classes, source=f"{self.split} example {i}")
        return Example(self.name(i), image, labels)


def _split(split: str, source: Sequence[dict], arrays: Callable[[dict], tuple], num_classes: int) -> Split:
    read = RecordReader(split, source, arrays, num_classes)
    return Split(tuple(map(read.name, range(len(source)))), read)
