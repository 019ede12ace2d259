import keras
import pytest

from kerasseg.lite.flatbuffer import Graph
from kerasseg.mcu import operators, work
from kerasseg.reports import tables
from tests.lite.nets import int8


@pytest.fixture(scope="module")
def found():
    image = keras.Input((16, 16, 3), batch_size=1)
    x = keras.layers.Conv2D(4, 3, padding="same", name="stem")(image)
    y = keras.layers.DepthwiseConv2D(3, padding="same", dilation_rate=2, name="wide")(x)
    y = keras.layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="twice")(y)
    y = keras.layers.Conv2D(4, 1, name="down")(y)
    y = keras.layers.Add(name="sum")([x, y])
    gate = keras.layers.GlobalAveragePooling2D(keepdims=True, name="mean")(y)
    return work.work(Graph(int8(keras.Model(image, keras.layers.Multiply(name="gated")([y, gate])))))


def test_every_operator_by_hand(found):
    rows = [(one.operator, one.kernel, one.why, one.macs, one.numbers, one.bytes) for one in found]
    pixels = 16 * 16
    # Weights and output are a byte a number, biases four.
    assert rows == [
        ("CONV_2D", operators.FAST, "", pixels * 4 * 27, 0, pixels * 3 + 4 * 27 + 16 + pixels * 4),
        ("DEPTHWISE_CONV_2D", operators.PLAIN, "dilated", pixels * 4 * 9, 0, pixels * 4 + 36 + 16 + pixels * 4),
        (
            "DEPTHWISE_CONV_2D",
            operators.PLAIN,
            "several outputs a channel",
            pixels * 8 * 9,
            0,
            pixels * 4 + 72 + 32 + pixels * 8,
        ),
        ("CONV_2D", operators.FAST, "", pixels * 4 * 8, 0, pixels * 8 + 32 + 16 + pixels * 4),
        ("ADD", operators.FAST, "", 0, pixels * 4, 3 * pixels * 4),
        ("MEAN", operators.REFERENCE, "CMSIS-NN has none", 0, pixels * 4, pixels * 4 + 8 + 4),
        ("MUL", operators.REFERENCE, "unequal shapes", 0, pixels * 4, 2 * pixels * 4 + 4),
    ]
    assert [one.number for one in found] == list(range(7))
    assert (found[0].layer, found[0].shape) == ("stem", (1, 16, 16, 4))


def test_shares_are_of_macs_or_of_numbers(found):
    assert [one.share for one in found[:4]] == pytest.approx([27 / 62, 9 / 62, 18 / 62, 8 / 62])
    assert [one.share for one in found[4:]] == pytest.approx([1 / 3] * 3)


def test_the_terminal_says_the_largest_that_are_not_fast(found):
    said = tables.slow_work([vars(one) for one in found])
    assert [line.split(", ")[0].strip() for line in said] == [
        "29.0 % of the multiply-accumulates: DEPTHWISE_CONV_2D 2 at twice",
        "14.5 % of the multiply-accumulates: DEPTHWISE_CONV_2D 1 at wide",
        "33.3 % of the numbers of operators without: MEAN 5 at mean",
        "33.3 % of the numbers of operators without: MUL 6 at output",
    ]
    assert said[1].endswith("CMSIS-NN's plain C (dilated)")
