"""Quantization-aware training. The only package that imports tensorflow-model-optimization and tf_keras (extra `qat`)."""

from kerasseg.int8.twin.network import build, predictor
from kerasseg.int8.twin.quantizers import Grid
from kerasseg.int8.twin.trainer import Trainer

__all__ = ["Grid", "Trainer", "build", "predictor"]
