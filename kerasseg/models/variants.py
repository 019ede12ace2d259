"""The table of models: name -> ModelSpec. Plain data, no Keras."""

import dataclasses
from dataclasses import dataclass

from kerasseg.errors import InputError

HEADS = ("aspp", "lraspp")


@dataclass(frozen=True)
class ModelSpec:
    """A DeepLabv3+ on a MobileNetV3.

    Attributes:
        backbone: "large" or "small", a key of `kerasseg.models.backbone.BACKBONES`.
        last_block: Number of the last block of the backbone that is kept; -1 keeps all. A cut one needs the sliced tail.
        tail: What follows the last block: "full" keeps the last expansion layer (1x1, V3-Large 160 -> 960), "half"
            has one of half its width (480, as Google's own segmentation models; Howard et al. 2019, section 6.4),
            "sliced" has none (Kim et al. 2025).
        alpha: Width multiplier of the backbone.
        output_stride: Input pixels to one of the deepest features, along a side: 32, 16 or 8.
        head: "aspp" (Chen et al. 2017) or "lraspp", its light form: a 1x1 convolution times a gate from the mean of the
            whole picture (Howard et al. 2019, section 6.4).
        rates: Dilation rates of the atrous convolutions in ASPP.
        filters: Filters of each ASPP branch and of its projection, or of the light form.
        skip_filters: Filters of the 1x1 convolution on the stride-4 features; 0 for no skip.
        decoder_filters: Filters of the decoder's 3x3 convolutions.
        decoder_convolutions: How many those are, 1 or more; DeepLabv3+ has two.
        separable: Whether the head's 3x3 convolutions are depthwise and pointwise instead of plain.
        minimalistic: Whether the backbone is keras.applications' minimalistic one: no squeeze-excite, ReLU alone, 3x3
            depthwise kernels alone. It has ImageNet weights of its own, at alpha 1.
        activation: What stands where MobileNetV3 has hard-swish, one of ACTIVATIONS; "relu" where it is minimalistic.
        logits_stride: Input pixels to one of the logits, along a side: 1 resizes them inside the model; 4 or 8 leaves them as
            the decoder, which then works at that stride, makes them, and whoever needs class ids resizes them outside.
        channels: Of the pictures that it takes: 3, or 1 for grey.

    Raises:
        InputError: a minimalistic backbone is asked for another activation than relu, a head is unknown, or a decoder is to
            have no convolution.
    """

    backbone: str = "large"
    last_block: int = -1
    tail: str = "full"
    alpha: float = 1.0
    output_stride: int = 16
    head: str = "aspp"
    rates: tuple[int, ...] = (6, 12, 18)
    filters: int = 256
    skip_filters: int = 48
    decoder_filters: int = 256
    decoder_convolutions: int = 2
    separable: bool = False
    activation: str = "hard_swish"
    logits_stride: int = 1
    minimalistic: bool = False
    channels: int = 3

    def __post_init__(self) -> None:
        if self.minimalistic and self.activation != "relu":
            raise InputError(
                f"activation {self.activation!r} was asked of a minimalistic backbone, which has ReLU alone; "
                "leave it out, or give relu or a model that is not minimalistic"
            )
        if self.head not in HEADS:
            raise InputError(f"unknown head {self.head!r}; known are {', '.join(HEADS)}")
        if self.decoder_convolutions < 1:
            raise InputError(f"decoder_convolutions={self.decoder_convolutions} is too few; give 1 or more")


