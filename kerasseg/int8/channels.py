"""Which channels of which tensors must be scaled alike for a network to compute what it did."""

import keras
import numpy as np

from kerasseg.errors import InputError
from kerasseg.int8 import folding
from kerasseg.models import graph

SIXTH = 1 / 6  # of a hard-swish written x * relu6(x + 3)

_HOMOGENEOUS = (
    keras.layers.ReLU, keras.layers.ZeroPadding2D, keras.layers.GlobalAveragePooling2D, keras.layers.Resizing,
    keras.layers.Add, keras.layers.Multiply, keras.layers.Concatenate,
)  # fmt: skip


class Channels:
    """Which channels of which tensors must be scaled alike: a union-find whose edges carry a factor.

    Attributes:
        fixed: Root -> the scale it must have.
        split: Names of the hard-swish layers that can do without their 1/6.

    Raises:
        InputError: a channel must be scaled in two ways at once.
    """

    def __init__(self, model: keras.Model, *, gated: frozenset[str], untied: frozenset[str]):
        self._parents: list[int] = []
        self._factors: list[float] = []  # scale of a channel = factor * scale of its parent
        self._of: dict[int, np.ndarray] = {}
        self._demands: list[tuple[int, float, str]] = []
        self._wishes: list[tuple[int, float]] = []  # of a hard-swish that would rather do without its 1/6
        self.fixed: dict[int, float] = {}
        self._add(model.input)
        self._demand(model.input, 1.0, "the input")
        for layer in model.operations:
            if not isinstance(layer, keras.layers.InputLayer):
                self._visit(layer, layer.name in gated, layer.name in untied)
        self._demand(model.output, 1.0, "the output")
        self._settle()
        self.split = {
            layer.name for layer in model.layers
            if is_hard_swish(layer)
            and (layer.name in gated or all(scale == SIXTH for scale in self.scales(layer.output, self.fixed)))
        }  # fmt: skip

    def _settle(self) -> None:
        for channel, scale, where in self._demands:
            root, factor = self.find(channel)
            asked = scale / factor
            if not np.isclose(self.fixed.setdefault(root, asked), asked):
                raise InputError(
                    f"{where} needs a channel scaled by {asked:.4g}, another layer the same one by {self.fixed[root]:.4g}: "
                    "this network cannot be equalized so; leave that hard-swish out of `gated`, or that Add out of `untied`"
                )
        demanded = frozenset(self.fixed)
        for channel, scale in self._wishes:
            root, factor = self.find(channel)
            if root not in demanded:
                self.fixed[root] = max(scale / factor, self.fixed.get(root, 0.0))

    def roots(self, tensor) -> list[tuple[int, float]]:
        """(root, factor) of each channel of a tensor."""
        return [self.find(channel) for channel in self._of[id(tensor)]]

    def scales(self, tensor, of_roots: dict[int, float]) -> np.ndarray:
        """The scale of each channel of a tensor, (C,); 1 where its root has none."""
        return np.array([factor * of_roots.get(root, 1.0) for root, factor in self.roots(tensor)])

    def find(self, channel: int) -> tuple[int, float]:
        factor = 1.0
        while self._parents[channel] != channel:
            factor *= self._factors[channel]
            channel = self._parents[channel]
        return int(channel), factor

    def _visit(self, layer: keras.layers.Layer, gated: bool, untied: bool) -> None:
        inputs = graph.inputs_of(layer)
        first = self._of[id(inputs[0])]
        if isinstance(layer, folding.CONVOLUTIONS):
            self._add(layer.output)
        elif isinstance(layer, keras.layers.Multiply):
            whole, gate = sorted(inputs, key=lambda tensor: -tensor.shape[1])
            self._demand(gate, 1.0, layer.name)
            self._of[id(layer.output)] = self._of[id(whole)]
        elif isinstance(layer, keras.layers.Concatenate):
            self._of[id(layer.output)] = np.concatenate([self._of[id(tensor)] for tensor in inputs])
        elif isinstance(layer, keras.layers.Add):
            tied = inputs[1:] if untied else inputs
            self._of[id(layer.output)] = self._of[id(tied[0])]
            for other in tied[1:]:
                self._tie(self._of[id(other)], self._of[id(tied[0])], 1.0)
        elif is_homogeneous(layer):
            self._of[id(layer.output)] = first
        elif gated:
            self._add(layer.output)
            self._tie(self._of[id(layer.output)], first, SIXTH)
        else:
            for tensor in inputs:
                self._demand(tensor, 1.0, layer.name)
            self._add(layer.output)
            if is_hard_swish(layer):
                self._wishes += [(int(channel), SIXTH) for channel in self._of[id(layer.output)]]
            else:
                self._demand(layer.output, 1.0, layer.name)

    def _add(self, tensor) -> None:
        start, count = len(self._parents), tensor.shape[-1]
        self._parents += range(start, start + count)
        self._factors += [1.0] * count
        self._of[id(tensor)] = np.arange(start, start + count)

    def _demand(self, tensor, scale: float, where: str) -> None:
        self._demands += [(int(channel), scale, where) for channel in self._of[id(tensor)]]

    def _tie(self, channels: np.ndarray, others: np.ndarray, factor: float) -> None:
        """Makes the scale of each channel `factor` times that of the other."""
        for (root, own), (other, others_own) in zip(map(self.find, channels), map(self.find, others), strict=True):
            if root != other:
                self._parents[root] = other
                self._factors[root] = factor * others_own / own


def is_hard_swish(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.Activation) and layer.activation is keras.activations.hard_swish


def is_homogeneous(layer: keras.layers.Layer) -> bool:
    """Whether scaling a channel of the input scales that channel of the output alike."""
    if isinstance(layer, keras.layers.Activation):
        return layer.activation in (keras.activations.relu, keras.activations.linear)
    if isinstance(layer, keras.layers.ReLU):
        return layer.max_value is None and not layer.threshold
    return isinstance(layer, _HOMOGENEOUS)
