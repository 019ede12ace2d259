"""input.h, compiled on this machine, gives the numbers that letterbox and quantize give, for every layout of pixels."""

import shutil
import subprocess

import keras
import numpy as np
import pytest
from PIL import Image

from kerasseg.data.letterbox import PAD_VALUE, letterbox, restore
from kerasseg.lite.flatbuffer import Graph
from kerasseg.lite.tensors import quantize
from kerasseg.mcu import frames
from kerasseg.mcu.cpp import template
from kerasseg.mcu.pixels import LAYOUTS
from tests.lite.nets import int8

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++ on this machine")

WARNINGS = ("-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wsign-conversion", "-Werror")
TARGET = (64, 96)
SCALE, ZERO_POINT = 0.9921875, -127  # not the usual 1 and -128, so that neither is taken for granted
# Of other sizes: the input's own, one side alone, larger by whole and broken factors, smaller, one pixel, ends of sensors.
SIZES = (
    (64, 96), (64, 40), (32, 96), (240, 320), (480, 640), (120, 160), (97, 131), (48, 64), (7, 5), (1, 1), (1, 200), (150, 2),
    (96, 96), (128, 192), (296, 400), (63, 95), (65, 97), (144, 176), (33, 50), (300, 64),
)  # fmt: skip


def _picture(channels=3):
    table = quantize(np.arange(256, dtype=np.float32), scale=SCALE, zero_point=ZERO_POINT, dtype=np.dtype(np.int8))
    return frames.Picture(TARGET, channels, np.stack([table] * channels))


