"""Convolutions as JAX computes them fast: depthwise ones as shifted sums, the others as matrix products.

On a processor XLA's gradient of a grouped convolution costs what a dense one's does, and wide 3x3 ones go Winograd's way,
which multiplies a quarter as often. On a GPU cuDNN has to try each of
its ways for each shape, which takes minutes before the first step, and what it takes untried is slow (BUILD.md).
"""

import functools

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax import lax

from kerasseg.models import jax_winograd, winograd


class DepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """Keras' layer, for those that `is_plain` accepts. The name is Keras' own, since .weights.h5 files hold it."""

    def call(self, inputs):
        kernel = keras.ops.cast(keras.ops.convert_to_tensor(self.kernel), inputs.dtype)[..., 0]
        return convolve(inputs, kernel, self.strides[0], self.dilation_rate[0], self.padding)


class Conv2D(keras.layers.Conv2D):
    """Keras' layer, for those that `is_product` accepts on a GPU, `winograd.is_wide_3x3` elsewhere. The name is Keras' own."""

    def convolution_op(self, inputs, kernel):
        kernel = keras.ops.convert_to_tensor(kernel)
        if jax.default_backend() == "gpu":
            return as_product(inputs, kernel, self.dilation_rate[0])
        return jax_winograd.convolve(inputs, kernel)


def is_plain(layer: keras.Layer) -> bool:
    """Whether it is a depthwise convolution with one kernel a channel, and nothing after it."""
    return (
        type(layer) is keras.layers.DepthwiseConv2D
        and (layer.depth_multiplier, layer.use_bias, layer.data_format) == (1, False, "channels_last")
        and layer.activation is keras.activations.linear
        and len(set(layer.strides)) == len(set(layer.dilation_rate)) == 1
    )


def is_product(layer: keras.Layer) -> bool:
    """Whether it is a convolution that keeps height and width, with channels enough for a matrix product."""
    return (
        type(layer) is keras.layers.Conv2D
        and (layer.strides, layer.groups, layer.data_format) == ((1, 1), 1, "channels_last")
        and (layer.padding == "same" or layer.kernel_size == (1, 1))
        and len(set(layer.dilation_rate)) == 1
        and all(size % 2 for size in layer.kernel_size)
        and min(layer.kernel.shape[2:]) >= 8
    )


def clone(model: keras.Model) -> keras.Model:
    """A model with the same weights and names whose convolutions are computed as this module does, on what JAX computes on."""
    fast = keras.models.clone_model(model, clone_function=_fast)
    fast.set_weights(model.get_weights())
    return fast


def _fast(layer: keras.Layer) -> keras.Layer:
    kind = layer.__class__
    if is_plain(layer):
        kind = DepthwiseConv2D
    elif _is_fast(layer):
        kind = Conv2D
    return kind.from_config(layer.get_config())


def _is_fast(layer: keras.Layer) -> bool:
    """Whether `Conv2D` computes it, where JAX does."""
    device = jax.default_backend()
    return (device == "gpu" and is_product(layer)) or (device == "cpu" and winograd.is_wide_3x3(layer))


