"""What a microcontroller needs of an int8 file."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from kerasseg.mcu.measurement import Inputs as Inputs
    from kerasseg.mcu.measurement import Measurement as Measurement
    from kerasseg.mcu.measurement import measure as measure
    from kerasseg.mcu.runtime import measure_arena as measure_arena

__all__ = ["Inputs", "Measurement", "measure", "measure_arena"]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__, submod_attrs={"measurement": ["Inputs", "Measurement", "measure"], "runtime": ["measure_arena"]}
)
