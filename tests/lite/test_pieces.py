import math

import keras
import numpy as np
import pytest

from kerasseg.lite import pieces
from kerasseg.lite.flatbuffer import Graph
from kerasseg.lite.inspection import Inspector
from tests.lite import nets

IMAGE = nets.IMAGES[:1].astype(np.float32)


def _with_shortcuts():
    """One shortcut over a convolution and one from the picture to the end: tensors that outlive the piece they come from."""
    image = keras.Input((16, 16, 3), batch_size=1)
    first = keras.layers.Conv2D(8, 3, padding="same", name="first")(image)
    x = keras.layers.ReLU()(keras.layers.Conv2D(8, 3, padding="same", name="second")(first))
    x = keras.layers.Add()([first, x])
    x = keras.layers.Resizing(32, 32)(keras.layers.GlobalAveragePooling2D(keepdims=True)(x))
    return keras.Model(image, keras.layers.Concatenate()([x, keras.layers.Resizing(32, 32)(image)]))


@pytest.fixture(scope="module", params=["float32", "int8"])
def content(request):
    model = _with_shortcuts()
    return nets.as_float(model) if request.param == "float32" else nets.int8(model)


@pytest.mark.parametrize("piece_bytes", [1, 20_000, 2**30])
def test_pieces_give_what_the_whole_gives_to_the_bit(content, piece_bytes):
    walker, inspector = pieces.Walker(content, piece_bytes=piece_bytes), Inspector(content)
    assert (len(walker.pieces) > 1) == (piece_bytes < 2**30)
    assert walker.activations == inspector.activations
    assert [walker.names[tensor] for tensor in walker.activations] == [inspector.names[t] for t in inspector.activations]
    for image in (IMAGE, 255 - IMAGE):  # a second picture finds nothing left of the first
        inspector.run(image)
        found = dict(walker.walk(image))
        assert list(found) == inspector.activations
        for tensor, values in found.items():
            assert values.dtype == np.float32
            np.testing.assert_array_equal(values, inspector.read(tensor))


def test_a_piece_holds_no_more_than_it_may(content):
    graph = Graph(content)
    for piece_bytes in (1, 20_000, 50_000):
        cut = pieces.Walker(content, piece_bytes=piece_bytes).pieces
        assert [t for piece in cut for t in piece.outputs] == [t for one in graph.operators for t in one.outputs]
        for piece in cut:
            tensors = {*piece.inputs, *piece.outputs}
            size = sum(math.prod(graph.shape(t)) * graph.dtype(t).itemsize for t in tensors)
            assert size <= piece_bytes or len(piece.outputs) == 1


def test_nothing_is_held_that_no_later_piece_takes(content):
    cut = pieces.Walker(content, piece_bytes=1).pieces
    for number, piece in enumerate(cut):
        later = {tensor for after in cut[number + 1 :] for tensor in after.inputs}
        computed = {tensor for before in cut[: number + 1] for tensor in before.outputs} | set(cut[0].inputs)
        assert piece.lasting == later & computed
    assert len(cut[0].lasting) == 2  # the picture, which the end takes too, and the first output
    assert not cut[-1].lasting


def test_a_piece_has_its_own_weights_alone():
    model = nets.network(*[keras.layers.Conv2D(64, 3, padding="same") for _ in range(6)])
    content = nets.as_float(model)
    cut = pieces.Walker(content, piece_bytes=1).pieces
    assert len(cut) == 6
    # Five kernels of 3 * 3 * 64 * 64 float32 numbers, 147,456 bytes: no piece has two of them, and together they have all.
    assert max(len(piece.content) for piece in cut) < 2 * 147_456
    assert sum(len(piece.content) for piece in cut) < 1.2 * len(content)