MODELS: dict[str, ModelSpec] = {
    # The paper's rows. Kim et al. 2025 name the fifth only as "compressed by hyper-parameter tuning".
    "v3large": ModelSpec(),
    "v3large_sliced": ModelSpec(tail="sliced"),
    "v3small": ModelSpec(backbone="small"),
    "v3small_sliced": ModelSpec(backbone="small", tail="sliced"),
    "v3large_tuned": ModelSpec(alpha=0.5),
    # As large as v3large_sliced, but made small by a thinner head instead of the cut.
    "v3large_thin": ModelSpec(filters=88, decoder_filters=88),
    # Between the two: the tail of half width.
    "v3large_half": ModelSpec(tail="half"),
    # Our own rows: the cut and separable convolutions together. At stride 32 the last blocks need no dilated convolutions, at
    # which XNNPACK is slow; BUILD.md has what that brings and costs. The rates reach as far as 6, 12, 18 do at stride 16.
    "edge_sliced": ModelSpec(
        tail="sliced", output_stride=32, rates=(3, 6, 9), filters=128, decoder_filters=128, separable=True
    ),
    "edge_small": ModelSpec(backbone="small", tail="sliced", filters=64, skip_filters=24, decoder_filters=64, separable=True),
    # The same head on the minimalistic backbone: convolutions and sums alone, half the parameters. Its logits stay at stride 4.
    "edge_mini": ModelSpec(
        tail="sliced", output_stride=32, rates=(3, 6, 9), filters=128, decoder_filters=128, separable=True, activation="relu",
        logits_stride=4, minimalistic=True,
    ),
    # Cut after the last block of stride 16.
    "edge_mini_small": ModelSpec(
        last_block=11, tail="sliced", filters=96, decoder_filters=96, separable=True, activation="relu", logits_stride=4,
        minimalistic=True,
    ),
    # Plain convolutions at stride 16, for processors whose int8 instructions make them cheap: benchmarks/head_search.py found
    # them to take no longer than edge_sliced, v3large_thin and edge_small there, with more multiply-accumulates.
    "edge_plain": ModelSpec(tail="sliced", filters=64, skip_filters=24, decoder_filters=64, logits_stride=4),
    "edge_plain_wide": ModelSpec(tail="sliced", filters=192, decoder_filters=192, logits_stride=4),
    "edge_mini_plain": ModelSpec(
        tail="sliced", rates=(6, 12), filters=48, skip_filters=24, decoder_filters=64, activation="relu", logits_stride=4,
        minimalistic=True,
    ),
    # For microcontrollers, named after the side of their square input. V3-Small down to stride 8, cut where the next block
    # would take more than it brings; relu, because hard-swish keeps three tensors alive where relu is part of the convolution;
    # logits at stride 4. benchmarks/micro_search.py shows what else was there.
    "micro_96": ModelSpec(
        backbone="small", last_block=5, tail="sliced", output_stride=8, rates=(2, 4), filters=48, skip_filters=16,
        decoder_filters=48, separable=True, activation="relu", logits_stride=4,
    ),
    "micro_128": ModelSpec(
        backbone="small", last_block=8, tail="sliced", output_stride=8, rates=(2, 4), filters=48, skip_filters=16,
        decoder_filters=48, separable=True, activation="relu", logits_stride=4,
    ),
    "micro_160": ModelSpec(
        backbone="small", last_block=8, tail="sliced", output_stride=8, rates=(2, 4), filters=64, skip_filters=16,
        decoder_filters=64, separable=True, activation="relu", logits_stride=4,
    ),
    # For grey cameras.
    "micro_grey_96": ModelSpec(
        backbone="small", last_block=5, tail="sliced", output_stride=8, rates=(2, 4), filters=48, skip_filters=16,
        decoder_filters=48, separable=True, activation="relu", logits_stride=4, channels=1,
    ),
    # The same on the minimalistic V3-Small, in at most 0.8 of those arenas, which output stride 8 would not leave
    # (results/minimalistic.json).
    "micro_mini_96": ModelSpec(
        backbone="small", last_block=8, tail="sliced", rates=(2,), filters=32, skip_filters=16, decoder_filters=32,
        separable=True, activation="relu", logits_stride=4, minimalistic=True,
    ),
    "micro_mini_128": ModelSpec(
        backbone="small", last_block=8, tail="sliced", rates=(2,), filters=40, skip_filters=16, decoder_filters=40,
        separable=True, activation="relu", logits_stride=4, minimalistic=True,
    ),
    "micro_mini_160": ModelSpec(
        backbone="small", last_block=8, tail="sliced", rates=(2,), filters=48, skip_filters=16, decoder_filters=48,
        separable=True, activation="relu", logits_stride=4, minimalistic=True,
    ),
    # Small enough to train in a test.
    "tiny": ModelSpec(
        backbone="small", tail="sliced", alpha=0.35, rates=(2, 4), filters=32, skip_filters=16, decoder_filters=32,
        separable=True,
    ),
}  # fmt: skip

OUTPUT_STRIDES = (32, 16, 8)
ACTIVATIONS = ("hard_swish", "swish", "relu6", "relu")
CHANNELS = (1, 3)


def get_spec(name: str, *, output_stride: int = 0, activation: str = "", channels: int = 0) -> ModelSpec:
    """The spec of a row, with another output stride, activation or number of input channels where one is given.

    Raises:
        InputError: an unknown name, output stride, activation or number of channels; the message lists the known.
    """
    if name not in MODELS:
        raise InputError(f"unknown model {name!r}; known are {', '.join(MODELS)}")
    spec = MODELS[name]
    if output_stride not in (0, *OUTPUT_STRIDES):
        raise InputError(f"output_stride={output_stride} is not supported; give 32, 16 or 8 (0 takes the model's own)")
    if activation not in ("", *ACTIVATIONS):
        raise InputError(f"unknown activation {activation!r}; known are {', '.join(ACTIVATIONS)}")
    if channels not in (0, *CHANNELS):
        raise InputError(f"channels={channels} is not supported; give 1 for grey or 3 for RGB (0 takes the model's own)")
    return dataclasses.replace(
        spec,
        output_stride=output_stride or spec.output_stride,
        activation=activation or spec.activation,
        channels=channels or spec.channels,
    )


def check_size(size: tuple[int, int], *, output_stride: int) -> None:
    """Raises InputError, naming the next sizes that work, unless both sides are multiples of `output_stride`."""
    least = 32  # keras.applications builds no MobileNetV3 below
    if all(side >= least and side % output_stride == 0 for side in size):
        return
    step = output_stride
    lower = tuple(max(least, side // step * step) for side in size)
    upper = tuple(max(least, -(-side // step) * step) for side in size)
    options = " or ".join(dict.fromkeys(f"{height},{width}" for height, width in (lower, upper)))
    raise InputError(
        f"size {size[0]},{size[1]} does not work at output stride {output_stride}: both sides must be multiples "
        f"of {output_stride} and at least {least}; the next sizes that do are {options}"
    )
