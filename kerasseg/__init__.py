"""kerasseg: from labelled images to a verified int8 segmentation model for small devices.

Importing it, or one of its packages, loads neither Keras nor TensorFlow; the first use of a name does.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from kerasseg.data.datasets import list_datasets as list_datasets
    from kerasseg.data.datasets import load_dataset as load_dataset
    from kerasseg.models import build_model as build_model
    from kerasseg.models import list_models as list_models

__version__ = "0.2.0"
__all__ = ["build_model", "list_datasets", "list_models", "load_dataset"]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__, submod_attrs={"data.datasets": ["list_datasets", "load_dataset"], "models": ["build_model", "list_models"]}
)
