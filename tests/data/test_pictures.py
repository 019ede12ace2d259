import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from kerasseg.data import pictures
from tests.conftest import write_picture

LOSSLESS = {"moves.webp": {"lossless": True}}
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


def _opaque(pixels, value=255):
    return np.dstack([pixels, np.full(pixels.shape[:2], value, np.uint8)])


def test_an_opaque_alpha_channel_is_left_out(tmp_path):
    for pixels, mode in ((RGB, "RGBA"), (RGB[..., 0], "LA")):
        path = tmp_path / f"{mode}.png"
        Image.fromarray(_opaque(pixels)).save(path)
        np.testing.assert_array_equal(pictures.read_image(path), pixels if mode == "RGBA" else np.dstack([pixels] * 3))
    np.testing.assert_array_equal(pictures.read_labels(tmp_path / "LA.png"), RGB[..., 0])


def test_images_that_are_no_plain_pictures_are_refused(tmp_path):
    path = write_picture(tmp_path / "deep.png", np.zeros((4, 5), np.uint16))
    with pytest.raises(ValueError, match=r"deep.png is a I;16 picture; images must be 8-bit RGB, grey or palette"):
        pictures.read_image(path)
    clear = _opaque(RGB)
    clear[0, 0, 3] = 254
    path = write_picture(tmp_path / "clear.png", clear)
    with pytest.raises(ValueError, match=r"clear.png is a RGBA picture with a used alpha channel \(5 % of it is not opaque\)"):
        pictures.read_image(path)
    frames = [Image.fromarray(RGB + 60 * i) for i in range(3)]
    for name in ("moves.png", "moves.webp", "pages.tif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **LOSSLESS.get(name, {}))
        with pytest.raises(ValueError, match=rf"{name} is animated or has several pages, 3 frames; save one of them"):
            pictures.read_image(tmp_path / name)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_upright_and_so_is_its_size(tmp_path, suffix, orientation):
    """Corners of an upright picture, stored as a camera held in each of the eight ways stores them."""
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :16], upright[:8, 16:], upright[8:, :16] = 200, 130, 60
    turn = pictures._UPRIGHT.get(orientation)
    back = {Image.Transpose.ROTATE_270: Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_90: Image.Transpose.ROTATE_270}
    stored = Image.fromarray(upright).transpose(back.get(turn, turn)) if turn is not None else Image.fromarray(upright)
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / f"a.{suffix}"
    stored.save(path, exif=exif, **({"lossless": True} if suffix == "webp" else {}))
    read = pictures.read_image(path)
    np.testing.assert_allclose(read, upright, atol=3)
    np.testing.assert_array_equal(read, np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB")))
    assert pictures.size_of(path) == (16, 32)
    assert pictures.orientation_of(path) == orientation


def test_an_orientation_behind_the_pixels_of_a_png_is_found(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    path = write_picture(tmp_path / "a.png", RGB, exif=exif)
    content = path.read_bytes()
    at = content.index(b"eXIf") - 4
    chunk = content[at : at + 12 + int.from_bytes(content[at : at + 4], "big")]
    end = len(content) - 12  # IEND
    path.write_bytes(content[:at] + content[at + len(chunk) : end] + chunk + content[end:])
    assert pictures.size_of(path) == (5, 4)
    np.testing.assert_array_equal(pictures.read_image(path), np.rot90(RGB, -1))


def test_an_opaque_palette_is_read_without_a_word(tmp_path):
    picture = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8)).convert("P")
    picture.putpalette([0, 0, 0, 200, 100, 50])
    picture.save(tmp_path / "a.png", transparency=bytes([255, 255]))
    assert pictures.read_image(tmp_path / "a.png")[0].tolist() == [[0, 0, 0], [200, 100, 50]]  # warnings are errors here


