import weakref

import keras
import numpy as np
import pytest

from kerasseg.int8 import calibration, equalization, folding, quantization, ranges, walking
from kerasseg.lite import converter
from kerasseg.models import build_model
from tests.int8.test_folding import lively
from tests.lite import nets

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)


def _all_at_once(model, image):
    """`walking.walk` as a model of all outputs, which keeps every one of them."""
    layers = [layer for layer in model.operations if not isinstance(layer, keras.layers.InputLayer)]
    probe = keras.Model(model.input, [layer.output for layer in layers])
    return zip(layers, map(keras.ops.convert_to_numpy, probe(image, training=False)), strict=True)


@pytest.mark.slow
def test_the_int8_file_is_the_same_to_the_byte_in_pieces_and_all_at_once(short, monkeypatch):
    model = folding.fold(lively(build_model(short.model, size=(64, 64), num_classes=4, batch_size=1)))
    representative = calibration.representative(iter(IMAGES))

    def file(piece_bytes):
        content = converter.convert(equalization.equalize(model, representative), recipe="float32")
        found = ranges.measure(content, representative, piece_bytes=piece_bytes)
        return quantization.with_ranges(content, found)

    pieces = file(1)  # an operator each
    monkeypatch.setattr(walking, "walk", _all_at_once)
    assert pieces == file(2**40)


def _chain_with_a_shortcut(monkeypatch):
    """(model, list that gets the number of layers' outputs that are in memory as each layer has been computed)."""
    image = keras.Input((16, 16, 3), batch_size=1)
    first = keras.layers.Conv2D(4, 1, name="first")(image)
    x = first
    for i in range(8):
        x = keras.layers.Conv2D(4, 1, name=f"conv_{i}")(x)
    x = keras.layers.Add(name="add")([first, x])
    model = keras.Model(image, keras.layers.ReLU(name="end")(x))
    computed, alive = [], []

    def observed(tensor, own=keras.ops.convert_to_numpy):
        computed.append(weakref.ref(tensor))
        alive.append(sum(one() is not None for one in computed))
        return own(tensor)

    monkeypatch.setattr(walking.keras.ops, "convert_to_numpy", observed)
    return model, alive


def test_an_output_lives_until_its_last_taker_has_run(monkeypatch):
    model, alive = _chain_with_a_shortcut(monkeypatch)
    names = [layer.name for layer, _ in walking.walk(model, nets.IMAGES[:1].astype(np.float32))]
    assert names == ["first", *(f"conv_{i}" for i in range(8)), "add", "end"]
    # Of the 11 outputs: the first alone, since its image is none of them; then it, what the layer before gave has gone as
    # soon as it was taken, and the layer's own: 2. The sum has taken both and is alone, and so is the end.
    assert alive == [1, *[2] * 8, 1, 1]


def test_walking_gives_what_the_model_gives():
    model = nets.network(keras.layers.Conv2D(4, 3, name="conv"), keras.layers.GlobalAveragePooling2D(keepdims=True))
    image = nets.IMAGES[:1].astype(np.float32)
    for (layer, ours), (other, theirs) in zip(walking.walk(model, image), _all_at_once(model, image), strict=True):
        assert layer is other
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(walking.output(model, image), keras.ops.convert_to_numpy(model(image)))
