"""An input or output of a .tflite file, and the arithmetic between its integers and real values."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Tensor:
    """An input or output of a file.

    Attributes:
        index: Of the interpreter, and of the file's table.
        shape: As in the file.
        dtype: NumPy type.
        scale: Of real = scale * (quantized - zero_point); 0 where the tensor is not quantized.
        zero_point: See scale.
    """

    index: int
    shape: tuple[int, ...]
    dtype: np.dtype
    scale: float
    zero_point: int

    @property
    def low(self) -> float:
        """The smallest real value that a quantized tensor holds."""
        return self.scale * (float(np.iinfo(self.dtype).min) - self.zero_point)

    @property
    def high(self) -> float:
        """The largest."""
        return self.scale * (float(np.iinfo(self.dtype).max) - self.zero_point)


def quantize(values: np.ndarray, *, scale: float, zero_point: int, dtype: np.dtype) -> np.ndarray:
    """Real values to integers: round (half away from zero, as TFLite's kernels), clip, cast.

    Args:
        values: Float array of any shape.
        scale: Step; 0 means not quantized, and values are only cast.
        zero_point: The integer that stands for 0.
        dtype: int8, uint8 or int16, or any type where scale is 0.
    """
    if scale == 0:
        return values.astype(dtype)
    steps = values / scale
    steps = np.trunc(steps + np.copysign(0.5, steps)) + zero_point
    limits = np.iinfo(dtype)
    return np.clip(steps, limits.min, limits.max).astype(dtype)


def dequantize(values: np.ndarray, *, scale: float, zero_point: int) -> np.ndarray:
    """Integers to real values, float32; float arrays pass."""
    if scale == 0:
        return values.astype(np.float32)
    return (values.astype(np.float32) - zero_point) * np.float32(scale)
