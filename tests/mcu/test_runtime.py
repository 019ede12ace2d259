import keras
import pytest

from kerasseg.mcu import runtime as micro
from tests.lite.nets import int8, network, two_convolutions


@pytest.fixture(scope="module")
def content():
    return two_convolutions()


def test_the_smallest_arena_runs_and_a_smaller_one_does_not(content):
    arena = micro.measure_arena(content)
    assert arena.total_bytes == arena.head_bytes + arena.tail_bytes
    # The convolution's 16 * 16 * 8 bytes are alive beside the image's 16 * 16 * 3, then beside the 16 * 16 * 4 of the last.
    assert arena.head_bytes >= 16 * 16 * (8 + 4)
    assert abs(arena.smallest_bytes - arena.total_bytes) <= micro.ALIGNMENT
    assert micro._fits(content, arena.smallest_bytes)
    assert not micro._fits(content, arena.smallest_bytes - micro.ALIGNMENT)


def test_without_the_extra_the_command_is_told(content, monkeypatch):
    monkeypatch.setattr(micro, "is_installed", lambda: False)
    with pytest.raises(ValueError, match=r"TFLite Micro is not installed; run pip install 'kerasseg\[micro\]'"):
        micro.measure_arena(content)


def test_a_model_it_does_not_load_is_told(monkeypatch):
    tiled = network(keras.layers.UpSampling2D(2, interpolation="nearest"))
    monkeypatch.setattr(micro, "LARGEST_ARENA", 2**20)
    with pytest.raises(ValueError, match="does not load under TFLite Micro .*TILE.*look for an operator it lacks"):
        micro.measure_arena(int8(tiled))


def test_no_arena_far_below_the_file_is_tried(content, monkeypatch):
    # TFLite Micro crashes in one of 64 KiB for a model of megabytes; a crash would end this process.
    monkeypatch.setattr(micro, "FIRST_ARENA", 2 * micro.ALIGNMENT)
    weighty = int8(network(keras.layers.Conv2D(64, 1), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(512)))
    _, given = micro.load(weighty, "the model")
    assert given >= len(weighty) > 512 * 64
