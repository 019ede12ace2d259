"""Kernels rounded together instead of one number at a time.

What a kernel's rounding does to its output depends on what the kernel sees. Neighbouring pixels are nearly alike: nine taps
that are rounded up one by one shift the output of a depthwise convolution, taps whose errors cancel do not. Each number is
rounded in turn, and those after it take over its error as the inputs' second moments say (GPTQ: Frantar et al., ICLR 2023,
section 3); the bias takes over what is left of its mean. Scales stay what TFLite makes of the float kernel.
"""

from collections.abc import Iterable, Iterator

import keras
import numpy as np

from kerasseg.int8 import folding, walking
from kerasseg.int8.calibration import Representative
from kerasseg.models import graph

STEPS = 127  # of TFLite's int8 kernels, each side of 0
PLACES = 500  # of a picture at which a convolution's input is looked at
TOGETHER = 1152  # most numbers of an output channel that are rounded together, 128 channels of 3x3: more would take minutes
DAMPING = 0.01  # of the mean second moment, added to each: what GPTQ takes


class Moments:
    """First and second moments of what an output channel's kernel sees, around their mean.

    Attributes:
        mean: (..., N), over all places.
        second: (..., N, N) or a list of blocks of it; a leading axis where every channel has its own, as in a depthwise one.
    """

    def __init__(self, layer: keras.layers.Layer):
        kernel = layer.get_weights()[0].shape
        self._depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        size = kernel[0] * kernel[1] * (1 if self._depthwise else kernel[2])
        step = size if self._depthwise else TOGETHER
        self.blocks = [slice(start, start + step) for start in range(0, size, step)]
        self._count = 0
        self._origin = np.zeros(1, np.float32)  # near the mean: products of large numbers would lose what tells them apart
        self._sum = np.zeros((kernel[2], size) if self._depthwise else size)
        self._products = [np.zeros((1,)) for _ in self.blocks]

    def add(self, seen: np.ndarray) -> None:
        """Takes (places, taps, channels) float32."""
        rows = seen.transpose(2, 0, 1) if self._depthwise else seen.reshape(len(seen), -1)
        if not self._count:
            self._origin = rows.mean(-2)
        rows = rows - self._origin[..., None, :]
        self._count += len(seen)
        self._sum = self._sum + rows.sum(-2, dtype=float)
        for number, block in enumerate(self.blocks):
            part = rows[..., block]
            self._products[number] = self._products[number] + np.swapaxes(part, -1, -2) @ part

    @property
    def mean(self) -> np.ndarray:
        return self._origin + self._sum / self._count

    def second(self) -> Iterator[tuple[slice, np.ndarray]]:
        """The block of numbers, and their covariance, (..., n, n) float64."""
        for block, products in zip(self.blocks, self._products, strict=True):
            mean = (self._sum / self._count)[..., block]
            yield block, products / self._count - mean[..., :, None] * mean[..., None, :]


def round_kernels(model: keras.Model, representative: Representative) -> keras.Model:
    """A copy of `model` whose kernels are whole steps of their int8 scale.

    Args:
        model: Without batch norms after convolutions (`folding.fold`), batch 1; every convolution has a bias.
        representative: Calibration images.
    """
    seen = _moments(model, representative)

    def emit(layer: keras.layers.Layer, inputs: list):
        if layer.name not in seen:
            return folding.copy(layer, inputs)
        kernel, bias = layer.get_weights()
        moments = seen[layer.name]
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            rows = kernel[..., 0].reshape(-1, kernel.shape[2])  # (taps, C)
            ((taps, second),) = moments.second()
            rounded = np.hstack([_round(rows[:, [c]], [(taps, second[c])]) for c in range(kernel.shape[2])])
            bias = bias + ((rows - rounded) * moments.mean.T).sum(0)
        else:
            rows = kernel.reshape(-1, kernel.shape[-1])
            rounded = _round(rows, moments.second())
            bias = bias + moments.mean @ (rows - rounded)
        return folding.copy(layer, inputs, weights=(rounded.reshape(kernel.shape), bias))

    return folding.rebuild(model, emit)


def _moments(model: keras.Model, representative: Representative) -> dict[str, Moments]:
    """Of every convolution, by its name."""
    layers = [layer for layer in model.layers if isinstance(layer, folding.CONVOLUTIONS)]
    moments = {layer.name: Moments(layer) for layer in layers}
    takers: dict[int, list[keras.layers.Layer]] = {}
    for layer in layers:
        takers.setdefault(id(graph.inputs_of(layer)[0]), []).append(layer)
    rng = np.random.default_rng(0)
    for (image,) in representative():
        for layer in takers.get(id(model.input), ()):
            moments[layer.name].add(_seen(layer, image, rng))
        for source, values in walking.walk(model, image):
            for layer in takers.get(id(source.output), ()):
                moments[layer.name].add(_seen(layer, values, rng))
    return moments


def _seen(layer: keras.layers.Layer, values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What the kernel of a convolution sees at PLACES places of (1, H, W, C), drawn: (places, taps, C) float32."""
    _, height, width, _ = values.shape
    _, rows, columns, _ = layer.output.shape
    places = rng.choice(rows * columns, min(PLACES, rows * columns), replace=False)
    taken, inside = [], []
    for place, axis, length, outputs in ((places // columns, 0, height, rows), (places % columns, 1, width, columns)):
        taps = np.arange(layer.kernel_size[axis]) * layer.dilation_rate[axis]
        over = (outputs - 1) * layer.strides[axis] + taps[-1] + 1 - length if layer.padding == "same" else 0
        at = (place * layer.strides[axis] - max(over, 0) // 2)[:, None] + taps
        taken.append(at.clip(0, length - 1))
        inside.append((at >= 0) & (at < length))
    seen = values[0][taken[0][:, :, None], taken[1][:, None, :]]
    seen = seen * (inside[0][:, :, None] & inside[1][:, None, :])[..., None]
    return seen.reshape(len(places), -1, values.shape[-1])


def _round(rows: np.ndarray, second: Iterable[tuple[slice, np.ndarray]]) -> np.ndarray:
    """(N, outputs) kernels -> the same in whole steps, times the scale of each output."""
    scale = np.maximum(np.abs(rows).max(0), np.finfo(np.float32).tiny) / STEPS
    # One number of an output must stay the largest, or TFLite would give it another scale.
    largest = np.abs(rows).argmax(0)
    rounded = np.empty_like(rows)
    for block, products in second:
        rounded[block] = _solve(rows[block] / scale, products, largest - block.start) * scale
    return rounded


def _solve(rows: np.ndarray, second: np.ndarray, largest: np.ndarray) -> np.ndarray:
    """GPTQ: (n, outputs) numbers of steps -> whole ones, those that vary most first."""
    order = np.argsort(-np.diag(second), kind="stable")
    second = second[np.ix_(order, order)]
    damping = max(DAMPING * float(np.diag(second).mean()), 1e-12)
    upper = np.linalg.cholesky(np.linalg.inv(second + damping * np.eye(len(order)))).T
    rest, steps = rows[order].astype(float), np.empty(rows.shape)
    for number, place in enumerate(order):
        steps[place] = np.clip(np.round(rest[number]), -STEPS, STEPS)
        steps[place] = np.where(largest == place, np.sign(rows[place]) * STEPS, steps[place])
        error = (rest[number] - steps[place]) / upper[number, number]
        rest[number + 1 :] -= upper[number, number + 1 :, None] * error
    return steps
