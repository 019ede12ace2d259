"""Files that other tools made: what `predict`, `check`, `micro` and the linter say of each."""

import json
import re
import zipfile
from dataclasses import dataclass, field

import keras
import numpy as np
import pytest
from PIL import Image

from kerasseg import files, jobs
from kerasseg.lite import input_range, metadata
from kerasseg.lite.flatbuffer import Graph
from kerasseg.lite.tensors import dequantize
from kerasseg.mcu import runtime
from tests.conftest import assert_one_line, kerasseg, write_picture
from tests.lite import foreign
from tests.lite.foreign import INT8, INT16, Made

pytestmark = pytest.mark.slow

# Dark on the left, bright on the right, far enough from 127.5 that no rounding takes a pixel across.
RED = np.full(foreign.SIZE, 40, np.uint8)
RED[:, 8:] = 220
PICTURE = np.stack([RED, RED, RED], -1)


@dataclass(frozen=True)
class Row:
    """What is to be said of a file.

    Attributes:
        made: How it is made.
        says: Words of `predict`: of its log, or of its refusal.
        refused: Whether `predict` refuses it.
        check: Words of the refusal of `check`; empty where it times the file.
        micro: Words of the refusal of `micro`; empty where it exports the file.
        rules: What the linter finds.
        flags: For all three.
    """

    made: Made
    says: str
    refused: bool = False
    check: str = ""
    micro: str = ""
    rules: set[str] = field(default_factory=set)
    flags: tuple[str, ...] = ()


