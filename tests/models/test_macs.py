import keras
import pytest

from kerasseg.models import MODELS, build_model, macs
from kerasseg.models.macs import count_macs


def test_macs_against_a_hand_count():
    image = keras.Input((8, 10, 3), batch_size=1)
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same", name="conv")(image)  # 4*5 places, 3*3*3 taps, 4 filters: 2160
    x = keras.layers.DepthwiseConv2D(5, padding="same", name="aspp_depthwise")(x)  # 4*5*4 places, 5*5 taps: 2000
    x = keras.layers.Conv2D(6, 1, name="logits")(x)  # 4*5 places, 4 taps, 6 filters: 480
    assert count_macs(keras.Model(image, x)) == {"backbone": 2160, "head": 2000, "decoder": 480, "total": 4640}


def test_macs_of_the_plain_decoder():
    """At 512x512 and 21 classes: places 128 * 128 at stride 4.

    skip 24 -> 48, 3x3 304 -> 256, 3x3 256 -> 256, logits 256 -> 21, each at 16384 places.
    """
    model = build_model("v3large_sliced", size=(512, 512), batch_size=1)
    by_hand = 128 * 128 * (24 * 48 + 9 * (256 + 48) * 256 + 9 * 256 * 256 + 256 * 21)
    assert count_macs(model)["decoder"] == by_hand


def test_macs_do_not_depend_on_the_batch():
    assert count_macs(build_model("tiny", batch_size=1)) == count_macs(build_model("tiny"))


@pytest.mark.slow
def test_every_model_has_a_row():
    rows = macs.summary(size=(64, 64), num_classes=21)
    assert [row["model"] for row in rows] == list(MODELS)
    by_name = {row["model"]: row for row in rows}
    assert by_name["v3large_sliced"]["parameters"] == 5_659_605
    assert round(100 * by_name["v3large_sliced"]["change"], 2) == -51.86
    for row in rows:
        parts = row["backbone_gmac"] + row["head_gmac"] + row["decoder_gmac"]
        assert abs(row["total_gmac"] - parts) < 1e-9
