import numpy as np
import pytest
from PIL import Image

from kerasseg.data import pictures
from tests.conftest import write_picture

RGB = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)


def test_an_rgb_image_is_read_as_it_is(tmp_path):
    np.testing.assert_array_equal(pictures.read_image(write_picture(tmp_path / "a.png", RGB)), RGB)


def test_a_grey_image_becomes_three_equal_channels(tmp_path):
    image = pictures.read_image(write_picture(tmp_path / "a.png", RGB[..., 0]))
    np.testing.assert_array_equal(image, np.repeat(RGB[..., :1], 3, -1))


def test_palette_labels_are_indices_and_palette_images_colours(tmp_path):
    picture = Image.new("P", (2, 2))
    picture.putdata([0, 1, 2, 255])
    picture.putpalette([9, 8, 7, 50, 60, 70, 1, 2, 3] + [0] * 756 + [200, 201, 202])
    picture.save(tmp_path / "a.png")
    np.testing.assert_array_equal(pictures.read_labels(tmp_path / "a.png"), [[0, 1], [2, 255]])
    np.testing.assert_array_equal(pictures.read_image(tmp_path / "a.png")[0], [[9, 8, 7], [50, 60, 70]])


@pytest.mark.parametrize("pixels", [np.zeros((4, 5), np.uint16), np.zeros((4, 5, 4), np.uint8)])
def test_16_bit_and_transparent_images_are_refused(tmp_path, pixels):
    path = write_picture(tmp_path / "a.png", pixels)
    with pytest.raises(ValueError, match=r"a.png is a (I;16|RGBA) picture; images must be 8-bit RGB, grey or palette"):
        pictures.read_image(path)


@pytest.mark.parametrize("pixels", [np.zeros((4, 5), np.uint16), RGB])
def test_labels_in_colours_or_16_bits_are_refused(tmp_path, pixels):
    path = write_picture(tmp_path / "a.png", pixels)
    with pytest.raises(ValueError, match=r"a.png is a (I;16|RGB) picture, labels must be 8-bit class ids, one channel"):
        pictures.read_labels(path)


def test_jpeg_labels_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"a.jpg is a JPEG, which changes class ids; save labels as PNG"):
        pictures.read_labels(write_picture(tmp_path / "a.jpg", RGB[..., 0]))


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_truncated_picture_is_named(tmp_path, suffix):
    path = write_picture(tmp_path / f"a.{suffix}", np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match=rf"a.{suffix} cannot be decoded \(.*\); replace the file or remove it"):
        pictures.read_image(path)


def test_a_file_that_is_no_picture_is_named(tmp_path):
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(ValueError, match="a.png cannot be decoded"):
        pictures.read_image(tmp_path / "a.png")


def test_ids_outside_the_classes_are_named_and_counted():
    labels = np.array([[0, 2, 7], [7, 255, 9]], np.uint8)
    with pytest.raises(ValueError, match=r"x.png has class ids 7 \(2 pixels\), 9 \(1 pixels\); accepted are 0..2 and 255"):
        pictures.check_ids(labels, 3, source="x.png")
    pictures.check_ids(labels[:1, :2], 3, source="x.png")


def test_pairs_name_what_lacks_its_partner(tmp_path):
    for name in ("a", "b"):
        write_picture(tmp_path / "images" / f"{name}.png", RGB)
        write_picture(tmp_path / "labels" / f"{name}.png", RGB[..., 0])
    assert [stem for stem, _, _ in pictures.pairs(tmp_path / "images", tmp_path / "labels")] == ["a", "b"]
    write_picture(tmp_path / "images" / "c.png", RGB)
    with pytest.raises(ValueError, match=r"an image without labels: nothing in .*labels is called c;"):
        pictures.pairs(tmp_path / "images", tmp_path / "labels")
    (tmp_path / "images" / "c.png").unlink()
    write_picture(tmp_path / "labels" / "d.png", RGB[..., 0])
    write_picture(tmp_path / "labels" / "e.png", RGB[..., 0])
    with pytest.raises(ValueError, match=r"labels without an image: nothing in .*images is called d and 1 more"):
        pictures.pairs(tmp_path / "images", tmp_path / "labels")


def test_missing_empty_and_ambiguous_folders(tmp_path):
    with pytest.raises(ValueError, match="no folder .*nowhere; check --data_dir"):
        pictures.stems(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="holds no pictures"):
        pictures.stems(tmp_path)
    write_picture(tmp_path / "a.png", RGB)
    write_picture(tmp_path / "a.jpg", RGB)
    with pytest.raises(ValueError, match="has both a.jpg and a.png; keep one picture a stem"):
        pictures.stems(tmp_path)
