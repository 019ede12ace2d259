import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasseg.lite import converter, interpreter
from kerasseg.quiet import quiet


def test_files_that_are_no_segmentation_model_are_refused(tmp_path):
    path = tmp_path / "m.tflite"
    with pytest.raises(ValueError, match=r"no file .*m.tflite; check the path"):
        interpreter.LoadedModel(path)
    path.write_bytes(b"\x18\0\0\0TFL3 but not really")
    with pytest.raises(ValueError, match=r"m.tflite does not load under LiteRT with xnnpack kernels"):
        interpreter.LoadedModel(path)
    with pytest.raises(ValueError, match=r"kernels 'fast' are unknown; give one of xnnpack, reference"):
        interpreter.LoadedModel(path, kernels="fast")

    def file_of(inputs, outputs):
        return converter.convert(keras.Model(inputs, outputs), recipe="float32")

    four = keras.Input((8, 8, 4), batch_size=1)
    with pytest.raises(ValueError, match=r"takes \(1, 8, 8, 4\); an image input is \(1, height, width, channels\)"):
        interpreter.LoadedModel(file_of(four, keras.layers.Conv2D(2, 1)(four)))
    image = keras.Input((8, 8, 3), batch_size=1)
    with pytest.raises(
        ValueError, match=r"gives \(1, 3, 3, 2\) float32 for pictures of \(8, 8\); logits are .*, or a whole fraction"
    ):
        interpreter.LoadedModel(file_of(image, keras.layers.Conv2D(2, 6)(image)))
    with pytest.raises(ValueError, match="has 1 inputs and 2 outputs"):
        interpreter.LoadedModel(file_of(image, [keras.layers.Conv2D(2, 1)(image), keras.layers.Conv2D(3, 1)(image)]))


def test_coarse_logits_become_class_ids_of_the_pictures_size():
    image = keras.Input((8, 8, 3), batch_size=1)
    model = keras.Model(image, keras.layers.Conv2D(2, 2, strides=2)(image))
    loaded = interpreter.LoadedModel(converter.convert(model, recipe="float32"))
    assert loaded.output.shape == (1, 4, 4, 2)
    assert interpreter.predictor(loaded)(np.zeros((1, 8, 8, 3), np.uint8)).shape == (1, 8, 8)


def _from_tf(model):
    with quiet():
        return tf.lite.TFLiteConverter.from_keras_model(model).convert()


def test_an_open_batch_is_one_picture():
    image, pixels = keras.Input((8, 8, 3)), np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3), np.uint8)
    model = keras.Model(image, keras.layers.Conv2D(2, 3)(image))
    loaded = interpreter.ImageModel(_from_tf(model))
    loaded.set_image(pixels)
    loaded.invoke()
    np.testing.assert_allclose(loaded.raw_output(), model(pixels.astype(np.float32)), rtol=1e-4, atol=1e-3)


def test_an_open_size_and_two_pictures_are_refused():
    image = keras.Input((None, 8, 3))
    with pytest.raises(ValueError, match=r"has an open size \(-1, -1, 8, 3\); convert it with a fixed height and width"):
        interpreter.ImageModel(_from_tf(keras.Model(image, keras.layers.Conv2D(2, 1)(image))))
    first, second = (keras.Input((8, 8, 3), batch_size=1), keras.Input((8, 8, 3), batch_size=1))
    both = keras.Model([first, second], keras.layers.Add()([first, second]))
    with pytest.raises(ValueError, match="has 2 inputs and 1 outputs"):
        interpreter.ImageModel(_from_tf(both))


def test_a_truncated_file_is_refused(tmp_path):
    image = keras.Input((8, 8, 3), batch_size=1)
    content = converter.convert(keras.Model(image, keras.layers.Conv2D(64, 3, padding="same")(image)), recipe="float32")
    for keep in (16, len(content) // 2, len(content) - 100):
        path = tmp_path / f"{keep}.tflite"
        path.write_bytes(content[:keep])
        with pytest.raises(ValueError, match=r"does not load under LiteRT"):
            interpreter.LoadedModel(path)
