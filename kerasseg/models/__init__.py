"""DeepLabv3+ models on MobileNetV3, as functional Keras models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerasseg.errors import InputError
from kerasseg.models.variants import MODELS, ModelSpec, check_size, get_spec

if TYPE_CHECKING:
    import keras

__all__ = ["MODELS", "ModelSpec", "build_model", "get_spec", "list_models"]

PRECISIONS = ("float32", "mixed_bfloat16")


def list_models() -> list[str]:
    """Names that `build_model` accepts."""
    return list(MODELS)


def build_model(
    model: str | ModelSpec,
    *,
    size: tuple[int, int] = (256, 256),
    num_classes: int = 21,
    batch_size: int | None = None,
    bn_momentum: float = 0.95,
    precision: str = "float32",
) -> keras.Model:
    """Builds a DeepLabv3+ with fresh weights (`kerasseg.models.pretrained.load_weights` brings pretrained ones).

    Sets Keras' float type to float32 and its data format to channels_last, for the whole process.

    Args:
        model: A name of `list_models()`, or a ModelSpec.
        size: (height, width) of the input in pixels, multiples of the output stride.
        num_classes: Channels of the logits.
        batch_size: Fixed batch size; None leaves it open. Convert with 1.
        bn_momentum: Momentum of every batch norm.
        precision: "float32" or "mixed_bfloat16"; the logits are float32 in either.

    Returns:
        A functional model from image (B, H, W, C), values 0..255, to logits (B, H / s, W / s, num_classes) float32 with C the
        spec's `channels`, 3 in all but micro_grey_96, and s its `logits_stride`, 1 but in micro_*, edge_mini* and edge_plain.

    Raises:
        InputError: an unknown name, a size that does not divide, a number of classes that labels cannot have, or another
            number or word that is none of the above.
    """
    import keras

    from kerasseg.models import backbone, blocks, decoder, heads

    spec = get_spec(model) if isinstance(model, str) else model
    check_size(size, output_stride=spec.output_stride)
    if not 1 <= num_classes <= 255:
        raise InputError(f"num_classes={num_classes} is out of range; give 1 to 255, one id of 256 is for unlabelled pixels")
    if precision not in PRECISIONS:
        raise InputError(f"precision={precision!r} is unknown; give one of {', '.join(PRECISIONS)}")
    if not 0 <= bn_momentum < 1 or (batch_size is not None and batch_size < 1):
        raise InputError(f"bn_momentum={bn_momentum}, batch_size={batch_size}: give at least 0 and less than 1, and 1 or more")
    # Everything here is float32 and channels last, whatever keras.json says; what is built from the model later is, too.
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    outside = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        image, low, high = backbone.features(spec, size=size, batch_size=batch_size, bn_momentum=bn_momentum)
        x = heads.head(high, spec, momentum=bn_momentum)
        x = decoder.decode(x, low, spec, momentum=bn_momentum)
        x = keras.layers.Conv2D(num_classes, 1, name="logits")(x)
        if spec.logits_stride == 1:
            x = blocks.resize(x, size, name="logits_resize", dtype="float32")
        else:
            x = keras.layers.Activation("linear", name="logits_float32", dtype="float32")(x)
    finally:
        keras.config.set_dtype_policy(outside)
    return keras.Model(image, x, name="deeplabv3plus")
