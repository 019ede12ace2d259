import keras
import pytest

from kerasseg.lite.flatbuffer import Graph
from kerasseg.mcu import boards, speed
from tests.lite.nets import int8, network

LAYERS = keras.layers


def _mobilenet(channels):
    """https://github.com/mlcommons/tiny, v0.1/benchmarks/visual_wake_words/vww_model.py, without what has no MACs."""
    image = keras.Input((96, 96, channels), batch_size=1)
    x = LAYERS.Conv2D(8, 3, strides=2, padding="same")(image)
    for filters, stride in zip((16, 32, 32, 64, 64, *6 * [128], 256, 256), (1, 2, 1, 2, 1, 2, *5 * [1], 2, 1), strict=True):
        x = LAYERS.Conv2D(filters, 1)(LAYERS.DepthwiseConv2D(3, strides=stride, padding="same")(x))
    return keras.Model(image, LAYERS.Dense(2)(LAYERS.Flatten()(LAYERS.AveragePooling2D(3)(x))))


def _resnet():
    """Likewise image_classification/keras_model.py."""
    image = keras.Input((32, 32, 3), batch_size=1)
    x = LAYERS.Conv2D(16, 3, padding="same")(image)
    x = LAYERS.Add()([x, LAYERS.Conv2D(16, 3, padding="same")(LAYERS.Conv2D(16, 3, padding="same")(x))])
    for filters in (32, 64):
        y = LAYERS.Conv2D(filters, 3, padding="same")(LAYERS.Conv2D(filters, 3, strides=2, padding="same")(x))
        x = LAYERS.Add()([LAYERS.Conv2D(filters, 1, strides=2)(x), y])
    return keras.Model(image, LAYERS.Dense(10)(LAYERS.Flatten()(LAYERS.AveragePooling2D(8)(x))))


def _ds_cnn():
    """Likewise audio_wake_words/keras_model.py."""
    image = keras.Input((49, 10, 1), batch_size=1)
    x = LAYERS.Conv2D(64, (10, 4), strides=2, padding="same")(image)
    for _ in range(4):
        x = LAYERS.Conv2D(64, 1)(LAYERS.DepthwiseConv2D(3, padding="same")(x))
    return keras.Model(image, LAYERS.Dense(12)(LAYERS.Flatten()(LAYERS.AveragePooling2D((25, 5))(x))))


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("visual wake words", lambda: _mobilenet(3)), ("person detection", lambda: _mobilenet(1)), ("ResNet-8", _resnet),
        ("DS-CNN", _ds_cnn),
    ],
)  # fmt: skip
def test_the_macs_of_published_networks_are_those_of_their_definitions(name, make):
    model = make()
    images = 255 * keras.random.uniform((2, *model.input_shape[1:]), seed=0).numpy()
    assert speed.covered_macs(Graph(int8(model, images=images))) == speed.NETWORKS[name]


def test_every_published_figure_has_a_source_and_is_of_a_core_of_a_board():
    cores = {board.core for board in boards.BOARDS.values()}
    for one in speed.PUBLISHED:
        assert one.core in cores
        assert one.source.startswith("github.com/")
        assert one.cycles > sum(one.macs.values())  # none of these cores takes more than one a cycle here
    for board in boards.BOARDS.values():
        assert str(board.mhz) in board.about


def test_a_network_that_was_published_lies_in_the_range_of_its_core():
    # 128 MHz and 4.310 a second on the nRF5340 DK: 232 ms.
    found = speed.estimate(speed.VISUAL_WAKE_WORDS, "nrf5340")
    assert found.low_ms < 1e3 / 4.310 < found.high_ms
    # By hand: 3.2369 and 4.3358 cycles each, of ResNet-8 on this board and of visual wake words on an EK-RA6M4.
    assert (found.low_ms, found.high_ms) == pytest.approx(
        (7_489_664 / 12_501_632 * 1e3 / 3.163, 1e3 / 6.159 * 200 / 128), rel=1e-6
    )
    # ESP-NN's kernels give person detection 50 to 90 ms, its README says 54: 30 % from their middle.
    found = speed.estimate(speed.PERSON_DETECTION, "esp32-s3")
    assert found.low_ms < 54 < found.high_ms
    assert found.error_percent == pytest.approx(100 * ((found.low_ms + found.high_ms) / 2 / 54 - 1))


def test_the_error_is_of_ranges_that_were_formed_without_the_network():
    without = speed.rates("Cortex-M33", without="ResNet-8")["pointwise"]
    assert without[0] > speed.rates("Cortex-M33")["pointwise"][0]  # ResNet-8 has the least
    worst = (128e6 / 3.163) / 12_501_632
    found = speed.estimate({"pointwise": 1}, "rp2350")
    assert found.error_percent == pytest.approx(100 * (sum(without) / 2 / worst - 1))


def test_what_no_published_network_consists_of_is_left_out_and_said():
    image = keras.Input((16, 16, 3), batch_size=1)
    x = LAYERS.Conv2D(4, 1)(image)
    x = LAYERS.DepthwiseConv2D(3, padding="same", dilation_rate=2)(x)
    graph = Graph(int8(keras.Model(image, LAYERS.Resizing(32, 32)(x))))
    assert speed.covered_macs(graph) == {"pointwise": 16 * 16 * 12}
    report = speed.report(graph)
    assert {one["board"] for one in report["boards"]} == {"nrf5340", "rp2350", "esp32-s3", "apollo4-plus"}
    assert set(report["without_source"].values()) == {"Cortex-M7", "Cortex-M55"}
    assert "75.0 % of the multiply-accumulates and RESIZE_BILINEAR over 4 thousand numbers" in report["left_out"]
    assert report["lines"][-1].startswith("no estimate for Cortex-M7 and Cortex-M55: ")
    assert "published networks were missed by up to 24 %" in report["lines"][0]


def test_a_file_without_anything_that_was_timed_gets_no_number():
    found = speed.report(Graph(int8(network(LAYERS.MaxPooling2D(2)))))
    assert found["boards"] == []
    (line,) = found["lines"]
    assert line.startswith("no estimate: published measurements are of undilated int8 convolutions")
