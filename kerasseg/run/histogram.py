"""How many pixels of each id every training picture has: counted once, before the first step, and kept in the run."""

import zipfile

import numpy as np

from kerasseg import files
from kerasseg.data.splits import Split
from kerasseg.run.directory import Run


def save(run: Run, table: np.ndarray) -> None:
    """Writes labels.npz.

    Args:
        run: Of which the table is.
        table: (training pictures, 256) int64, pixels of each id.
    """
    with files.replacing(run.directory.labels) as temporary:
        np.savez_compressed(temporary, pixels=table)


def pixels(run: Run, split: Split) -> np.ndarray:
    """Pixels of each id, (pictures, 256) int64, of the run's training pictures: as kept, or counted where they are others.

    Args:
        run: The run.
        split: Its training split as it is now.
    """
    known = (run.data or {}).get("train", {}).get("fingerprint")
    if known and run.directory.labels.is_file() and split.fingerprint() == known:
        try:
            with np.load(run.directory.labels) as stored:
                return stored["pixels"]
        except (OSError, KeyError, ValueError, zipfile.BadZipFile):
            pass  # what can be counted again is no reason to stop
    return split.count_labels()
