"""TFLite Micro's own interpreter. The only importer of tflite_micro, which the extra `micro` installs."""

import importlib.util
from pathlib import Path

import numpy as np

from kerasseg.errors import InputError
from kerasseg.lite.interpreter import LoadedModel, dequantize, quantize
from kerasseg.quiet import quiet

ARENA_PER_INPUT = 400  # bytes of arena tried first, a byte of float input; doubled until the model fits
LARGEST_ARENA = 2**30


def is_installed() -> bool:
    """Whether the package is there."""
    return importlib.util.find_spec("tflite_micro") is not None


class MicroModel:
    """A .tflite file in TFLite Micro's reference kernels on this machine, with the interface of `LoadedModel`."""

    def __init__(self, path: Path):
        """Loads a file; LiteRT has to accept it too.

        Raises:
            InputError: the package is missing, the file is no segmentation model, or TFLite Micro refuses it.
        """
        if not is_installed():
            raise InputError("TFLite Micro is not installed; run pip install 'kerasseg[micro]'")
        from tflite_micro.python.tflite_micro import runtime

        like = LoadedModel(path)
        self.input, self.output, self.size, self.num_classes, self.threads = (
            like.input, like.output, like.size, like.num_classes, 1,
        )  # fmt: skip
        arena = ARENA_PER_INPUT * int(np.prod(self.input.shape))
        while True:
            try:
                with quiet():
                    self._interpreter = runtime.Interpreter.from_file(str(path), arena_size=arena)
                return
            except RuntimeError as error:
                if arena >= LARGEST_ARENA:
                    reason = " ".join(str(error).split())[:200]
                    raise InputError(
                        f"{path} does not load under TFLite Micro ({reason}); look for an operator it lacks"
                    ) from error
                arena *= 2

    def set_image(self, images: np.ndarray) -> None:
        """Quantizes images (1, H, W, 3), values 0..255, and puts them in."""
        given = self.input
        self._interpreter.set_input(quantize(images, scale=given.scale, zero_point=given.zero_point, dtype=given.dtype), 0)

    def invoke(self) -> None:
        """Runs the model once."""
        self._interpreter.invoke()

    def raw_logits(self) -> np.ndarray:
        """The output as it is, (1, H, W, C)."""
        return self._interpreter.get_output(0)

    def logits(self) -> np.ndarray:
        """The output as real values, (1, H, W, C) float32."""
        return dequantize(self.raw_logits(), scale=self.output.scale, zero_point=self.output.zero_point)
