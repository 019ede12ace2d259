"""From a float model to an int8 file that keeps its accuracy."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from kerasseg.int8.preparation import Prepared as Prepared
    from kerasseg.int8.preparation import QuantizationSettings as QuantizationSettings
    from kerasseg.int8.preparation import prepare as prepare
    from kerasseg.int8.preparation import prepare_model as prepare_model
    from kerasseg.int8.quantization import named_layers as named_layers
    from kerasseg.int8.quantization import quantize as quantize
    from kerasseg.int8.quantization import where_it_hurts as where_it_hurts
    from kerasseg.int8.quantization import worst_layers as worst_layers

__all__ = [
    "Prepared",
    "QuantizationSettings",
    "named_layers",
    "prepare",
    "prepare_model",
    "quantize",
    "where_it_hurts",
    "worst_layers",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "preparation": ["Prepared", "QuantizationSettings", "prepare", "prepare_model"],
        "quantization": ["named_layers", "quantize", "where_it_hurts", "worst_layers"],
    },
)
