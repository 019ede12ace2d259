import numpy as np
import pytest

from kerasseg.data import letterbox as letterbox_lib
from kerasseg.errors import InputError


def test_a_picture_that_fits_is_copied_and_padded():
    image = np.random.default_rng(0).integers(0, 256, (36, 48, 3), np.uint8)
    out, placement = letterbox_lib.letterbox(image, size=(40, 48))
    np.testing.assert_array_equal(out[:36], image)
    assert (out[36:] == letterbox_lib.PAD_VALUE).all()
    ids = np.arange(40 * 48, dtype=np.int64).reshape(40, 48) % 5
    np.testing.assert_array_equal(letterbox_lib.restore(ids, placement), ids[:36])


def test_any_size_comes_back_at_its_own_resolution():
    for shape in ((100, 30), (17, 200), (1, 1)):
        image = np.zeros((*shape, 3), np.uint8)
        ids = letterbox_lib.segment(lambda images: images[..., 0] // 127, image, size=(64, 96))
        assert ids.shape == shape
        assert (ids == 0).all()  # nothing of the padding leaks in


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8, 3), np.float32),
        np.zeros((8, 8, 3), np.uint16),
        np.zeros((8, 8), np.uint8),
        np.zeros((3, 8, 8), np.uint8),
    ],
)
def test_what_is_no_picture_of_bytes_is_refused(image):
    """Of 0..1 a network would see black, of 16 bits noise, and of channels first stripes."""
    with pytest.raises(InputError, match="give uint8 of 0 to 255, .height, width, 3. each"):
        letterbox_lib.segment(lambda images: images[..., 0], image, size=(8, 8))


@pytest.mark.parametrize("ids", [np.full((1, 8, 8), 256), np.full((1, 8, 8), -1)])
def test_class_ids_that_no_byte_holds_are_refused(ids):
    with pytest.raises(InputError, match="the model predicts classes .*; class ids are 0 to 254"):
        letterbox_lib.segment(lambda images: ids, np.zeros((8, 8, 3), np.uint8), size=(8, 8))
