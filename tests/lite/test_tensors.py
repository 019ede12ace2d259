import numpy as np
import pytest
import tensorflow as tf

from kerasseg.lite import tensors


def test_quantize_rounds_clips_and_casts():
    values = np.array([0.0, 0.5, 1.5, -0.5, 1000.0, -1000.0])
    # In steps of 1 with zero point 3: halves go away from zero, then 3 is added, then -128..127 holds.
    np.testing.assert_array_equal(
        tensors.quantize(values, scale=1.0, zero_point=3, dtype=np.int8), np.array([3, 4, 5, 2, 127, -128], np.int8)
    )


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_quantizing_errs_by_half_a_step_at_most(dtype):
    scale, zero_point = 0.037, 11
    limits = np.iinfo(dtype)
    values = np.random.default_rng(0).uniform((limits.min - zero_point) * scale, (limits.max - zero_point) * scale, 1000)
    steps = tensors.quantize(values, scale=scale, zero_point=zero_point, dtype=dtype)
    back = tensors.dequantize(steps, scale=scale, zero_point=zero_point)
    assert np.abs(back - values).max() <= scale / 2 + 1e-6


def test_quantize_agrees_with_tflites_own_kernel():
    values = np.random.default_rng(0).normal(0, 3, 500).astype(np.float32)
    ours = tensors.quantize(values, scale=0.05, zero_point=-4, dtype=np.int8)
    theirs = tf.quantization.quantize(values, (-128 + 4) * 0.05, (127 + 4) * 0.05, tf.qint8)[0]
    np.testing.assert_array_equal(ours, theirs.numpy())


def test_floats_pass():
    values = np.array([1.25, -3.0], np.float32)
    np.testing.assert_array_equal(tensors.quantize(values, scale=0, zero_point=0, dtype=np.float32), values)
    np.testing.assert_array_equal(tensors.dequantize(values, scale=0, zero_point=0), values)
