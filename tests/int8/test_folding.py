import keras
import numpy as np

from kerasseg.int8 import folding
from kerasseg.models import build_model

IMAGE = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3)).astype(np.float32)


def lively(model, *, seed=0):
    """The same model with batch norms that do something."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            count = layer.gamma.shape[0]
            layer.set_weights(
                [rng.uniform(0.5, 1.5, count), rng.normal(0, 0.3, count), rng.normal(0, 0.3, count), rng.uniform(0.3, 2, count)]
            )
    return model


def test_folding_changes_no_output_and_leaves_no_batch_norm():
    model = lively(build_model("tiny", size=(64, 64), num_classes=4, batch_size=1))
    folded = folding.fold(model)
    assert not [layer for layer in folded.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert all(layer.use_bias for layer in folded.layers if isinstance(layer, folding.CONVOLUTIONS))
    expected = model.predict_on_batch(IMAGE)
    np.testing.assert_allclose(folded.predict_on_batch(IMAGE), expected, atol=1e-4 * np.abs(expected).max())


def test_one_channel_by_hand():
    # conv(x) = 2 x + 1, then (y - 3) / sqrt(4 - 0) * 5 + 7 without epsilon: 5 / 2 * (2 x + 1 - 3) + 7 = 5 x + 2.
    image = keras.Input((1, 1, 3), batch_size=1)
    x = keras.layers.Conv2D(1, 1, name="conv")(image)
    model = keras.Model(image, keras.layers.BatchNormalization(epsilon=0.0)(x))
    model.layers[1].set_weights([np.array([2.0, 0, 0]).reshape(1, 1, 3, 1), np.array([1.0])])
    model.layers[2].set_weights([np.array([v]) for v in (5.0, 7.0, 3.0, 4.0)])
    kernel, bias = folding.fold(model).get_layer("conv").get_weights()
    np.testing.assert_allclose(kernel.ravel(), [5, 0, 0])
    np.testing.assert_allclose(bias, [2])


def test_a_batch_norm_after_something_else_stays():
    image = keras.Input((4, 4, 3), batch_size=1)
    x = keras.layers.BatchNormalization(name="first")(image)
    model = keras.Model(image, keras.layers.Conv2D(2, 1)(x))
    assert folding.fold(model).get_layer("first").count_params() == 12


def test_resizes_in_steps_of_two():
    image = keras.Input((4, 6, 3), batch_size=1)
    x = keras.layers.Resizing(32, 48, name="eight")(image)
    x = keras.layers.Resizing(64, 96, name="two")(x)
    model = keras.Model(image, keras.layers.Resizing(96, 144, name="one_and_a_half")(x))
    doubled = folding.double_resizes(model)
    assert [layer.name for layer in doubled.layers[1:]] == ["eight_2x", "eight_4x", "eight", "two", "one_and_a_half"]
    assert [layer.output.shape[1] for layer in doubled.layers] == [4, 8, 16, 32, 64, 96]
    # Bilinear steps keep a plane as it is, inside: the borders repeat.
    plane = np.broadcast_to(np.arange(6.0, dtype=np.float32)[None, None, :, None], (1, 4, 6, 3))
    for net in (model, doubled):
        middle = keras.ops.convert_to_numpy(net(plane))[0, 48, 36:-36, 0]
        np.testing.assert_allclose(np.diff(middle), 1 / 24, atol=2e-4)


def test_means_of_a_picture_as_poolings():
    image = keras.Input((5, 7, 3), batch_size=1)
    x = keras.layers.GlobalAveragePooling2D(keepdims=True, name="mean")(image)
    model = keras.Model(image, keras.layers.Multiply()([image, x]))
    pooled = folding.pool_means(model)
    assert isinstance(pooled.get_layer("mean"), keras.layers.AveragePooling2D)
    picture = np.random.default_rng(0).uniform(0, 255, (1, 5, 7, 3)).astype(np.float32)
    np.testing.assert_allclose(pooled(picture), model(picture), rtol=1e-5)


def test_a_resize_from_one_pixel_stays():
    image = keras.Input((1, 1, 3), batch_size=1)
    model = keras.Model(image, keras.layers.Resizing(8, 8)(image))
    assert len(folding.double_resizes(model).layers) == 2