FLOAT = "is a float model"
ROWS = {
    # 255 / 255, 1 / 255 and 2 / 255
    "int8 of 0..255": Row(Made(ops=INT8, io="int8"), "takes pictures as 0..255: its input has 256 steps of 1"),
    "int8 of 0..1": Row(Made(0, 1, ops=INT8, io="int8"), "takes pictures as 0..1: its input has 256 steps of 0.00392"),
    "int8 of -1..1": Row(Made(-1, 1, ops=INT8, io="int8"), "takes pictures as -1..1: its input has 256 steps of 0.00784"),
    "uint8 of 0..1": Row(Made(0, 1, ops=INT8, io="uint8"), "as 0..1: its input has 256 steps of 0.00392", rules={"partitions"}),
    "int8 behind float ends": Row(Made(-1, 1, ops=INT8), "as -1..1: its first QUANTIZE has 256 steps of 0.00784"),
    "int8 of nothing known": Row(
        Made(-2.1, 2.6, ops=INT8, io="int8"), "none of 0..255, 0..1, -1..1: its input has 256 steps of 0.0184 "
        "(scale 0.0184314, zero point -14), -2.1..2.6", refused=True, micro="none of 0..255, 0..1, -1..1",
    ),
    "int8 of -0.5..0.5": Row(
        Made(-0.5, 0.5, ops=INT8, io="int8"), "takes none of 0..255, 0..1, -1..1", refused=True, micro="takes none of"
    ),
    "int8, dark pictures": Row(
        Made(ops=INT8, io="int8", brightest=180), "takes none of 0..255, 0..1, -1..1", refused=True, micro="takes none of"
    ),
    "int8, dark pictures, asked": Row(
        Made(ops=INT8, io="int8", brightest=180), "as 0..255: --input_range says so; what lies past 180 is cut off",
        flags=("--input_range=0,255",),
    ),
    "int8 of 0..1, asked -1..1": Row(
        Made(0, 1, ops=INT8, io="int8"), "cannot take --input_range=-1,1", refused=True,
        check="cannot take --input_range=-1,1", micro="cannot take --input_range=-1,1", flags=("--input_range=-1,1",),
    ),
    "int8, what is asked cannot be": Row(
        Made(0, 1, ops=INT8, io="int8"), "cannot take --input_range=0,255: its input has 256 steps of 0.00392, 0..1",
        refused=True, check="cannot take --input_range=0,255", micro="cannot take --input_range=0,255",
        flags=("--input_range=0,255",),
    ),
    "float of 0..255": Row(Made(), "takes pictures as 0..255: assumed", micro=FLOAT),
    "float of 0..1": Row(Made(0, 1), "as 0..1: --input_range says so", micro=FLOAT, flags=("--input_range=0,1",)),
    "float of -1..1": Row(Made(-1, 1), "as -1..1: --input_range says so", micro=FLOAT, flags=("--input_range=-1,1",)),
    "channels first": Row(
        Made(0, 1, ops=INT8, io="int8", channels_first=True, end="logits_first"), "takes pictures as 0..1"
    ),
    "grey": Row(Made(0, 1, ops=INT8, io="int8", channels=1), "takes pictures as 0..1"),
    "batch 4": Row(
        Made(ops=INT8, io="int8", batch=4), "takes 4 pictures at a time, (4, 16, 16, 3); convert it with batch 1", refused=True,
        check="takes 4 pictures at a time", micro="takes 4 pictures at a time",
    ),
    "open batch": Row(
        Made(-1, 1, ops=INT8, io="int8", batch=None), "m.tflite leaves its batch open; it is run with batch 1",
    ),
    "sigmoid": Row(Made(ops=INT8, io="int8", end="sigmoid"), "gives one channel, a sigmoid: class 1 where it passes 0.5"),
    "logit": Row(Made(0, 1, ops=INT8, io="int8", end="logit"), "gives one channel, a logit: class 1 where it passes 0"),
    "neither": Row(
        Made(ops=INT8, io="int8", end="hard_sigmoid"), "one channel made by MUL: neither a sigmoid nor a logit", refused=True
    ),
    "int64 class map": Row(
        Made(ops=INT8, io="int8", end="int64"), "gives a map of class ids, int64, 2 classes",
        micro="does not run under TFLite Micro: ARG_MAX at", rules={"int64_output", "partitions"},
    ),
    "int32 class map": Row(
        Made(ops=INT8, io="int8", end="int32"), "gives a map of class ids, int32, 2 classes", rules={"partitions"}
    ),
    "uint8 class map": Row(
        Made(ops=INT8, io="int8", end="uint8"), "gives a map of class ids, uint8, 2 classes",
        micro="does not run under TFLite Micro: CAST at", rules={"partitions"},
    ),
    "a map of nobody's classes": Row(
        Made(end="compared"), "made by GREATER and not by ARG_MAX: how many classes", refused=True, micro="computes in float32",
        rules={"partitions"},
    ),
    "int16x8 of 0..255": Row(
        Made(ops=INT16, io="int16"), "as 0..255: its input has 65536 steps of 0.00778", rules={"partitions"}
    ),
    # int16 is symmetric: 0..1 and -1..1 have the same steps
    "int16x8 of either": Row(
        Made(0, 1, ops=INT16, io="int16"), "takes pictures as 0..1 or -1..1: its input has 65536 steps of 3.05e-05",
        refused=True, micro="say which with --input_range", rules={"partitions"},
    ),
    "int16x8, asked": Row(
        Made(0, 1, ops=INT16, io="int16"), "as 0..1: --input_range says so", rules={"partitions"}, flags=("--input_range=0,1",)
    ),
    "int16x8, resized": Row(
        Made(ops=INT16, io="int16", end="resized"), "as 0..255", micro="RESIZE_BILINEAR", rules={"partitions"}
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    write_picture(folder / "a.png", PICTURE)
    return folder


@pytest.fixture
def file(request, tmp_path):
    """The file of a row."""
    path = tmp_path / "m.tflite"
    path.write_bytes(foreign.make(ROWS[request.param].made))
    return path


both = pytest.mark.parametrize(("file", "row"), [(name, row) for name, row in ROWS.items()], indirect=["file"], ids=list(ROWS))


@both
def test_each_is_understood_or_refused_by_name(file, row, pictures, tmp_path):
    result = kerasseg("predict", f"--tflite={file}", *row.flags, pictures / "a.png", f"--output_dir={tmp_path / 'p'}")
    if row.refused:
        assert_one_line(result, row.says)
        assert not (tmp_path / "p").exists()
    else:
        assert result.returncode == 0, result.stderr
        assert row.says in result.stdout
        assert ("WARNING" in result.stdout) == ("assumed" in row.says)
        ids = np.asarray(Image.open(tmp_path / "p" / "a_index.png"))
        np.testing.assert_array_equal(ids, RED > 127)
    checked = kerasseg("check", f"--tflite={file}", *row.flags, "--json")
    if row.check:
        assert_one_line(checked, row.check)
    else:
        assert checked.returncode == 0, checked.stderr
        (entry,) = json.loads(checked.stdout)["files"]
        assert {one["rule"] for one in entry["lint"]} == row.rules
        if not row.refused:
            assert entry["input"]["range"] in result.stdout
            assert entry["input"]["why"] in result.stdout


@both
def test_micro_exports_it_or_says_why_not(file, row, pictures, tmp_path, monkeypatch):
    # The figure, which other tests look at, would take more than half of the time of each row.
    monkeypatch.setattr("kerasseg.jobs.delivery.plots.memory", lambda operators, *, path: path.write_text("<svg/>"))
    if not runtime.is_installed():
        pytest.skip("TFLite Micro is not installed")
    out = tmp_path / "out"
    command = ["micro", f"--tflite={file}", f"--images={pictures}", "--pictures=1", f"--output_dir={out}", *row.flags]
    result = kerasseg(*command)
    if row.micro:
        assert_one_line(result, row.micro)
        assert not out.exists()
        return
    assert result.returncode == 0, result.stdout + result.stderr
    listed = re.findall(r"`([\w.]+)`", "".join(re.findall(r"^\| `.*? \|", (out / "README.md").read_text(), re.MULTILINE)))
    assert "arena.h" in "".join(listed)
    assert all((out / name).is_file() for name in listed)
    report = files.read_json(out / "report.json")
    assert f"{report['input']['range']}: {report['input']['why']}" in result.stdout
    assert f"It takes pictures as {report['input']['range']}: {report['input']['why']}." in (out / "report.html").read_text()
    assert ("it is run with batch 1" in result.stdout) == (row.made.batch is None)
    # The two values of the picture, as real values: low + p / 255 * (high - low).
    given = _test_input(out, file)
    expected = [row.made.low + p / 255 * (row.made.high - row.made.low) for p in (40, min(220, row.made.brightest))]
    np.testing.assert_allclose(np.unique(given), expected, atol=(row.made.high - row.made.low) / 255 / 2 + 1e-6)


@pytest.mark.parametrize("name", ["int64 class map", "uint8 class map", "int16x8, resized"])
def test_check_says_what_tflite_micro_refuses_while_it_runs(name, tmp_path):
    if not runtime.is_installed():
        pytest.skip("TFLite Micro is not installed")
    path = tmp_path / "m.tflite"
    path.write_bytes(foreign.make(ROWS[name].made))
    assert_one_line(kerasseg("check", f"--tflite={path}", "--kernels=micro"), "m.tflite does not", ROWS[name].micro)


def test_a_page_takes_the_same_range_or_says_what_it_cannot_show(tmp_path):
    path, out = tmp_path / "m.tflite", tmp_path / "page"
    web = ("web", f"--tflite={path}", f"--output_dir={out}", "--runtime=cdn")
    path.write_bytes(foreign.make(Made(-1, 1, ops=INT8)))
    result = kerasseg(*web)
    assert result.returncode == 0, result.stderr
    lookup = json.loads((out / "model.json").read_text())["lookup"]
    np.testing.assert_allclose(lookup, np.arange(256) / 127.5 - 1, atol=1e-6)
    for made, says in (
        (Made(ops=INT8, io="int8", end="int32"), "the page reads logits, (1, height, width, classes); this file gives a map"),
        (Made(ops=INT8, io="int8", end="sigmoid"), "this file gives one channel, a sigmoid"),
        (Made(0, 1, ops=INT8, io="int8", channels_first=True), "this one takes (1, 3, 16, 16) int8 as 0..1"),
    ):
        path.write_bytes(foreign.make(made))
        assert_one_line(kerasseg(*web), says)


def _test_input(folder, file):
    """The input of the test vector, as real values."""
    (vector,) = folder.glob("*test_vector.cc")
    text = vector.read_text()
    numbers = re.search(r"kTestInput0\[\] = \{(.*?)\}", text, re.DOTALL)[1]
    tensor = Graph(file.read_bytes()).tensor(int(Graph(file.read_bytes()).model.subgraphs[0].inputs[0]))
    values = np.frombuffer(bytes(int(number, 16) for number in re.findall("0x..", numbers)), tensor.dtype)
    return dequantize(values, scale=tensor.scale, zero_point=tensor.zero_point)


def test_the_ranges_of_the_flag_are_those_that_are_known():
    for settings in (jobs.CheckSettings, jobs.ExportSettings, jobs.WebSettings):
        assert settings.__dataclass_fields__["input_range"].metadata["choices"] == tuple(input_range.RANGES)


@pytest.mark.parametrize("made", [Made(0, 1), Made(-1, 1)], ids=["0..1", "-1..1"])
def test_a_float_file_in_the_wrong_range_is_doubted(made, pictures, tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(foreign.make(made))
    result = kerasseg("predict", f"--tflite={path}", pictures / "a.png", f"--output_dir={tmp_path / 'out'}")
    assert result.returncode == 0, result.stderr
    # In 0..255 every pixel is past the middle of either range, so that those of 40 change their class.
    share = 100 * np.mean(RED == 40)
    assert re.search(rf"WARNING: .*nothing says .* 0..255 was assumed, and \S+ would give {share:.0f} %", result.stdout)


def test_metadata_tells_what_floats_mean(pictures, tmp_path):
    content = foreign.make(Made())
    described = metadata.with_metadata(content, name="m", description="a file", class_names=("a", "b"))
    assert metadata.normalization(content) is None
    assert metadata.normalization(described) == ((0.0,), (1.0,))
    found = input_range.understand(described, file="m")
    assert (found.taken.name, found.why, found.sure) == ("0..255", "its metadata says so", True)
    path = tmp_path / "m.tflite"
    path.write_bytes(described)
    result = kerasseg("predict", f"--tflite={path}", pictures / "a.png", f"--output_dir={tmp_path / 'out'}")
    assert "WARNING" not in result.stdout


@pytest.mark.parametrize(
    ("mean", "std", "says"),
    [
        ([127.5], [127.5], "-1..1"),
        ([0.0], [255.0], "0..1"),
        ([0.0] * 3, [255.0] * 3, "0..1"),
        ([128.0], [64.0], "(pixel - 128) / 64"),
        ([123.7, 116.3, 103.5], [58.4, 57.1, 57.4], "(pixel - 123.7, 116.3, 103.5) / 58.4, 57.1, 57.4"),
        ([0.0], [0.0], "0..255"),  # nothing can be divided by that: as if nothing stood there
        ([1.0, 2.0], [1.0, 1.0], "0..255"),  # of two channels, where a picture has three
    ],
)
def test_what_others_write_there(mean, std, says, monkeypatch):
    def options(b):
        table = metadata._table(b, 2, {0: metadata._floats(b, mean), 1: metadata._floats(b, std)})
        return metadata._table(b, 2, {1: table}, numbers={0: 1})

    monkeypatch.setattr(metadata, "_normalization", options)
    content = metadata.with_metadata(foreign.make(Made()), name="m", description="a file", class_names=("a", "b"))
    found = input_range.understand(content, file="m")
    assert found.taken.name == says
    assert found.sure == (found.why == "its metadata says so") == (says != "0..255")
    # 0 and 255 of each channel, by the formula
    pixels = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)
    if found.sure:
        np.testing.assert_allclose(found.taken.values(pixels), (pixels - np.array(mean)) / std, rtol=1e-6)


def _keras(path):
    keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Conv2D(2, 1)]).save(path)


