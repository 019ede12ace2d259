import numpy as np
import pytest

from kerasseg.lite.flatbuffer import Graph
from kerasseg.lite.inspection import Reference
from kerasseg.mcu import parity
from tests.lite.nets import two_convolutions

NOISE = [[np.random.default_rng(i).integers(-128, 128, (1, 16, 16, 3), np.int8)] for i in range(3)]


@pytest.fixture(scope="module")
def content():
    return two_convolutions()


def test_the_kernels_are_bit_exact_with_litert(content):
    found, outputs = parity.compare(content, NOISE)
    assert found == parity.Exactness(runs=3, equal=3, largest_difference=0, first_operator="")
    assert outputs[0][0].shape == (1, 16, 16, 4)


def test_floats_that_are_nearly_equal_are_not_equal():
    """Of an integer file with float ends; a cast to whole numbers would call 0.2 and 0.9 equal."""
    ours, theirs = np.float32([0.2, 5.0]), np.float32([0.9, 5.0])
    assert parity._apart(ours, theirs) == 1
    assert parity._apart(ours, ours) == 0
    assert parity._apart(np.float32([np.nan]), np.float32([np.nan])) == 0
    assert parity._apart(np.int8([-128, 3]), np.int8([127, 3])) == 255  # in int8 itself, 127 - -128 would be -1


def test_the_first_operator_that_differs_is_named(content, monkeypatch):
    graph = Graph(content)
    bias = graph.tensors[graph.operators[1].inputs[2]]  # of the second convolution
    buffer = graph.model.buffers[bias.buffer]
    buffer.data = np.frombuffer(bytes(buffer.data), np.int32).__add__(10_000).view(np.uint8)
    other = graph.content()
    monkeypatch.setattr(parity, "Reference", lambda content: Reference(other))
    found, _ = parity.compare(content, NOISE)
    assert found.equal == 0
    assert found.largest_difference > 0
    assert found.first_operator == f"CONV_2D at {graph.name(graph.operators[1].outputs[0])}"
