"""The run directory, what is in it, and where a number comes from."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from kerasseg.run.directory import Run as Run
    from kerasseg.run.directory import RunDir as RunDir
    from kerasseg.run.directory import open_run as open_run
    from kerasseg.run.sidecar import Sidecar as Sidecar
    from kerasseg.run.trained import load_trained as load_trained
    from kerasseg.run.trained import predictor as predictor

__all__ = ["Run", "RunDir", "Sidecar", "load_trained", "open_run", "predictor"]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={"directory": ["Run", "RunDir", "open_run"], "sidecar": ["Sidecar"], "trained": ["load_trained", "predictor"]},
)
