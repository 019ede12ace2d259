"""A .tflite file and what runs it."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from kerasseg.lite.converter import convert as convert
    from kerasseg.lite.interpreter import LoadedModel as LoadedModel
    from kerasseg.lite.interpreter import predictor as predictor
    from kerasseg.lite.recipes import RECIPES as RECIPES

__all__ = ["RECIPES", "LoadedModel", "convert", "predictor"]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__, submod_attrs={"converter": ["convert"], "interpreter": ["LoadedModel", "predictor"], "recipes": ["RECIPES"]}
)
