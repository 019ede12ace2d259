import numpy as np
import pytest

from kerasseg.lite.input_range import RANGES
from kerasseg.lite.picture_input import picture_input
from kerasseg.lite.tensors import Tensor

IMAGE = np.random.default_rng(0).integers(0, 256, (1, 4, 6, 3), np.uint8)


def _tensor(shape, dtype=np.float32, *, scale=0.0, zero_point=0):
    return Tensor(0, shape, np.dtype(dtype), scale, zero_point)


def test_every_byte_of_a_picture_in_each_range():
    """-1..1 in 256 steps of 2 / 255 around -1: pixel p is p - 127.5 steps away, and halves go away from zero."""
    image = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    pixels = image.astype(int)
    expected = {
        "0,255": (1.0, pixels - 128, 0),
        "0,1": (1 / 255, pixels - 128, 0),
        "-1,1": (2 / 255, np.clip(np.where(pixels < 128, pixels - 128, pixels - 127) - 1, -128, 127), 1),
    }
    for name, (scale, steps, slack) in expected.items():
        zero_point = -1 if name == "-1,1" else -128
        taker = picture_input(
            _tensor((1, 16, 16, 3), np.int8, scale=scale, zero_point=zero_point), file="m", taken=RANGES[name]
        )  # fmt: skip
        given = taker.array(image)
        assert given.dtype == np.int8
        # A half that float32 puts a hair below goes the other way: one step.
        assert np.abs(given.astype(int) - steps).max() <= slack


def test_layouts_and_grey():
    first = picture_input(_tensor((1, 3, 4, 6)), file="m")
    assert (first.size, first.channels, first.channels_first) == ((4, 6), 3, True)
    np.testing.assert_array_equal(first.array(IMAGE), IMAGE.transpose(0, 3, 1, 2))
    grey = picture_input(_tensor((1, 4, 6, 1)), file="m")
    assert (grey.size, grey.channels, grey.channels_first) == ((4, 6), 1, False)
    # ITU-R BT.601, rounded
    expected = IMAGE.astype(float) @ [0.299, 0.587, 0.114]
    assert np.abs(grey.array(IMAGE)[..., 0] - expected).max() <= 0.51
    np.testing.assert_array_equal(grey.array(IMAGE[..., :1]), IMAGE[..., :1])


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (None, "that is no plain number"),
        (_tensor((1, 768)), r"takes \(1, 768\); an image input is \(1, height, width, channels\) or"),
        (_tensor((1, 4, 6, 4)), r"takes \(1, 4, 6, 4\); an image input is"),
        (_tensor((4, 4, 6, 3)), r"takes 4 pictures at a time, \(4, 4, 6, 3\); convert it with batch 1"),
        (_tensor((1, 4, 6, 3), np.int32), "takes int32 without a scale; an image input is float32, uint8, or int8 or int16"),
        (_tensor((1, 4, 6, 3), np.int8), "takes int8 without a scale"),
        (_tensor((1, 4, 6, 3), np.float16), "takes float16; an image input is"),
    ],
)
def test_what_is_no_picture_is_refused(tensor, message):
    with pytest.raises(ValueError, match=message):
        picture_input(tensor, file="m.tflite")


def test_bytes_without_a_scale_are_handed_over_as_they_are():
    given = picture_input(_tensor((1, 4, 6, 3), np.uint8), file="m").array(IMAGE)
    assert given.dtype == np.uint8
    np.testing.assert_array_equal(given, IMAGE)
