"""What the head and the decoder are made of. Functions tensor -> tensor, every layer named."""

import keras


def conv_bn(x, filters: int, kernel_size: int, *, name: str, momentum: float, rate: int = 1):
    """Convolution without bias, then batch norm. (B, H, W, C) -> (B, H, W, filters)."""
    x = keras.layers.Conv2D(
        filters, kernel_size, padding="same", dilation_rate=rate, use_bias=False, name=name
    )(x)  # fmt: skip
    return keras.layers.BatchNormalization(momentum=momentum, epsilon=1e-3, name=f"{name}_bn")(x)


def conv_bn_relu(x, filters: int, kernel_size: int, *, name: str, momentum: float, rate: int = 1):
    """`conv_bn`, then ReLU."""
    x = conv_bn(x, filters, kernel_size, name=name, momentum=momentum, rate=rate)
    return keras.layers.ReLU(name=f"{name}_act")(x)


def separable_bn_relu(x, filters: int, kernel_size: int, *, name: str, momentum: float, rate: int = 1):
    """Depthwise convolution, batch norm and ReLU, then a pointwise one with the same (DeepLabv3+, section 3.1)."""
    x = keras.layers.DepthwiseConv2D(
        kernel_size, padding="same", dilation_rate=rate, use_bias=False, name=f"{name}_depthwise",
        dtype="float32",  # as in the backbone: bfloat16 depthwise convolutions are slow on a CPU
    )(x)  # fmt: skip
    x = keras.layers.BatchNormalization(momentum=momentum, epsilon=1e-3, name=f"{name}_depthwise_bn")(x)
    x = keras.layers.ReLU(name=f"{name}_depthwise_act")(x)
    return conv_bn_relu(x, filters, 1, name=name, momentum=momentum)


def resize(x, size: tuple[int, int], *, name: str, dtype: str | None = None):
    """Bilinear resize with half-pixel centres, as RESIZE_BILINEAR in TFLite. (B, h, w, C) -> (B, *size, C)."""
    return keras.layers.Resizing(*size, interpolation="bilinear", name=name, dtype=dtype)(x)
