import keras
import pytest

from kerasseg.lite.flatbuffer import Graph
from kerasseg.mcu import memory
from tests.lite.nets import int8, network


def _skip():
    """(1, 16, 16, 3) -> 4 channels -> 2 channels, and both joined."""
    image = keras.Input((16, 16, 3), batch_size=1)
    first = keras.layers.Conv2D(4, 3, padding="same", name="first")(image)
    second = keras.layers.Conv2D(2, 1, name="second")(first)
    return keras.Model(image, keras.layers.Concatenate(name="joined")([first, second]))


def test_live_bytes_of_a_skip_connection():
    found = memory.live(Graph(int8(_skip())))
    # int8, 16 x 16 = 256 positions: image 768, first 1024, second 512, joined 1536.
    assert [(one.operator, one.layer) for one in found] == [
        ("CONV_2D", "first"), ("CONV_2D", "second"), ("CONCATENATION", "output"),
    ]  # fmt: skip
    assert [one.live_bytes for one in found] == [768 + 1024, 1024 + 512, 1024 + 512 + 1536]
    assert [(layer, size) for layer, _, size in found[2].tensors] == [("output", 1536), ("first", 1024), ("second", 512)]
    assert memory.peak(found) == found[2]


def test_savings_are_computed_from_the_same_lifetimes():
    resized = network(keras.layers.Conv2D(4, 1, name="conv"), keras.layers.Resizing(64, 64, name="big"))
    by_change = {one.change.split(" ")[0]: one for one in memory.savings(Graph(int8(resized)))}
    # Now: conv 1024 and resized 64 * 64 * 4 = 16384. Without the resize: image 768 and conv 1024.
    assert by_change["logits"].change.startswith("logits 4 times coarser")
    assert (by_change["logits"].peak_bytes, by_change["logits"].saved_bytes) == (1792, 1024 + 16384 - 1792)
    halves = [one for one in memory.savings(Graph(int8(resized))) if "0.5" in one.change]
    assert halves[0].peak_bytes == (1024 + 16384) // 4


def test_a_cut_saves_flash_and_what_its_blocks_held():
    image = keras.Input((16, 16, 3), batch_size=1)
    x = keras.layers.Conv2D(4, 1, name="expanded_conv_1_expand")(image)
    x = keras.layers.Conv2D(32, 1, name="expanded_conv_2_expand")(x)
    x = keras.layers.Conv2D(2, 1, name="logits")(x)
    found = {one.change: one for one in memory.savings(Graph(int8(keras.Model(image, x))))}
    cut = found["a backbone cut before expanded_conv_2 (last_block)"]
    assert cut.flash_bytes == 4 * 32 + 4 * 32  # int8 kernel and int32 biases
    assert cut.peak_bytes == 256 * 32 + 256 * 2  # logits still take what the cut block gave


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("net_1/conv_act_1/Relu;net_1/conv_1/BiasAdd;net_1/conv_1/Squeeze1", "conv"),
        ("net_1/block_2_conv_1_2/convolution;1", "block_2_conv_1"),
        ("MobilenetV2/expanded_conv_3/expand/Relu6", "expanded_conv_3"),
        ("StatefulPartitionedCall_1:0", "output"),
    ],
)
def test_layer_of_a_tensor(name, layer):
    assert memory.layer_of(name) == layer
