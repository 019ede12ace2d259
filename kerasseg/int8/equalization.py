"""Cross-layer equalization: the same function with channels of like ranges, so that one int8 scale a tensor suits them all.

A convolution whose output channel c is divided by s_c, and the layers that take it, whose input channel c is multiplied by
s_c, compute what they did before (Nagel et al., ICCV 2019, section 4.1), as long as everything between them is
homogeneous: ReLU, padding, resizing, means, sums. Kernels have a scale an output channel, so dividing costs nothing, and
nothing is paid where only depthwise convolutions follow. Where a plain convolution follows, its kernel takes over the
spread, and s_c = r_c^a / w_c^(1-a) shares it between activations and weights (SmoothQuant: Xiao et al. 2023, section 4).

Hard-swish is written x * relu6(x + 3), and the missing 1/6 is such a factor: XNNPACK has no int8 HARD_SWISH, but it has ADD
(with the clamp inside) and MUL, so the file stays in one partition and computes the same.
"""

import keras
import numpy as np

from kerasseg.errors import InputError
from kerasseg.int8 import folding, walking
from kerasseg.int8.calibration import Representative
from kerasseg.int8.channels import SIXTH, Channels, is_hard_swish
from kerasseg.models import graph

STRENGTH = 0.65  # a of SmoothQuant
SAME = 5e-3  # of the largest logit: what float32 rounds differently, with room to spare (2e-4 in the tests)
FLOOR = 0.02  # of a tensor's range: channels that hardly fire are scaled as if they reached so far


def shortcuts_from_activations(model: keras.Model) -> frozenset[str]:
    """Names of the Add layers that take their shortcut from an activation rather than from a linear bottleneck.

    MobileNetV3-Large's first block does. Some channels of the stem reach 3, and 250 after the sum: no scale suits both.
    """
    parents = graph.producers(model)
    linear = (*folding.CONVOLUTIONS, keras.layers.Add)
    return frozenset(
        layer.name
        for layer in model.layers
        if isinstance(layer, keras.layers.Add) and not isinstance(parents[id(graph.inputs_of(layer)[0])], linear)
    )


def before_depthwise(model: keras.Model) -> frozenset[str]:
    """Names of the hard-swish layers that a depthwise convolution takes, whose kernels have a scale a channel.

    Most of what they give is near 0, and few channels reach 100: no scale suits all.
    """

    def is_taken(layer: keras.layers.Layer) -> bool:
        after = graph.consumers(model, layer)
        after += [
            further for one in after if isinstance(one, keras.layers.ZeroPadding2D) for further in graph.consumers(model, one)
        ]
        return any(isinstance(one, keras.layers.DepthwiseConv2D) for one in after)

    return frozenset(layer.name for layer in model.layers if is_hard_swish(layer) and is_taken(layer))


def equalize(
    model: keras.Model,
    representative: Representative,
    *,
    strength: float = STRENGTH,
    gated: frozenset[str] | None = None,
    untied: frozenset[str] | None = None,
) -> keras.Model:
    """A model that computes the same with channels of like ranges, and hard-swish in its split form.

    Args:
        model: Without batch norms after convolutions (`folding.fold`), batch 1.
        representative: Calibration images.
        strength: How much of the spread goes from activations to the kernels of plain convolutions, 0..1; depthwise
            kernels take all of it.
        gated: Names of hard-swish layers whose channels are scaled too; a 1x1 depthwise convolution before the gate
            undoes it there. None takes `before_depthwise`.
        untied: Names of Add layers whose shortcut gets a scale a channel of its own, by a 1x1 depthwise convolution. None
            takes `shortcuts_from_activations`.

    Raises:
        InputError: the network cannot be equalized so, or what came of it computes something else.
    """
    if gated is None:
        gated = before_depthwise(model)
    untied = shortcuts_from_activations(model) if untied is None else untied
    channels = Channels(model, gated=gated, untied=untied)
    reach = _reach(model, channels, representative)
    load = _load(model, channels)
    scales = dict(channels.fixed)
    for root, top in reach.items():
        if root not in channels.fixed:
            scales[root] = top**strength / load[root] ** (1 - strength) if root in load else top

    def emit(layer: keras.layers.Layer, inputs: list):
        if layer.name in channels.split:
            before = channels.scales(graph.inputs_of(layer)[0], scales)
            return _split_hard_swish(inputs[0], layer.name, before if layer.name in gated else None)
        if isinstance(layer, keras.layers.Activation):
            return _plain(layer, inputs[0])
        if layer.name in untied:
            factor = channels.scales(graph.inputs_of(layer)[0], scales) / channels.scales(layer.output, scales)
            inputs = [_affine(inputs[0], factor, 0.0, name=f"{layer.name}_shortcut"), *inputs[1:]]
        if not isinstance(layer, folding.CONVOLUTIONS):
            return folding.copy(layer, inputs)
        kernel, bias = layer.get_weights()
        before = channels.scales(graph.inputs_of(layer)[0], scales)
        after = channels.scales(layer.output, scales)
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            kernel = folding.scale_outputs(layer, kernel, before)
        else:
            kernel = folding.scale_inputs(kernel, before)
        kernel = folding.scale_outputs(layer, kernel, 1 / after)
        return folding.copy(layer, inputs, weights=(kernel, bias / after))

    equal = folding.rebuild(model, emit)
    _refuse_different(model, equal, next(representative())[0])
    return equal