def _zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m.tflite", b"")


OTHERS = {
    "empty": (lambda path: path.write_bytes(b""), "is empty (0 bytes)"),
    "zip": (_zip, "is a ZIP archive, no .tflite file; unpack it"),
    "keras": (_keras, "is a Keras file, no .tflite file; kerasseg convert makes a .tflite of"),
    "text": (lambda path: path.write_text("übrigens: kein Modell\n" * 200), "is a text, no .tflite file"),
    "lfs": (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"), "is a Git LFS pointer"),
    "random": (lambda path: path.write_bytes(bytes(range(256))), "identifier TFL3 is missing"),
    "custom": (
        lambda path: path.write_bytes(foreign.with_custom_operator(foreign.make(Made(ops=INT8, io="int8")), name="Warp")),
        "has the custom operator Warp, which",
    ),
    "ethos-u": (
        lambda path: path.write_bytes(foreign.with_custom_operator(foreign.make(Made(ops=INT8, io="int8")), name="ethos-u")),
        "compiled for Ethos-U",
    ),
    "flex": (
        lambda path: path.write_bytes(foreign.with_custom_operator(foreign.make(Made(ops=INT8, io="int8")), name="FlexErf")),
        "has TensorFlow's own operators (FlexErf), which",
    ),
}


@pytest.mark.parametrize(("write", "says"), OTHERS.values(), ids=list(OTHERS))
def test_what_is_no_tflite_file_is_said(write, says, pictures, tmp_path):
    path, out = tmp_path / "m.tflite", tmp_path / "out"
    made = tmp_path / "m.keras"
    write(made)
    made.rename(path)
    for command in (
        ["check", f"--tflite={path}"],
        ["predict", f"--tflite={path}", pictures / "a.png", f"--output_dir={out}"],
        ["micro", f"--tflite={path}", f"--output_dir={out}"],
    ):
        assert_one_line(kerasseg(*command), says)
    assert not out.exists()
