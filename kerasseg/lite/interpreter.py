"""LiteRT: loading a .tflite file, quantizing its input, reading its output."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from ai_edge_litert import interpreter as litert

from kerasseg.errors import InputError
from kerasseg.logits import class_ids
from kerasseg.quiet import quiet

KERNELS = ("xnnpack", "reference")


@dataclass(frozen=True)
class Tensor:
    """An input or output of a file.

    Attributes:
        index: Of the interpreter.
        shape: As in the file.
        dtype: NumPy type.
        scale: Of real = scale * (quantized - zero_point); 0 where the tensor is float.
        zero_point: See scale.
    """

    index: int
    shape: tuple[int, ...]
    dtype: np.dtype
    scale: float
    zero_point: int


def quantize(values: np.ndarray, *, scale: float, zero_point: int, dtype: np.dtype) -> np.ndarray:
    """Real values to integers: round (half away from zero, as TFLite's kernels), clip, cast.

    Args:
        values: Float array of any shape.
        scale: Step; 0 means not quantized, and values are only cast.
        zero_point: The integer that stands for 0.
        dtype: int8 or uint8, or a float type where scale is 0.
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


class Runnable(Protocol):
    """Anything that runs on one picture: a .tflite file in LiteRT or in TFLite Micro."""

    input: Tensor
    threads: int

    @property
    def size(self) -> tuple[int, int]: ...

    def set_image(self, images: np.ndarray) -> None: ...

    def invoke(self) -> None: ...


class Segmenting(Runnable, Protocol):
    """A Runnable whose output is logits."""

    output: Tensor

    @property
    def num_classes(self) -> int: ...

    def raw_logits(self) -> np.ndarray: ...


class ImageModel:
    """A .tflite file that takes one picture and gives one tensor of any kind: what can be timed.

    Attributes:
        input: Its only input, an image (1, H, W, 3).
        output: Its only output.
        threads: Of the interpreter.
    """

    def __init__(self, source: Path | bytes, *, kernels: str = "xnnpack", threads: int = 1):
        """Loads a file under LiteRT.

        Args:
            source: Path or content.
            kernels: "xnnpack", LiteRT's default, or "reference", its plain kernels without any delegate.
            threads: Of the interpreter.

        Raises:
            InputError: no such file, no model in it, one that LiteRT refuses, or one of other inputs and outputs.
        """
        name = _name(source)
        self.threads = threads
        if kernels not in KERNELS:
            raise InputError(f"kernels {kernels!r} are unknown; give one of {', '.join(KERNELS)}")
        if not isinstance(source, bytes):
            if not source.is_file():
                raise InputError(f"no file {source}; check the path")
            source = source.read_bytes()
        resolver = litert.OpResolverType.BUILTIN_REF if kernels == "reference" else litert.OpResolverType.AUTO
        try:
            with quiet():
                self._interpreter = litert.Interpreter(
                    model_content=source, num_threads=threads, experimental_op_resolver_type=resolver
                )
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                f"{name} does not load under LiteRT with {kernels} kernels ({reason}); convert it again"
            ) from error
        inputs, outputs = (self._interpreter.get_input_details(), self._interpreter.get_output_details())
        if len(inputs) != 1 or len(outputs) != 1:
            raise InputError(
                f"{name} has {len(inputs)} inputs and {len(outputs)} outputs; a segmentation model has one of each"
            )
        self.input, self.output = tensor_of(inputs[0]), tensor_of(outputs[0])
        if len(self.input.shape) != 4 or self.input.shape[0] != 1 or self.input.shape[3] != 3:
            raise InputError(f"{name} takes {self.input.shape}; an image input is (1, height, width, 3)")
        signature = tuple(int(side) for side in inputs[0]["shape_signature"])
        if -1 in signature:
            raise InputError(f"{name} has an open size {signature}; convert it with batch 1 and a fixed size")

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the input."""
        return self.input.shape[1], self.input.shape[2]

    def set_image(self, images: np.ndarray) -> None:
        """Quantizes images (1, H, W, 3), values 0..255, and puts them in."""
        given = self.input
        self._interpreter.set_tensor(
            given.index, quantize(images, scale=given.scale, zero_point=given.zero_point, dtype=given.dtype)
        )

    def invoke(self) -> None:
        """Runs the model once."""
        self._interpreter.invoke()

    def raw_output(self) -> np.ndarray:
        """The output as it is in the file."""
        return self._interpreter.get_tensor(self.output.index)


class LoadedModel(ImageModel):
    """A .tflite segmentation model, ready to run.

    Attributes:
        output: Its only output, logits (1, H / s, W / s, C) with a whole number s.
    """

    def __init__(self, source: Path | bytes, *, kernels: str = "xnnpack", threads: int = 1):
        """As `ImageModel`.

        Raises:
            InputError: as there, or the output is no logits at the input's size.
        """
        super().__init__(source, kernels=kernels, threads=threads)
        if not _are_logits(self.output.shape, self.size):
            raise InputError(
                f"{_name(source)} gives {self.output.shape} for {self.input.shape}; logits are (1, height, width, classes), "
                "or a whole fraction of that height and width"
            )

    @property
    def num_classes(self) -> int:
        return self.output.shape[3]

    def raw_logits(self) -> np.ndarray:
        """The output as it is, (1, H, W, C), integers where the file is quantized."""
        return self.raw_output()


def _name(source: Path | bytes) -> str:
    return "the model" if isinstance(source, bytes) else str(source)


def _are_logits(shape: tuple[int, ...], size: tuple[int, int]) -> bool:
    if len(shape) != 4 or shape[0] != 1:
        return False
    return any(size == (shape[1] * stride, shape[2] * stride) for stride in (1, 2, 4, 8, 16, 32))


def tensor_of(detail: dict) -> Tensor:
    """An input or output as LiteRT describes it."""
    scale, zero_point = detail["quantization"]
    return Tensor(
        detail["index"], tuple(int(n) for n in detail["shape"]), np.dtype(detail["dtype"]), float(scale), int(zero_point)
    )


def predictor(model: Segmenting) -> Callable[[np.ndarray], np.ndarray]:
    """Images (1, H, W, 3) uint8 -> class ids (1, H, W) uint8, by the largest logit."""

    def predict(images: np.ndarray) -> np.ndarray:
        model.set_image(images.astype(np.float32))
        model.invoke()
        return class_ids(model.raw_logits(), size=model.size)

    return predict
