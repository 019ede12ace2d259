"""Winograd's way to a 3x3 convolution under JAX."""

import jax
import jax.numpy as jnp
from jax import lax

from kerasseg.models.winograd import INPUT, KERNEL, OUTPUT, TILE, count_tiles


@jax.custom_vjp
def convolve(inputs: jax.Array, kernel: jax.Array) -> jax.Array:
    """Convolution of stride 1 with as much padding as keeps the size, and its gradients, in float32.

    The whole batch at once, which takes more memory than a picture after the other and a tenth more time: pictures that lie on
    several devices stay there.

    Args:
        inputs: (B, H, W, C).
        kernel: (3, 3, C, filters).

    Returns:
        (B, H, W, filters), within some 1e-5 of the largest value of what a direct convolution gives.
    """
    batch, height, width, channels = inputs.shape
    rows, columns = count_tiles(height), count_tiles(width)
    kernels = jnp.matmul(KERNEL, kernel.reshape(9, -1)).reshape(36, channels, -1)
    products = jnp.matmul(_transform_inputs(inputs), kernels)
    tiles = jnp.matmul(OUTPUT, products.reshape(36, -1)).reshape(TILE, TILE, batch, rows, columns, -1)
    outputs = tiles.transpose(2, 3, 0, 4, 1, 5).reshape(batch, TILE * rows, TILE * columns, -1)
    return outputs[:, :height, :width]


def _forward(inputs, kernel):
    return convolve(inputs, kernel), (inputs, kernel)


def _backward(kept, gradient):
    inputs, kernel = kept
    products = jnp.matmul(OUTPUT.T, _split(gradient)).reshape(36, -1, gradient.shape[3])
    for_kernels = jnp.einsum("tnc,tnd->tcd", _transform_inputs(inputs), products)
    for_inputs = convolve(gradient, kernel[::-1, ::-1].transpose(0, 1, 3, 2))
    return for_inputs, jnp.matmul(KERNEL.T, for_kernels.reshape(36, -1)).reshape(kernel.shape)


convolve.defvjp(_forward, _backward)


def _transform_inputs(inputs):
    """(B, H, W, C) to (36, tiles, C)."""
    batch, height, width, channels = inputs.shape
    rows, columns = count_tiles(height), count_tiles(width)
    bottom, right = TILE * rows - height, TILE * columns - width
    padded = jnp.pad(inputs, ((0, 0), (1, bottom + 1), (1, right + 1), (0, 0)))
    end = (batch, TILE * (rows - 1) + 1, TILE * (columns - 1) + 1, channels)
    corners = [(i, j) for i in range(TILE + 2) for j in range(TILE + 2)]
    tiles = [lax.slice(padded, (0, i, j, 0), (batch, i + end[1], j + end[2], channels), (1, TILE, TILE, 1)) for i, j in corners]
    return jnp.matmul(INPUT, jnp.stack(tiles).reshape(36, -1)).reshape(36, -1, channels)


def _split(outputs):
    """(B, H, W, filters) to (16, tiles * filters)."""
    batch, height, width, filters = outputs.shape
    rows, columns = count_tiles(height), count_tiles(width)
    padded = jnp.pad(outputs, ((0, 0), (0, TILE * rows - height), (0, TILE * columns - width), (0, 0)))
    tiles = padded.reshape(batch, rows, TILE, columns, TILE, filters)
    return tiles.transpose(2, 4, 0, 1, 3, 5).reshape(TILE * TILE, -1)
