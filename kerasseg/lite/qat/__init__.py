"""Quantization-aware training. The only package that imports tensorflow-model-optimization and tf_keras (extra `qat`)."""

from kerasseg.lite.qat.trainer import Trainer
from kerasseg.lite.qat.twin import build, predictor

__all__ = ["Trainer", "build", "predictor"]