def _expected(image):
    return quantize(
        letterbox(image, size=TARGET)[0].astype(np.float32), scale=SCALE, zero_point=ZERO_POINT, dtype=np.dtype("int8")
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Frame -> bytes -> the input tensor, of every case in one program; a number chooses."""
    folder = tmp_path_factory.mktemp("input")
    cases = [frames.Frame("rgb888", size, _picture()) for size in SIZES]
    cases += [frames.Frame(name, (50, 70), _picture(channels)) for channels in (3, 1) for name in LAYOUTS]
    for i, frame in enumerate(cases):
        fixed = {"file": "f", "guard": f"N{i}", "name": f"n{i}", "tag": "x"}
        (folder / f"input{i}.h").write_text(template("input.h").substitute(frames.values(frame) | fixed))
    includes = "".join(f'#include "input{i}.h"\n' for i in range(len(cases)))
    calls = "".join(
        f"    case {i}: return Run<n{i}::FrameReader, n{i}::kRowBytes, n{i}::kFrameHeight>();\n" for i in range(len(cases))
    )
    (folder / "main.cc").write_text(
        f"#include <cstdio>\n#include <cstdlib>\n{includes}"
        "static std::int8_t input[64 * 96 * 3];\n"
        "template <class Reader, std::size_t bytes, int rows> int Run() {\n"
        "  static std::uint8_t row[bytes];\n"
        "  static Reader reader(input);\n"
        "  for (int frame = 0; frame < 2; ++frame) {\n"  # the second shows that nothing of the first stays
        "    for (int y = 0; y < rows; ++y) {\n"
        "      if (std::fread(row, 1, bytes, stdin) != bytes || reader.AddRow(row) != (y == rows - 1)) return 1;\n"
        "    }\n"
        "    std::fwrite(input, 1, sizeof(input), stdout);\n"
        "  }\n"
        "  return 0;\n"
        "}\n"
        f"int main(int, char** arguments) {{\n  switch (std::atoi(arguments[1])) {{\n{calls}    default: return 2;\n  }}\n}}\n"
    )
    subprocess.run(["g++", *WARNINGS, "-fsanitize=undefined", folder / "main.cc", "-o", folder / "main"], check=True)

    def run(case, *pictures):
        given = b"".join(picture.tobytes() for picture in pictures)
        done = subprocess.run([folder / "main", str(case)], input=given, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        return np.frombuffer(done.stdout, np.int8).reshape(2, -1)

    return run


@pytest.mark.parametrize("case", range(len(SIZES)))
def test_pictures_of_twenty_sizes(run, case):
    rng = np.random.default_rng(case)
    images = [rng.integers(0, 256, (*SIZES[case], 3), np.uint8) for _ in range(2)]
    for found, image in zip(run(case, *images), images, strict=True):
        # To the bit, in Pillow's own arithmetic; Pillow 13 begins with the columns where a picture is more than twice as tall
        # as it is wide, and rounds what lies between there: a step of 256.
        step = 1 if SIZES[case][0] > 2 * SIZES[case][1] else 0
        boxed = letterbox(image, size=TARGET)[0].astype(int)
        low, high = (_picture().quantized[0][np.clip(boxed + by, 0, 255)] for by in (-step, step))
        found = found.reshape(*TARGET, 3)
        assert (low <= found).all()
        assert (found <= high).all()


def _yuv(first, *, full):
    """Random YUV 4:2:2 bytes (50, 140), and the colours that BT.601 says they are, in floats."""
    pairs = np.random.default_rng(1).integers(0, 256, (50, 35, 4), np.uint8)
    luma = pairs[..., first::2].reshape(50, 70).astype(float)
    u, v = (np.repeat(pairs[..., 1 - first + 2 * i], 2, axis=1) - 128.0 for i in (0, 1))
    if not full:
        luma, u, v = (luma - 16) * 255 / 219, u * 255 / 224, v * 255 / 224
    rgb = np.stack([luma + 1.402 * v, luma - 0.344136 * u - 0.714136 * v, luma + 1.772 * u], -1)
    return pairs, np.clip(np.round(rgb), 0, 255).astype(np.uint8)


def _given(name):
    """What a camera sends in a layout, and the picture that it means."""
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (50, 70, 3), np.uint8)
    if name.startswith("rgb565"):
        levels = [np.round(np.arange(count) * 255 / (count - 1)).astype(np.uint8) for count in (32, 64, 32)]
        parts = [rng.integers(0, len(level), (50, 70)) for level in levels]
        words = (parts[0] * 2048 + parts[1] * 32 + parts[2]).astype("<u2" if name == "rgb565" else ">u2")
        return words, np.stack([level[part] for level, part in zip(levels, parts, strict=True)], -1)
    if "yu" in name or "uy" in name:
        return _yuv(0 if name.startswith("yuyv") else 1, full=name.endswith("full"))
    grey = rgb[..., 0]
    return {"rgb888": (rgb, rgb), "bgr888": (rgb[..., ::-1], rgb), "grey": (grey, np.repeat(grey[..., None], 3, 2))}[name]


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout(run, name):
    sent, image = _given(name)
    found = run(len(SIZES) + list(LAYOUTS).index(name), sent, sent)[1].reshape(*TARGET, 3)
    # Colours of YUV are rounded once, from 16 bits behind the point; floats may round a tie the other way.
    assert np.abs(found.astype(int) - _expected(image)).max() <= (1 if "pair" in LAYOUTS[name].code else 0)


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_and_a_model_of_one_channel(run, name):
    sent, image = _given(name)
    found = run(len(SIZES) + len(LAYOUTS) + list(LAYOUTS).index(name), sent, sent)[0][: 64 * 96].reshape(TARGET)
    boxed = Image.fromarray(letterbox(image, size=TARGET)[0]).convert("L")
    pixels = np.asarray(boxed).astype(np.float32)
    expected = quantize(pixels, scale=SCALE, zero_point=ZERO_POINT, dtype=np.dtype("int8"))
    assert np.abs(found.astype(int) - expected).max() <= (1 if "pair" in LAYOUTS[name].code else 0)


def test_a_grey_camera_keeps_a_value_a_pixel():
    kept = [frames.values(frames.Frame(name, (50, 70), _picture(3)))["ring_bytes"] for name in ("grey", "rgb888")]
    assert 3 * kept[0] == kept[1]


def test_the_numbers_of_a_network_that_takes_another_range():
    image = keras.Input((16, 16, 3), batch_size=1)
    graph = Graph(int8(keras.Model(image, keras.layers.Conv2D(2, 1)(image))))
    tensor = graph.tensors[int(graph.model.subgraphs[0].inputs[0])].quantization
    tensor.scale, tensor.zeroPoint = np.array([1 / 128], np.float32), np.array([0])
    found = frames.picture_of(graph, taken=lambda pixels: pixels.astype(np.float32) / [127.5, 127.5, 255] - [1, 0, 0])
    # Red is -1..1, 0, 127 and 255 are -128, -0.502 and 128 steps; green 0..2, of which 127 steps hold half; blue 0..1, where
    # 127 is 63.7 steps.
    assert found.quantized[:, [0, 127, 255]].tolist() == [[-128, -1, 127], [0, 127, 127], [0, 64, 127]]


def test_taps_by_hand():
    # 4 to 2: the centres are 1 and 3, the triangle reaches 2 to both sides. Output 0: pixels at 0.5, 1.5 and 2.5 are 0.5, 0.5
    # and 1.5 away, their shares 3/4, 3/4 and 1/4 of 7/4, as the picture ends on the left.
    found = frames.taps(4, 2)
    assert found.first.tolist() == [0, 1]
    shares = [round(2**22 * share) for share in (3 / 7, 3 / 7, 1 / 7)]
    assert found.weights.tolist() == [shares, shares[::-1]]
    # The same size: a weight of one, and nothing else.
    assert frames.taps(5, 5).weights.tolist() == [[2**22]] * 5


@pytest.mark.parametrize("size", [(240, 320), (50, 70), (25, 100), (1080, 1920), (7, 5)])
def test_places_of_the_frame_are_those_that_predict_takes(size):
    placement = frames.Frame("rgb888", size, _picture()).placement
    rows, columns = (frames.nearest(a, b) for a, b in zip(placement.inner, size, strict=True))
    ids = np.random.default_rng(0).integers(0, 256, TARGET, np.uint8)
    assert (ids[rows][:, columns] == restore(ids, placement)).all()


@pytest.mark.parametrize(
    ("layout", "size", "message"),
    [
        ("nv12", (4, 4), "input format 'nv12' is unknown; give one of rgb888, bgr888, rgb565, "),
        ("rgb888", (0, 4), "--frame=0,4 is no frame; give height,width in pixels, such as 240,320"),
        ("rgb888", (4, 70000), "--frame=4,70000 is no frame"),
        ("yuyv", (4, 5), "--frame=4,5 is 5 wide, yuyv has two pixels in 4 bytes; give an even width"),
    ],
)
def test_a_frame_that_cannot_be(layout, size, message):
    with pytest.raises(ValueError, match=message):
        frames.Frame(layout, size, _picture())


def test_beside_the_picture_it_is_grey(run):
    image = np.zeros((64, 40, 3), np.uint8)
    found = run(1, image, image)[0].reshape(*TARGET, 3)
    # 127 / 0.9921875 = 128.0: rounded, and 127 less.
    assert PAD_VALUE == 127
    assert (found[:, 40:] == 1).all()
    assert (found[:, :40] == -127).all()
