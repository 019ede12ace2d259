"""How a picture becomes the input of a .tflite file: layout, channels, range, steps."""

from dataclasses import dataclass

import numpy as np

from kerasseg import grey
from kerasseg.errors import InputError
from kerasseg.lite.flatbuffer import Graph
from kerasseg.lite.input_range import PIXELS, Range
from kerasseg.lite.tensors import Tensor, quantize

_LAYOUTS = "(1, height, width, channels) or (1, channels, height, width), with 1 or 3 channels"


@dataclass(frozen=True)
class PictureInput:
    """The input of a file that takes one picture.

    Attributes:
        tensor: The input.
        size: (height, width).
        channels: 3, or 1 of a network that takes grey.
        channels_first: Whether the input is (1, channels, height, width).
        taken: What becomes of 0..255.
    """

    tensor: Tensor
    size: tuple[int, int]
    channels: int
    channels_first: bool
    taken: Range = PIXELS

    def array(self, images: np.ndarray) -> np.ndarray:
        """What is put into the file.

        Args:
            images: (1, H, W, 3) or, for a file that takes grey, (1, H, W, 1), values 0..255.

        Returns:
            Of the input's shape and type.
        """
        values = self.taken.values(grey.fitted(images, self.channels))
        if self.channels_first:
            values = np.moveaxis(values, -1, 1)
        given = self.tensor
        return quantize(values, scale=given.scale, zero_point=given.zero_point, dtype=given.dtype)


def open_batch(graph: Graph, *, file: object) -> str:
    """What is to be said of a file whose first input has an open batch, -1 in its shape_signature; empty where it is fixed.

    Raises:
        InputError: height, width or channels are open.
    """
    tensor = int(graph.model.subgraphs[0].inputs[0])
    found = graph.tensors[tensor].shapeSignature
    signature = graph.shape(tensor) if found is None else tuple(map(int, found))
    if -1 in signature[1:]:
        raise InputError(f"{file} has an open size {signature}; convert it with a fixed height and width")
    return f"{file} leaves its batch open; it is run with batch 1" if -1 in signature else ""


def picture_input(tensor: Tensor | None, *, file: str, taken: Range = PIXELS) -> PictureInput:
    """Reads the layout off an input.

    Args:
        tensor: The only input of a file; None for one of a type that is no plain number.
        file: Its name, for the message.
        taken: What becomes of 0..255.

    Raises:
        InputError: it is no picture, more than one, or of a type that none is handed over in.
    """
    if tensor is None:
        raise InputError(f"{file} takes a tensor that is no plain number; an image input is float32, int8, uint8 or int16")
    shape = tensor.shape
    if len(shape) != 4:
        raise InputError(f"{file} takes {shape}; an image input is {_LAYOUTS}")
    channels_first = shape[3] not in (1, 3) and shape[1] in (1, 3)
    if not channels_first and shape[3] not in (1, 3):
        raise InputError(f"{file} takes {shape}; an image input is {_LAYOUTS}")
    if shape[0] != 1:
        raise InputError(f"{file} takes {shape[0]} pictures at a time, {shape}; convert it with batch 1")
    if tensor.dtype not in (np.float32, np.int8, np.uint8, np.int16) or (
        tensor.scale == 0 and tensor.dtype in (np.int8, np.int16)
    ):
        scale = " without a scale" if tensor.dtype.kind in "iu" and tensor.scale == 0 else ""
        raise InputError(f"{file} takes {tensor.dtype}{scale}; an image input is float32, uint8, or int8 or int16 with a scale")
    channels, *size = shape[1:] if channels_first else (shape[3], *shape[1:3])
    return PictureInput(tensor, (size[0], size[1]), channels, channels_first, taken)