def _refuse_different(model: keras.Model, equal: keras.Model, image: np.ndarray) -> None:
    before, after = (walking.output(one, image) for one in (model, equal))
    apart = float(np.abs(after - before).max() / max(np.abs(before).max(), 1e-12))
    if not apart <= SAME:
        raise InputError(
            f"the equalized network gives logits {100 * apart:.2f} % of their range away from those it came from; "
            "that is a fault of kerasseg.int8 with this network: convert it with --recipe=float16, and report it"
        )


def _split_hard_swish(x, name: str, scales: np.ndarray | None):
    """6 * hard_swish(x); for x divided by `scales`, 6 * hard_swish(x * scales) / scales."""
    gate = _affine(x, np.ones(x.shape[-1]) if scales is None else scales, 3.0, name=f"{name}_shift")
    gate = keras.layers.ReLU(6.0, name=f"{name}_relu6")(gate)
    return keras.layers.Multiply(name=name)([x, gate])


def _plain(layer: keras.layers.Activation, x):
    """An activation in the layers that it becomes in TFLite."""
    if layer.activation is keras.activations.silu:
        gate = keras.layers.Activation("sigmoid", name=f"{layer.name}_sigmoid")(x)
        return keras.layers.Multiply(name=layer.name)([x, gate])
    tops = {keras.activations.relu: None, keras.activations.relu6: 6.0}
    if layer.activation in tops:
        return keras.layers.ReLU(tops[layer.activation], name=layer.name)(x)
    return folding.copy(layer, [x])


def _affine(x, factor: np.ndarray, offset: float, *, name: str):
    """Multiplies and adds a channel, as a 1x1 depthwise convolution: its kernel has a scale a channel."""
    layer = keras.layers.DepthwiseConv2D(1, name=name)
    out = layer(x)
    layer.set_weights([factor[None, None, :, None], np.full(len(factor), offset)])
    return out


def _reach(model: keras.Model, channels: Channels, representative: Representative) -> dict[int, float]:
    """Each free root's reach over all tensors that are quantized, with a floor a tensor."""
    layers = [
        layer for layer in model.layers
        if not isinstance(layer, keras.layers.InputLayer)
        and not (isinstance(layer, folding.CONVOLUTIONS) and any(_is_relu(after) for after in graph.consumers(model, layer)))
        and any(root not in channels.fixed for root, _ in channels.roots(layer.output))
    ]  # fmt: skip
    if not layers:
        return {}
    by_picture = [_extents(model, image, layers) for (image,) in representative()]
    extents = [sum((one / len(by_picture) for one in of_layer), np.zeros(1)) for of_layer in zip(*by_picture, strict=True)]
    reach: dict[int, float] = {}
    for layer, extent in zip(layers, extents, strict=True):
        top = _least_noise(*extent)
        # What a gated hard-swish takes and six times what it gives share their scales, and are about as large without the six.
        top = top / SIXTH if _before_hard_swish(model, layer) & channels.split else top
        floored = np.maximum(top, max(FLOOR * top.max(), 1e-6))
        for (root, factor), value in zip(channels.roots(layer.output), floored, strict=True):
            reach[root] = max(float(value) / factor, reach.get(root, 0.0))
    return reach


def _least_noise(low: np.ndarray, high: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """(C,) scales that bring low..high of each channel into one range with least noise for what the channels tell.

    A range -r..1 has 255 steps; a channel divided by s = max(high, -low / r) gets noise of s * (1 + r) / 255, which counts as
    that is to the channel's spread. Channels of one sign leave the other half of a range to the rest.
    """
    ratios = np.append(np.geomspace(1 / 64, 64, 97), 1.0)
    needs = np.maximum(high, -low / ratios[:, None])
    told = np.maximum(variance, 1e-6 * max(float(variance.max()), 1e-12))
    noise = (np.square(needs * (1 + ratios[:, None])) / told).mean(1)
    return needs[noise.argmin()]


def _before_hard_swish(model: keras.Model, layer: keras.layers.Layer) -> set[str]:
    """Names of the hard-swish layers that take a layer's output, where nothing else does."""
    after = graph.consumers(model, layer)
    return {one.name for one in after} if after and all(map(is_hard_swish, after)) else set()


def _extents(model: keras.Model, image: np.ndarray, layers: list[keras.layers.Layer]) -> list[np.ndarray]:
    """Smallest (at most 0) and largest (at least 0) value and variance of each channel of layers' outputs, (3, C) a layer."""
    found = {}
    for layer, values in walking.walk(model, image):
        if layer in layers:
            if _before_hard_swish(model, layer):
                values = np.maximum(values, -3.0)  # below, hard-swish is 0 whatever it is (`ranges.cut_below_gates`)
            low, high = np.minimum(values.min((0, 1, 2)), 0.0), np.maximum(values.max((0, 1, 2)), 0.0)
            found[layer] = np.stack([low, high, values.var((0, 1, 2))])
        if len(found) == len(layers):
            break
    return [found[layer] for layer in layers]


def _load(model: keras.Model, channels: Channels) -> dict[int, float]:
    """Largest share that a channel's weights have of the range of any plain convolution's output channel."""
    load: dict[int, float] = {}
    for layer in model.layers:
        if type(layer) is keras.layers.Conv2D:
            kernel = np.abs(layer.get_weights()[0]).max((0, 1))
            shares = (kernel / np.maximum(kernel.max(0), 1e-12)).max(1)
            for (root, _), share in zip(channels.roots(graph.inputs_of(layer)[0]), shares, strict=True):
                load[root] = max(float(share), load.get(root, 1e-3))
    return load


def _is_relu(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.ReLU) or (
        isinstance(layer, keras.layers.Activation) and layer.activation in (keras.activations.relu, keras.activations.relu6)
    )
