"""Training a run, in float and quantization-aware."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from kerasseg.training.loop import train as train
    from kerasseg.training.qat import fine_tune as fine_tune

__all__ = ["fine_tune", "train"]

__getattr__, __dir__, _ = lazy_loader.attach(__name__, submod_attrs={"loop": ["train"], "qat": ["fine_tune"]})
