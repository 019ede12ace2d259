"""Atrous spatial pyramid pooling (Chen et al. 2017, section 3.3)."""

import keras

from kerasseg.models import blocks
from kerasseg.models.variants import ModelSpec


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
