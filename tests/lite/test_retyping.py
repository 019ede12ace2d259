import keras
import numpy as np

from kerasseg.lite import inspection, interpreter, retyping
from tests.lite.nets import int8, network


def test_an_int8_file_gets_uint8_ends_and_the_same_numbers():
    content = int8(network(keras.layers.Conv2D(4, 3, padding="same"), keras.layers.Conv2D(3, 1)))
    changed = retyping.with_uint8(content)
    before, after = (interpreter.LoadedModel(one) for one in (content, changed))
    assert (before.input.dtype, after.input.dtype, after.output.dtype) == (np.int8, np.uint8, np.uint8)
    assert after.input.zero_point == before.input.zero_point + 128
    rng = np.random.default_rng(0)
    for _ in range(3):
        image = rng.integers(0, 256, (1, *before.size, 3)).astype(np.float32)
        for model in (before, after):
            model.set_image(image)
            model.invoke()
        np.testing.assert_array_equal(before.raw_output().astype(int) + 128, after.raw_output())
    assert retyping.with_uint8(changed) == changed  # nothing is left to do
    reference = inspection.Reference(changed)
    assert [tensor.dtype for tensor in reference.inputs + reference.outputs] == [np.uint8, np.uint8]
