"""Atrous spatial pyramid pooling (Chen et al. 2017, section 3.3) and its light form (Howard et al. 2019, section 6.4)."""

import keras

from kerasseg.models import blocks
from kerasseg.models.variants import ModelSpec


def head(high, spec: ModelSpec, *, momentum: float):
    """What `spec.head` names. (B, h, w, C) -> (B, h, w, spec.filters)."""
    return {"aspp": aspp, "lraspp": lraspp}[spec.head](high, spec, momentum=momentum)


def lraspp(high, spec: ModelSpec, *, momentum: float):
    """A 1x1 convolution, each channel times a gate of 0..1 from the picture's means.

    The gate is a hard sigmoid, written as in MobileNetV3's squeeze-excite, where the paper has a sigmoid; the means are of the
    whole picture, where it has windows of 49x49.
    """
    x = blocks.conv_bn_relu(high, spec.filters, 1, name="aspp_1x1", momentum=momentum)
    gate = keras.layers.GlobalAveragePooling2D(keepdims=True, name="aspp_pool_mean")(high)
    gate = keras.layers.Conv2D(spec.filters, 1, name="aspp_pool")(gate)
    gate = keras.layers.Rescaling(1.0, 3.0, name="aspp_pool_shift")(gate)
    gate = keras.layers.ReLU(6.0, name="aspp_pool_relu6")(gate)
    gate = keras.layers.Rescaling(1 / 6, name="aspp_pool_scale")(gate)
    return keras.layers.Multiply(name="aspp_gated")([x, gate])


def aspp(high, spec: ModelSpec, *, momentum: float):
    """1x1, atrous 3x3 a rate, and image pooling, concatenated and projected. (B, h, w, C) -> (B, h, w, spec.filters)."""
    conv3x3 = blocks.separable_bn_relu if spec.separable else blocks.conv_bn_relu
    branches = [blocks.conv_bn_relu(high, spec.filters, 1, name="aspp_1x1", momentum=momentum)]
    for rate in spec.rates:
        branches.append(conv3x3(high, spec.filters, 3, name=f"aspp_rate{rate}", momentum=momentum, rate=rate))
    pooled = keras.layers.GlobalAveragePooling2D(keepdims=True, name="aspp_pool_mean")(high)
    pooled = blocks.conv_bn_relu(pooled, spec.filters, 1, name="aspp_pool", momentum=momentum)
    branches.append(blocks.resize(pooled, high.shape[1:3], name="aspp_pool_resize"))
    joined = keras.layers.Concatenate(name="aspp_concat")(branches)
    return blocks.conv_bn_relu(joined, spec.filters, 1, name="aspp_project", momentum=momentum)
