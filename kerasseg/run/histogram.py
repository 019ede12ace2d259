"""How many pixels of each id a training picture has: counted once, before the first step, and kept in the run."""

import zipfile

import numpy as np

from kerasseg import files
from kerasseg.data.splits import Split
from kerasseg.run import origin
from kerasseg.run.directory import Run


def save(run: Run, table: np.ndarray) -> None:
    """Writes labels.npz.

    Args:
        run: Of which the table is.
        table: (training pictures, 256) int64, pixels of each id; zeros for pictures that were not looked at.
    """
    with files.replacing(run.directory.labels) as temporary:
        np.savez_compressed(temporary, pixels=table)


def kept(run: Run, split: Split) -> np.ndarray | None:
    """The table that the run keeps of its training pictures; None where there is none, or the pictures are others.

    Args:
        run: The run.
        split: Its training split as it is now.
    """
    known = (run.data or {}).get("train")
    if known and run.directory.labels.is_file() and origin.is_same(known, split):
        try:
            with np.load(run.directory.labels) as stored:
                table = stored["pixels"]
                return table if table.shape == (len(split), 256) else None
        except (OSError, KeyError, ValueError, zipfile.BadZipFile):
            pass  # what can be counted again is no reason to stop
    return None


def pixels(run: Run, split: Split) -> np.ndarray:
    """Pixels of each id, (pictures, 256) int64, of the run's training pictures: as kept, or counted where they are others.

    Args:
        run: The run.
        split: Its training split as it is now.
    """
    table = kept(run, split)
    return split.count_labels() if table is None else table
