"""Data sets, augmentation and the pipeline of batches."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from kerasseg.data.datasets import Dataset as Dataset
    from kerasseg.data.datasets import list_datasets as list_datasets
    from kerasseg.data.datasets import load_dataset as load_dataset
    from kerasseg.data.datasets import load_for_run as load_for_run
    from kerasseg.data.splits import Example as Example
    from kerasseg.data.splits import Split as Split

__all__ = ["Dataset", "Example", "Split", "list_datasets", "load_dataset", "load_for_run"]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={"datasets": ["Dataset", "list_datasets", "load_dataset", "load_for_run"], "splits": ["Example", "Split"]},
)
