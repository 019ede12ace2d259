"""Winograd's minimal filtering F(4x4, 3x3): a 3x3 convolution with a quarter of the multiplications.

Of Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016, section 4.3: input tiles of 6x6, four apart,
and kernels are transformed to 36 values a channel, multiplied as matrices, one product a value, and give 4x4 outputs a tile.
`torch_winograd` and `jax_winograd` compute it, each as its backend does it fast.
"""

import keras
import numpy as np

TILE = 4  # outputs along each axis; the input reaches one further on both sides


def _square(*rows: list[float]) -> np.ndarray:
    """The Kronecker square: a tile of two axes goes through the matrix twice, a flattened one through this once."""
    return np.kron(np.array(rows, np.float32), np.array(rows, np.float32))


# B^T, G and A^T of section 4.3, squared: (36, 36), (36, 9) and (16, 36).
INPUT = _square([4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0], [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0],
                [0, 4, 0, -5, 0, 1])  # fmt: skip
KERNEL = _square([1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6], [1 / 24, 1 / 12, 1 / 6],
                 [1 / 24, -1 / 12, 1 / 6], [0, 0, 1])  # fmt: skip
OUTPUT = _square([1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1])


def count_tiles(side: int) -> int:
    """Of outputs along an axis; the last may reach over the edge."""
    return -(-side // TILE)


def is_wide_3x3(layer: keras.Layer) -> bool:
    """Whether it is a 3x3 convolution in float32 with the channels that make Winograd's transformations pay."""
    return (
        type(layer) is keras.layers.Conv2D
        and (layer.kernel_size, layer.strides, layer.dilation_rate) == ((3, 3), (1, 1), (1, 1))
        and (layer.padding, layer.groups, layer.data_format) == ("same", 1, "channels_last")
        and layer.compute_dtype == "float32"
        and min(layer.kernel.shape[2:]) >= 128
    )
