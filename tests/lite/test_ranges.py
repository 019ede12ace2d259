import keras
import numpy as np

from kerasseg.lite import calibration, converter, interpreter, ranges

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), np.uint8)


def _squeeze_excite(bias):
    """A squeeze-excite block whose reducing convolution never fires when its bias is very negative."""
    image = keras.Input((16, 16, 3), batch_size=1)
    x = keras.layers.GlobalAveragePooling2D(keepdims=True)(image)
    x = keras.layers.Conv2D(4, 1, name="reduce")(x)
    x = keras.layers.ReLU(name="relu")(x)
    x = keras.layers.Conv2D(3, 1, activation="sigmoid", name="expand")(x)
    model = keras.Model(image, keras.layers.Multiply()([image, x]))
    model.get_layer("reduce").set_weights([np.full((1, 1, 3, 4), 0.5), np.full(4, bias)])
    model.get_layer("expand").set_weights([np.full((1, 1, 4, 3), 0.1), np.array([2.0, -1.0, 0.5])])
    return model


def test_a_dead_layer_gets_a_range_and_the_outputs_stay():
    model = _squeeze_excite(bias=-5000.0)
    image = IMAGES[:1].astype(np.float32)
    before = model.predict_on_batch(image)
    assert ranges.give_dead_layers_a_range(model, calibration.representative(iter(IMAGES))) == ["relu"]
    np.testing.assert_array_equal(model.predict_on_batch(image), before)
    content = converter.convert(model, recipe="int8", representative=calibration.representative(iter(IMAGES)))
    loaded = interpreter.LoadedModel(content)  # XNNPACK takes it
    loaded.set_image(image)
    loaded.invoke()
    assert np.abs(loaded.logits() - before).max() < 4  # of 255


def test_a_live_layer_is_left_alone():
    model = _squeeze_excite(bias=1.0)
    before = model.get_weights()
    assert ranges.give_dead_layers_a_range(model, calibration.representative(iter(IMAGES))) == []
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
