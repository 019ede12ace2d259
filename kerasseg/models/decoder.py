"""The decoder of DeepLabv3+ (Chen et al. 2018, section 3.1)."""

import keras

from kerasseg.models import blocks
from kerasseg.models.variants import ModelSpec


def decode(high, low, spec: ModelSpec, *, momentum: float):
    """Joins the head's output with the low features and refines. Returns (B, h, w, spec.decoder_filters), as large as `low`."""
    conv3x3 = blocks.separable_bn_relu if spec.separable else blocks.conv_bn_relu
    x = high
    if high.shape[1:3] != low.shape[1:3]:
        x = blocks.resize(high, low.shape[1:3], name="decoder_resize")
    if spec.skip_filters:
        skip = blocks.conv_bn_relu(low, spec.skip_filters, 1, name="decoder_skip", momentum=momentum)
        x = keras.layers.Concatenate(name="decoder_concat")([x, skip])
    for i in range(1, spec.decoder_convolutions + 1):
        x = conv3x3(x, spec.decoder_filters, 3, name=f"decoder_conv{i}", momentum=momentum)
    return x
