import numpy as np
import pytest
import tensorflow as tf

from kerasseg import logits as reading
from kerasseg.logits import class_ids

RNG = np.random.default_rng(0)


def test_class_ids_of_logits_at_full_size():
    logits = RNG.normal(size=(1, 4, 6, 3)).astype(np.float32)
    ids = class_ids(logits, size=(4, 6))
    assert ids.dtype == np.uint8
    np.testing.assert_array_equal(ids, logits.argmax(-1))


@pytest.mark.parametrize("together", [reading.TOGETHER, 300])  # 300: two rows at a time
def test_coarse_logits_are_resized_as_tensorflow_does(together, monkeypatch):
    monkeypatch.setattr(reading, "TOGETHER", together)
    for dtype in (np.float32, np.int8):
        logits = (20 * RNG.normal(size=(1, 5, 7, 4))).astype(dtype)
        expected = tf.image.resize(logits.astype(np.float32), (20, 28), "bilinear").numpy()
        ids = class_ids(logits, size=(20, 28))
        # Where two classes tie to the last bit, either is right.
        best = np.take_along_axis(expected, ids[..., None].astype(int), -1)[..., 0]
        np.testing.assert_allclose(best, expected.max(-1), atol=1e-4)