def test_a_picture_beyond_pillows_limit_is_refused_and_below_it_nothing_is_said(tmp_path, monkeypatch):
    path = write_picture(tmp_path / "a.png", RGB)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 15)  # a warning from there to twice as much; warnings are errors here
    assert pictures.read_image(path).shape == (4, 5, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 9)
    with pytest.raises(ValueError, match=r"a.png has more than 0 million pixels; make it smaller"):
        pictures.read_image(path)


def _grey_png(path, ids, bits):
    """A grey PNG of 1, 2 or 4 bits, which Pillow does not write."""
    height, width = ids.shape
    rows = np.packbits(((ids[..., None] >> np.arange(bits)[::-1]) & 1).reshape(height, -1).astype(np.uint8), axis=1)
    lines = b"".join(b"\0" + row.tobytes() for row in rows)

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_grey_labels_are_the_stored_values(tmp_path, bits):
    ids = np.arange(48).reshape(6, 8) % 2**bits
    np.testing.assert_array_equal(pictures.read_labels(_grey_png(tmp_path / "a.png", ids, bits)), ids)


def test_labels_of_16_bits_three_equal_channels_tiff_and_lossless_webp_are_read(tmp_path):
    ids = np.array([[0, 1], [7, 255]], np.uint8)
    grey = np.dstack([ids] * 3)
    for name, pixels in (
        ("deep.png", ids.astype(np.uint16)), ("rgb.png", grey), ("rgba.png", _opaque(grey)), ("a.tif", ids),
        ("deep.tif", ids.astype(np.uint16)),
    ):  # fmt: skip
        np.testing.assert_array_equal(pictures.read_labels(write_picture(tmp_path / name, pixels)), ids, err_msg=name)
    path = write_picture(tmp_path / "a.webp", grey, lossless=True)
    np.testing.assert_array_equal(pictures.read_labels(path), ids)


def test_labels_that_would_be_misread_are_refused(tmp_path):
    for name, pixels, words in (
        ("rgb.png", RGB, "is a RGB picture, labels must be class ids, one channel"),
        ("deep.png", np.array([[0, 256]], np.uint16), r"has class ids 0 to 256; accepted are 0\.\.255"),
        ("negative.tif", np.array([[0, -255]], np.int32), r"has class ids -255 to 0; accepted are 0\.\.255"),
        ("floats.tif", np.array([[0, 1]], np.float32), r"has floats; labels must be whole class ids"),
        ("clear.png", _opaque(RGB, 0), "is a RGBA picture with a used alpha channel"),
        ("a.jpg", RGB[..., 0], "is a JPEG, which changes class ids; save labels as PNG"),
        ("a.webp", RGB, "is a WEBP, which changes class ids; save labels as PNG"),
    ):
        path = write_picture(tmp_path / name, pixels)
        with pytest.raises(ValueError, match=f"{name} {words}"):
            pictures.read_labels(path)


@pytest.mark.parametrize("read", [pictures.read_image, pictures.read_labels])
def test_of_several_frames_none_is_taken(tmp_path, read):
    frames = [Image.fromarray(np.full((4, 6), i, np.uint8)) for i in range(2)]
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match=r"a.tif is animated or has several pages, 2 frames; save one of them"):
        read(tmp_path / "a.tif")


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


def _deep_png(path, values):
    """A PNG of 16 bits a channel, which Pillow does not write; values (H, W, C) uint16."""
    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    content = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    return path


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_16_bits_in_several_channels_are_refused(tmp_path, channels):
    """Pillow keeps the upper byte of each: of class ids 0, of a picture of 10 bits next to nothing."""
    values = np.full((4, 5, channels), 3, np.uint16)
    values[..., 3:] = 65535
    values[..., 1:] = 65535 if channels == 2 else values[..., 1:]
    path = _deep_png(tmp_path / "deep.png", values)
    with pytest.raises(ValueError, match="deep.png has 16 bits a channel; images must have 8"):
        pictures.read_image(path)
    with pytest.raises(ValueError, match="deep.png has 16 bits in each of several channels; labels must be class ids"):
        pictures.read_labels(path)
