import keras
import numpy as np

from kerasseg.lite import converter, inspection
from tests.lite.nets import int8


def test_partitions_and_what_lies_between_them():
    image = keras.Input((8, 8, 3), batch_size=1)
    x = keras.layers.Conv2D(4, 1)(image)
    plain = keras.Model(image, keras.layers.Conv2D(2, 1)(keras.layers.ReLU()(x)))
    swish = keras.Model(image, keras.layers.Conv2D(2, 1)(keras.layers.Activation("hard_swish")(x)))
    pictures = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)

    assert inspection.partitions(int8(plain, images=pictures)) == (1, ())
    assert inspection.partitions(int8(swish, images=pictures)) == (2, ("HARD_SWISH",))


def test_the_inspector_keeps_every_tensor():
    image = keras.Input((4, 4, 3), batch_size=1)
    doubled = keras.layers.Rescaling(2.0)(image)
    content = converter.convert(keras.Model(image, keras.layers.Rescaling(1.0, 5.0)(doubled)), recipe="float32")
    inspector = inspection.Inspector(content)
    inspector.run(np.full((1, 4, 4, 3), 7, np.float32))
    assert [float(inspector.read(tensor).max()) for tensor in inspector.activations] == [7.0, 14.0, 19.0]