def convolve(inputs: jax.Array, kernel: jax.Array, stride: int, dilation: int, padding: str) -> jax.Array:
    """A depthwise convolution as a sum of shifted pictures, each times a row of the kernel.

    Args:
        inputs: (B, H, W, C) float.
        kernel: (k, l, C), of the same dtype.
        stride: Of height and width alike.
        dilation: Likewise.
        padding: "same" or "valid", as TensorFlow means them.

    Returns:
        (B, h, w, C), of the dtype of `inputs`. Sums are float32.
    """
    spans = [dilation * (taps - 1) + 1 for taps in kernel.shape[:2]]
    pads = [(0, 0), (0, 0)]
    if padding == "same":
        lacks = [
            max((-(-size // stride) - 1) * stride + span - size, 0) for size, span in zip(inputs.shape[1:3], spans, strict=True)
        ]
        pads = [(lack // 2, lack - lack // 2) for lack in lacks]
    return _convolve(jnp.pad(inputs, ((0, 0), *pads, (0, 0))), kernel, stride, dilation)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _convolve(padded, kernel, stride, dilation):
    height, width = _out(padded, kernel, stride, dilation)
    total = 0.0
    for i, j in _taps(kernel):
        shifted = _shifted(padded, i * dilation, j * dilation, height, width, stride)
        total += shifted.astype(jnp.float32) * kernel[i, j].astype(jnp.float32)
    return total.astype(padded.dtype)


def _out(padded, kernel, stride, dilation):
    return [(padded.shape[1 + axis] - dilation * (kernel.shape[axis] - 1) - 1) // stride + 1 for axis in (0, 1)]


def _taps(kernel):
    return [(i, j) for i in range(kernel.shape[0]) for j in range(kernel.shape[1])]


def _shifted(padded, top, left, height, width, stride):
    batch, _, _, channels = padded.shape
    end = (batch, top + (height - 1) * stride + 1, left + (width - 1) * stride + 1, channels)
    return lax.slice(padded, (0, top, left, 0), end, (1, stride, stride, 1))


def _forward(padded, kernel, stride, dilation):
    return _convolve(padded, kernel, stride, dilation), (padded, kernel)


def _backward(stride, dilation, kept, gradient):
    padded, kernel = kept
    height, width = gradient.shape[1:3]
    wide = gradient.astype(jnp.float32)
    products = tuple(
        _shifted(padded, i * dilation, j * dilation, height, width, stride).astype(jnp.float32) * wide for i, j in _taps(kernel)
    )
    # All the sums in one pass over memory: a reduction a tap takes up to seven times as long, and longer to compile.
    rows = lax.reduce(products, (np.float32(0),) * len(products), _sums, (0, 1, 2))
    to_kernel = jnp.stack(rows).reshape(kernel.shape).astype(kernel.dtype)
    return _to_inputs(padded, kernel, stride, dilation, gradient), to_kernel


def _sums(one, other):
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _to_inputs(padded, kernel, stride, dilation, gradient):
    """By phases: rows and columns that a stride skips get their own sum, so that every slice is contiguous."""
    size = padded.shape[1:3]
    parts = [[None] * stride for _ in range(stride)]
    deepest = [dilation * (taps - 1) // stride for taps in kernel.shape[:2]]
    ends = [-(-side // stride) for side in size]
    pads = [(deep, max(end - n, 0)) for deep, end, n in zip(deepest, ends, gradient.shape[1:3], strict=True)]
    spread = jnp.pad(gradient, ((0, 0), *pads, (0, 0)))
    for a in range(stride):
        for b in range(stride):
            total = jnp.zeros((gradient.shape[0], *ends, gradient.shape[3]), jnp.float32)
            for i, j in _taps(kernel):
                if (i * dilation) % stride == a and (j * dilation) % stride == b:
                    top, left = deepest[0] - i * dilation // stride, deepest[1] - j * dilation // stride
                    total += _shifted(spread, top, left, *ends, 1).astype(jnp.float32) * kernel[i, j].astype(jnp.float32)
            parts[a][b] = total.astype(padded.dtype)
    if stride == 1:
        return parts[0][0]
    grid = jnp.stack([jnp.stack(row, 3) for row in parts], 2)  # (B, rows, a, columns, b, C)
    whole = grid.reshape(gradient.shape[0], ends[0] * stride, ends[1] * stride, gradient.shape[3])
    return whole[:, : size[0], : size[1]]


_convolve.defvjp(_forward, _backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def as_product(inputs: jax.Array, kernel: jax.Array, dilation: int) -> jax.Array:
    """A convolution of stride 1 and "same" padding: every pixel's neighbourhood as a row of a matrix, times the kernel.

    Args:
        inputs: (B, H, W, C) float.
        kernel: (k, l, C, D), of the same dtype.
        dilation: Of height and width alike.

    Returns:
        (B, H, W, D), of the dtype of `inputs`.
    """
    return jnp.dot(_neighbours(inputs, kernel.shape[:2], dilation), kernel.reshape(-1, kernel.shape[3]))


def _neighbours(inputs, taps, dilation):
    """(B, H, W, k * l * C)."""
    height, width = inputs.shape[1:3]
    lacks = [dilation * (size - 1) for size in taps]
    padded = jnp.pad(inputs, ((0, 0), *((lack // 2, lack - lack // 2) for lack in lacks), (0, 0)))
    shifts = [(i * dilation, j * dilation) for i in range(taps[0]) for j in range(taps[1])]
    return jnp.concatenate([_shifted(padded, top, left, height, width, 1) for top, left in shifts], -1)


def _product_forward(inputs, kernel, dilation):
    return as_product(inputs, kernel, dilation), (inputs, kernel)


def _product_backward(dilation, kept, gradient):
    inputs, kernel = kept
    rows = _neighbours(inputs, kernel.shape[:2], dilation)
    to_kernel = jnp.einsum("bhwn,bhwd->nd", rows, gradient).reshape(kernel.shape)
    back = jnp.transpose(kernel[::-1, ::-1], (0, 1, 3, 2))
    return as_product(gradient, back, dilation), to_kernel


as_product.defvjp(_product_forward, _product_backward)
