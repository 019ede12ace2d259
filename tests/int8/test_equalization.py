import dataclasses

import keras
import numpy as np
import pytest

from kerasseg.errors import InputError
from kerasseg.int8 import calibration, channels, equalization, folding
from kerasseg.models import build_model, get_spec
from tests.int8.test_folding import lively

pytestmark = pytest.mark.slow

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
IMAGE = IMAGES[:1].astype(np.float32)


def _representative():
    return calibration.representative(iter(IMAGES))


@pytest.mark.parametrize("name", ["tiny", "v3large_sliced", "v3small", "v3large_half"])
def test_equalizing_changes_no_output(name):
    model = folding.fold(lively(build_model(name, size=(64, 64), num_classes=4, batch_size=1)))
    expected = np.asarray(model(IMAGE, training=False))
    equal = equalization.equalize(model, _representative())
    np.testing.assert_allclose(equal(IMAGE, training=False), expected, atol=2e-4 * np.abs(expected).max())
    assert not [layer.name for layer in equal.layers if channels.is_hard_swish(layer)]


@pytest.mark.parametrize("activation", ["swish", "relu", "relu6"])
def test_other_activations_are_equalized_too(activation):
    spec = dataclasses.replace(get_spec("tiny"), activation=activation, last_block=3)
    model = folding.fold(lively(build_model(spec, size=(64, 64), num_classes=4, batch_size=1)))
    expected = np.asarray(model(IMAGE, training=False))
    equal = equalization.equalize(model, _representative())
    np.testing.assert_allclose(equal(IMAGE, training=False), expected, atol=2e-4 * np.abs(expected).max())


def _two_convolutions(second):
    image = keras.Input((8, 8, 3), batch_size=1)
    x = keras.layers.Conv2D(4, 1, name="first")(image)
    x = keras.layers.ReLU(name="relu")(x)
    x = second(x)
    x = keras.layers.Conv2D(2, 1, name="last")(x)
    model = keras.Model(image, x)
    kernel = np.abs(np.random.default_rng(0).normal(size=(1, 1, 3, 4))) * [1, 10, 100, 1000]
    model.get_layer("first").set_weights([kernel, np.zeros(4)])
    return model


def _spread(model):
    """Largest over smallest of the channels' largest values after the ReLU."""
    images = np.random.default_rng(1).integers(0, 256, (1, 8, 8, 3)).astype(np.float32)
    tops = keras.Model(model.input, model.get_layer("relu").output).predict_on_batch(images).max((0, 1, 2))
    return tops.max() / tops.min()


def test_before_a_depthwise_convolution_channels_become_alike():
    model = _two_convolutions(keras.layers.DepthwiseConv2D(3, padding="same", name="second"))
    images = np.random.default_rng(1).integers(0, 256, (1, 8, 8, 3), np.uint8)
    equal = equalization.equalize(model, calibration.representative(iter(images)))
    assert _spread(model) > 50  # the floor of 2 % limits what follows: 1, 10, 100 and 1000 become 0.05, 0.5, 1 and 1
    assert _spread(equal) < _spread(model) / 20


def test_before_a_plain_convolution_the_kernel_takes_its_share():
    model = _two_convolutions(keras.layers.Conv2D(4, 1, name="second"))
    images = np.random.default_rng(1).integers(0, 256, (1, 8, 8, 3), np.uint8)
    equal = equalization.equalize(model, calibration.representative(iter(images)))
    assert 1.5 < _spread(equal) < _spread(model) / 2


def test_a_shortcut_from_an_activation_is_scaled_on_its_own():
    model = folding.fold(build_model("v3large_sliced", size=(64, 64), num_classes=4, batch_size=1))
    assert equalization.shortcuts_from_activations(model) == {"expanded_conv_add"}
    equal = equalization.equalize(model, _representative())
    assert isinstance(equal.get_layer("expanded_conv_add_shortcut"), keras.layers.DepthwiseConv2D)


def _hard_swish_beside_a_sigmoid():
    image = keras.Input((8, 8, 3), batch_size=1)
    x = keras.layers.Conv2D(4, 1)(image)
    swish = keras.layers.Activation("hard_swish", name="swish")(x)
    gate = keras.layers.Activation("sigmoid", name="gate")(x)
    return keras.Model(image, keras.layers.Concatenate()([keras.layers.Activation("tanh", name="end")(swish), gate]))


def test_demands_that_contradict_each_other_are_refused():
    images = calibration.representative(iter(np.random.default_rng(1).integers(0, 256, (1, 8, 8, 3), np.uint8)))
    model = _hard_swish_beside_a_sigmoid()
    with pytest.raises(InputError, match=r"needs a channel scaled by .* cannot be equalized so; leave that hard-swish out"):
        equalization.equalize(model, images, gated=frozenset({"swish"}))
    equal = equalization.equalize(model, images)
    image = next(images())[0]
    np.testing.assert_allclose(equal.predict_on_batch(image), model.predict_on_batch(image), atol=1e-5)


def test_what_comes_out_is_held_against_what_went_in(monkeypatch):
    model = folding.fold(lively(build_model(dataclasses.replace(get_spec("tiny"), last_block=3), size=(64, 64), batch_size=1)))
    monkeypatch.setattr(equalization.folding, "scale_inputs", lambda kernel, factor: kernel)
    with pytest.raises(InputError, match=r"gives logits \d+\.\d\d % of their range away from those it came from"):
        equalization.equalize(model, _representative())


def test_a_hard_swish_whose_output_is_asked_for_stays_whole():
    image = keras.Input((8, 8, 3), batch_size=1)
    x = keras.layers.Conv2D(4, 1)(image)
    model = keras.Model(image, keras.layers.Activation("hard_swish", name="end")(x))
    images = np.random.default_rng(1).integers(0, 256, (1, 8, 8, 3), np.uint8)
    equal = equalization.equalize(model, calibration.representative(iter(images)), gated=frozenset())
    assert channels.is_hard_swish(equal.get_layer("end"))
    np.testing.assert_allclose(
        equal.predict_on_batch(images.astype(np.float32)), model.predict_on_batch(images.astype(np.float32)), rtol=1e-5
    )
