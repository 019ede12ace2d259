import keras
import numpy as np
import pytest

from kerasseg.lite.flatbuffer import Graph
from kerasseg.lite.inspection import Reference
from kerasseg.mcu import runtime as micro
from tests.lite.nets import int8, network

NOISE = [[np.random.default_rng(i).integers(-128, 128, (1, 16, 16, 3), np.int8)] for i in range(3)]


@pytest.fixture(scope="module")
def content():
    return int8(network(keras.layers.Conv2D(8, 3, padding="same"), keras.layers.ReLU(), keras.layers.Conv2D(4, 1)))


def test_the_smallest_arena_runs_and_a_smaller_one_does_not(content):
    arena = micro.measure_arena(content)
    assert arena.total_bytes == arena.head_bytes + arena.tail_bytes
    # The convolution's 16 * 16 * 8 bytes are alive beside the image's 16 * 16 * 3, then beside the 16 * 16 * 4 of the last.
    assert arena.head_bytes >= 16 * 16 * (8 + 4)
    assert abs(arena.smallest_bytes - arena.total_bytes) <= micro.ALIGNMENT
    assert micro._fits(content, arena.smallest_bytes)
    assert not micro._fits(content, arena.smallest_bytes - micro.ALIGNMENT)


def test_the_kernels_are_bit_exact_with_litert(content):
    found, outputs = micro.compare(content, NOISE)
    assert found == micro.Exactness(runs=3, equal=3, largest_difference=0, first_operator="")
    assert outputs[0][0].shape == (1, 16, 16, 4)


def test_floats_that_are_nearly_equal_are_not_equal():
    """Of an integer file with float ends; a cast to whole numbers would call 0.2 and 0.9 equal."""
    ours, theirs = np.float32([0.2, 5.0]), np.float32([0.9, 5.0])
    assert micro._apart(ours, theirs) == 1
    assert micro._apart(ours, ours) == 0
    assert micro._apart(np.float32([np.nan]), np.float32([np.nan])) == 0
    assert micro._apart(np.int8([-128, 3]), np.int8([127, 3])) == 255  # in int8 itself, 127 - -128 would be -1


def test_the_first_operator_that_differs_is_named(content, monkeypatch):
    graph = Graph(content)
    bias = graph.tensors[graph.operators[1].inputs[2]]  # of the second convolution
    buffer = graph.model.buffers[bias.buffer]
    buffer.data = np.frombuffer(bytes(buffer.data), np.int32).__add__(10_000).view(np.uint8)
    other = graph.content()
    monkeypatch.setattr(micro, "Reference", lambda content: Reference(other))
    found, _ = micro.compare(content, NOISE)
    assert found.equal == 0
    assert found.largest_difference > 0
    assert found.first_operator == f"CONV_2D at {graph.name(graph.operators[1].outputs[0])}"


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
