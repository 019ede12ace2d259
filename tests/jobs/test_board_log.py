"""From an export to a program, from what it prints to a score against LiteRT, as a user types it."""

import shutil
import subprocess

import keras
import numpy as np
import pytest
from PIL import Image

from kerasseg import files
from kerasseg.lite.flatbuffer import Graph
from kerasseg.lite.inspection import Reference
from kerasseg.mcu import class_log, class_map, vectors
from tests.conftest import assert_one_line, kerasseg
from tests.lite.nets import int8, network
from tests.mcu.test_firmware import STAND_IN, _stand_in

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++ on this machine")


@pytest.fixture(scope="module")
def tflite(tmp_path_factory):
    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("net") / "net.tflite"
    path.write_bytes(int8(network(keras.layers.Conv2D(4, 3, strides=2, padding="same"))))
    return path


@pytest.fixture(scope="module")
def export(tflite):
    folder = tflite.parent / "street"
    assert kerasseg("micro", f"--tflite={tflite}", f"--output_dir={folder}", "--pictures=2").returncode == 0
    return folder


def _printed(folder, *options):
    """What a board prints, whose kernels give the test vector's output, with a byte changed where that is asked."""
    program = folder.parent / "program"
    sources = [folder / name for name in ("main.cc", "street_model_data.cc", "street_test_vector.cc")]
    given = ["-DKERASSEG_PRINT_CLASS_MAP", *_stand_in("street"), *options, f"-I{folder}"]
    subprocess.run(["g++", "-std=c++17", *given, *sources, STAND_IN / "micro_log.cc", "-o", program], check=True)
    return subprocess.run([program], capture_output=True, check=False).stdout


@pytest.fixture(scope="module")
def board(export):
    path = export.parent / "board.log"
    path.write_bytes(_printed(export))
    return path


def _judge(tflite, export, board, *options):
    return kerasseg("micro", f"--log={board}", f"--tflite={tflite}", f"--output_dir={export}", *options)


def test_a_board_that_computes_the_same(tflite, export, board):
    result = _judge(tflite, export, board)
    assert result.returncode == 0, result.stderr
    assert "pixels   256 of 256 have LiteRT's class, 256 that of TFLite Micro's reference kernels" in result.stdout
    assert "it says  PASS: the output is equal, byte for byte" in result.stdout
    report = files.read_json(export / "log.json")
    assert (report["miou"], report["equal"], report["failures"]) == (1.0, 256, [])
    assert (report["microseconds"], report["model"]) == (5000, files.sha256(tflite))
    assert "not net.tflite itself" not in result.stdout
    board.with_name("npu.log").write_text(board.read_text().replace(files.sha256(tflite), "12" * 32))
    assert "not net.tflite itself ran, but one made of it, as by Vela (121212121212)" in (
        _judge(tflite, export, board.with_name("npu.log")).stdout
    )
    with Image.open(export / "log.png") as picture:
        assert picture.size == (3 * 16 * 16 + 2 * 2 * 16, 16 * 16)  # three panels of 16, two gaps of 2, each pixel 16 times
    assert {"log.json", "log.png"} <= set(files.read_json(export / "report.json")["files"])


