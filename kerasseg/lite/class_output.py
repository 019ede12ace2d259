"""How the output of a .tflite file becomes class ids: logits, one channel, or a map of ids."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from PIL import Image

from kerasseg.errors import InputError
from kerasseg.lite.flatbuffer import Graph, Operator
from kerasseg.lite.tensors import Tensor
from kerasseg.logits import MOST_CLASSES, class_ids

STRIDES = (1, 2, 4, 8, 16, 32)
# Operators that hand on what they are given, for what is asked here: which class, and whether it is a sigmoid.
_HANDING_ON = {"DEQUANTIZE", "QUANTIZE", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "CAST", "RESIZE_NEAREST_NEIGHBOR"}
# What gives a number of either sign, which is a logit at a network's end.
_LINEAR = {"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "ADD", "SUB"}


@dataclass(frozen=True)
class ClassOutput(ABC):
    """The output of a segmentation model.

    Attributes:
        tensor: The output.
        num_classes: How many.
        size: (height, width) of the class ids.
    """

    tensor: Tensor
    num_classes: int
    size: tuple[int, int]

    @property
    @abstractmethod
    def about(self) -> str:
        """What it is, in words."""

    @abstractmethod
    def ids(self, raw: np.ndarray) -> np.ndarray:
        """Class ids (1, *size) uint8 of the output as it is in the file.

        Raises:
            InputError: a number that is not finite, or an id beyond the classes.
        """


@dataclass(frozen=True)
class Logits(ClassOutput):
    """One number a class.

    Attributes:
        channels_first: Whether the output is (1, classes, height, width).
    """

    channels_first: bool = False

    @property
    def about(self) -> str:
        return f"logits of {self.num_classes} classes"

    def ids(self, raw: np.ndarray) -> np.ndarray:
        return class_ids(np.moveaxis(raw, 1, -1) if self.channels_first else raw, size=self.size)


@dataclass(frozen=True)
class OneChannel(ClassOutput):
    """One number a pixel: class 1 where it passes a threshold.

    Attributes:
        threshold: In real values.
    """

    threshold: float = 0.0

    @property
    def about(self) -> str:
        return f"one channel, {'a sigmoid' if self.threshold else 'a logit'}: class 1 where it passes {self.threshold:g}"

    def ids(self, raw: np.ndarray) -> np.ndarray:
        given = self.tensor
        threshold = self.threshold / given.scale + given.zero_point if given.scale else self.threshold
        passing = _plane(raw).astype(np.float32)[..., None]
        return class_ids(np.concatenate([np.full_like(passing, threshold), passing], -1), size=self.size)


@dataclass(frozen=True)
class ClassMap(ClassOutput):
    """The ids themselves."""

    @property
    def about(self) -> str:
        return f"a map of class ids, {self.tensor.dtype}, {self.num_classes} classes"

    def ids(self, raw: np.ndarray) -> np.ndarray:
        ids = _plane(raw)
        if ids.min() < 0 or ids.max() >= self.num_classes:
            raise InputError(
                f"the model gives class {ids.min()} to {ids.max()}, of {self.num_classes}; it is no map of class ids"
            )
        ids = ids.astype(np.uint8)
        if ids.shape[1:] == self.size:
            return ids
        return np.asarray(Image.fromarray(ids[0]).resize(self.size[::-1], Image.Resampling.NEAREST))[None]


def _plane(raw: np.ndarray) -> np.ndarray:
    """(1, h, w), whichever side the one channel stands on."""
    height_and_width = _without_channel(raw.shape)
    assert height_and_width is not None
    return raw.reshape(1, *height_and_width)


def class_output(graph: Graph, *, size: tuple[int, int], channels_first: bool, file: str) -> ClassOutput:
    """Reads off the only output of a file what it is; at most MOST_CLASSES classes.

    Args:
        graph: The file.
        size: (height, width) of its input.
        channels_first: Whether the input has its channels first, for outputs that could be read either way.
        file: Its name, for the message.

    Raises:
        InputError: it is no segmentation model's.
    """
    tensor = graph.tensor(int(graph.model.subgraphs[0].outputs[0]))
    if tensor is None:
        raise InputError(f"{file} gives a tensor that is no plain number, or has a scale a channel; convert it again")
    found = _read(graph, tensor, size, channels_first, file)
    if found.num_classes > MOST_CLASSES:
        raise InputError(
            f"{file} gives {found.num_classes} classes; {MOST_CLASSES} are the most that class ids of a byte have room for: "
            "end the network with fewer"
        )
    return found


def _read(graph: Graph, tensor: Tensor, size: tuple[int, int], channels_first: bool, file: str) -> ClassOutput:
    plane = _without_channel(tensor.shape)
    if plane and _is_fraction(plane, size):
        if tensor.dtype.kind in "iub" and tensor.scale == 0:
            return ClassMap(tensor, _classes_of_map(graph, tensor, file), size)
        return OneChannel(tensor, 2, size, _threshold(graph, tensor, file))
    shape = tensor.shape
    if len(shape) == 4 and shape[0] == 1 and (tensor.dtype.kind == "f" or tensor.scale):
        for first in (channels_first, not channels_first):
            height, width = shape[2:] if first else shape[1:3]
            if _is_fraction((height, width), size):
                return Logits(tensor, shape[1] if first else shape[3], size, first)
    raise InputError(
        f"{file} gives {shape} {tensor.dtype} for pictures of {size}; logits are (1, height, width, classes), "
        "or a whole fraction of that height and width; class ids are (1, height, width)"
    )


def _without_channel(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """(height, width) of an output with one channel, or none; else None."""
    if len(shape) == 3 and shape[0] == 1:
        return shape[1], shape[2]
    if len(shape) == 4 and shape[0] == 1 and 1 in (shape[3], shape[1]):
        return (shape[1], shape[2]) if shape[3] == 1 else (shape[2], shape[3])
    return None


def _is_fraction(plane: tuple[int, int], size: tuple[int, int]) -> bool:
    return any(size == (plane[0] * stride, plane[1] * stride) for stride in STRIDES)


def _maker(graph: Graph, tensor: int, *, through: set[str]) -> Operator | None:
    """The operator that computes a tensor, past those that only hand on."""
    makers = {output: operator for operator in graph.operators for output in operator.outputs}
    while tensor in makers and makers[tensor].name in through:
        tensor = makers[tensor].inputs[0]
    return makers.get(tensor)


def _classes_of_map(graph: Graph, tensor: Tensor, file: str) -> int:
    """How many classes ARG_MAX chose among."""
    maker = _maker(graph, tensor.index, through=_HANDING_ON)
    axis = graph.constant(maker.inputs[1]) if maker is not None and maker.name == "ARG_MAX" else None
    if maker is None or axis is None:
        kind = maker.name if maker is not None else "no operator"
        raise InputError(
            f"{file} gives {tensor.dtype} {tensor.shape}, made by {kind} and not by ARG_MAX: how many classes there are cannot "
            "be told; end the network with logits or an arg max"
        )
    return graph.shape(maker.inputs[0])[int(axis.reshape(-1)[0])]


def _threshold(graph: Graph, tensor: Tensor, file: str) -> float:
    """What one channel has to pass: 0.5 of a sigmoid, 0 of a logit."""
    maker = _maker(graph, tensor.index, through=_HANDING_ON - {"CAST"} | {"RESIZE_BILINEAR", "DEPTH_TO_SPACE"})
    if maker is not None and maker.name == "LOGISTIC":
        return 0.5
    if maker is not None and maker.name in _LINEAR and not getattr(maker.options, "fusedActivationFunction", 0):
        return 0.0
    kind = maker.name if maker is not None else "no operator"
    if kind in _LINEAR:
        kind += " with an activation in it"
    raise InputError(
        f"{file} gives one channel made by {kind}: neither a sigmoid nor a logit, so that no threshold can be told; "
        "end the network with a sigmoid or a convolution without activation, or with a channel a class"
    )
