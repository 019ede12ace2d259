import numpy as np

from kerasseg.data import letterbox as letterbox_lib


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