def test_a_board_that_computes_something_else(tflite, export, tmp_path):
    wrong = tmp_path / "wrong.log"
    wrong.write_bytes(_printed(export, "-DSTAND_IN_FLIP=127", "-DSTAND_IN_BYTES=40"))
    graph, vector = Graph(tflite.read_bytes()), vectors.read((export / "street_test_vector.cc").read_text())
    given = np.frombuffer(vector.inputs[0], np.int8).reshape(1, 16, 16, 3)
    expected = class_map.class_ids(Reference(tflite.read_bytes()).run([given])[0], stride=class_map.logits_of(graph).stride)
    seen = class_log.read(wrong.read_bytes(), file="").ids
    ious = [
        (float(((seen == i) & (expected == i)).sum() / ((seen == i) | (expected == i)).sum()))
        for i in range(4) if i in seen or i in expected
    ]  # fmt: skip
    assert 0.1 < np.mean(ious) < 1
    result = _judge(tflite, export, wrong)
    assert result.returncode == 1
    assert f"NOT MET: mean IoU with LiteRT is {np.mean(ious):.6f}; --min_iou is 1" in result.stdout
    assert "it says  FAIL: 40 bytes of the output differ" in result.stdout
    report = files.read_json(export / "log.json")
    assert report["equal"] == (seen == expected).sum() < 256
    with Image.open(export / "log.png") as picture:
        last = np.asarray(picture)[::16, -16 * 16 :: 16]
    assert ((last == (200, 30, 30)).all(-1) == (seen != expected)).all()
    assert _judge(tflite, export, wrong, "--min_iou=0.1").returncode == 0


def test_what_does_not_belong_together_is_refused(tflite, export, board, tmp_path):
    other = tmp_path / "other.tflite"
    other.write_bytes(int8(network(keras.layers.Conv2D(4, 1))))
    assert_one_line(_judge(other, export, board), "is the export of another file than", "--tflite=net.tflite")
    assert_one_line(_judge(tflite, tmp_path, board), "holds no export of kerasseg micro; give the folder of the export")
    assert_one_line(_judge(tflite, export, tmp_path / "gone.log"), "no file", "check --log")
    assert_one_line(_judge(tmp_path / "gone.tflite", export, board), "no file", "check --tflite")
    assert_one_line(_judge(tflite, export, board, "--min_iou=1.1"), "--min_iou=1.1 is out of range; give 0 to 1")
    assert_one_line(_judge(tflite, export, board, "--board=stm32h743"), "leave out --board, or --log")
    assert_one_line(kerasseg("micro", f"--tflite={tflite}", f"--output_dir={export}", "--min_iou=0.9"), "give --log")
    foreign, text = tmp_path / "foreign.log", board.read_text()
    vector = next(line for line in text.splitlines() if "kerasseg-map vector" in line)
    foreign.write_text(text.replace(vector, f"kerasseg-map vector {'0' * 64};"))
    assert_one_line(_judge(tflite, export, foreign), "foreign.log is the log of another export", "test vector 000000000000")
    (tmp_path / "more.log").write_text(text.replace("begin 16 16 4;", "begin 16 16 6;"))
    assert_one_line(_judge(tflite, export, tmp_path / "more.log"), "with 6 classes, where net.tflite gives (16, 16) with 4")
    (tmp_path / "cut.log").write_text(text[: len(text) // 2])
    assert_one_line(_judge(tflite, export, tmp_path / "cut.log"), "cut.log was cut")
    copy = tmp_path / "copy"
    shutil.copytree(export, copy)
    (copy / "street_test_vector.cc").write_text("// changed")
    assert_one_line(_judge(tflite, copy, board), "has been changed since it was exported")


def test_the_next_export_removes_projects_and_logs(tflite, export, board, tmp_path):
    folder = tmp_path / "street"
    options = ["micro", f"--tflite={tflite}", f"--output_dir={folder}", "--pictures=1"]
    assert kerasseg(*options, "--project=host,esp-idf,zephyr,arduino,cmsis").returncode == 0
    assert (folder / "arduino" / "street" / "src" / "street_model_data.cpp").is_file()
    (folder / "board.log").write_bytes(_printed(folder))
    assert _judge(tflite, folder, folder / "board.log").returncode == 0
    result = kerasseg(*options, "--project=cmsis")
    assert "log.json, log.png" in result.stdout
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {"cmsis"}
    assert not (folder / "log.json").exists()
    assert (folder / "board.log").is_file()
    assert_one_line(kerasseg(*options, "--project=keil"), "--project=keil is not accepted; give some of host, esp-idf, zephyr")
