import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasseg.lite import converter, interpreter
from kerasseg.quiet import quiet


def test_quantize_rounds_clips_and_casts():
    values = np.array([0.0, 0.5, 1.5, -0.5, 1000.0, -1000.0])
    # In steps of 1 with zero point 3: halves go away from zero, then 3 is added, then -128..127 holds.
    np.testing.assert_array_equal(
        interpreter.quantize(values, scale=1.0, zero_point=3, dtype=np.int8), np.array([3, 4, 5, 2, 127, -128], np.int8)
    )


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_quantizing_errs_by_half_a_step_at_most(dtype):
    scale, zero_point = 0.037, 11
    limits = np.iinfo(dtype)
    values = np.random.default_rng(0).uniform((limits.min - zero_point) * scale, (limits.max - zero_point) * scale, 1000)
    steps = interpreter.quantize(values, scale=scale, zero_point=zero_point, dtype=dtype)
    back = interpreter.dequantize(steps, scale=scale, zero_point=zero_point)
    assert np.abs(back - values).max() <= scale / 2 + 1e-6


def test_quantize_agrees_with_tflites_own_kernel():
    values = np.random.default_rng(0).normal(0, 3, 500).astype(np.float32)
    ours = interpreter.quantize(values, scale=0.05, zero_point=-4, dtype=np.int8)
    theirs = tf.quantization.quantize(values, (-128 + 4) * 0.05, (127 + 4) * 0.05, tf.qint8)[0]
    np.testing.assert_array_equal(ours, theirs.numpy())


def test_floats_pass():
    values = np.array([1.25, -3.0], np.float32)
    np.testing.assert_array_equal(interpreter.quantize(values, scale=0, zero_point=0, dtype=np.float32), values)
    np.testing.assert_array_equal(interpreter.dequantize(values, scale=0, zero_point=0), values)


def test_files_that_are_no_segmentation_model_are_refused(tmp_path):
    path = tmp_path / "m.tflite"
    with pytest.raises(ValueError, match=r"no file .*m.tflite; check the path"):
        interpreter.LoadedModel(path)
    path.write_bytes(b"TFL3 but not really")
    with pytest.raises(ValueError, match=r"m.tflite does not load under LiteRT with xnnpack kernels"):
        interpreter.LoadedModel(path)
    with pytest.raises(ValueError, match=r"kernels 'fast' are unknown; give one of xnnpack, reference"):
        interpreter.LoadedModel(path, kernels="fast")

    def file_of(inputs, outputs):
        return converter.convert(keras.Model(inputs, outputs), recipe="float32")

    grey = keras.Input((8, 8, 1), batch_size=1)
    with pytest.raises(ValueError, match=r"takes \(1, 8, 8, 1\); an image input is \(1, height, width, 3\)"):
        interpreter.LoadedModel(file_of(grey, keras.layers.Conv2D(2, 1)(grey)))
    image = keras.Input((8, 8, 3), batch_size=1)
    with pytest.raises(ValueError, match=r"gives \(1, 3, 3, 2\) for \(1, 8, 8, 3\); logits are .*, or a whole fraction"):
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


def test_an_open_batch_and_two_pictures_are_refused():
    image = keras.Input((8, 8, 3))
    with pytest.raises(ValueError, match=r"has an open size \(-1, 8, 8, 3\); convert it with batch 1 and a fixed size"):
        interpreter.ImageModel(_from_tf(keras.Model(image, keras.layers.Conv2D(2, 1)(image))))
    first, second = (keras.Input((8, 8, 3), batch_size=1), keras.Input((8, 8, 3), batch_size=1))
    both = keras.Model([first, second], keras.layers.Add()([first, second]))
    with pytest.raises(ValueError, match="has 2 inputs and 1 outputs"):
        interpreter.ImageModel(_from_tf(both))


def test_a_truncated_file_is_refused(tmp_path):
    image = keras.Input((8, 8, 3), batch_size=1)
    content = converter.convert(keras.Model(image, keras.layers.Conv2D(64, 3, padding="same")(image)), recipe="float32")
    for keep in (0, 16, len(content) // 2, len(content) - 100):
        path = tmp_path / f"{keep}.tflite"
        path.write_bytes(content[:keep])
        with pytest.raises(ValueError, match=r"does not load under LiteRT"):
            interpreter.LoadedModel(path)
