import json
import os
import re
import shutil

import pytest

from kerasseg import files
from kerasseg.jobs import loading, verification
from kerasseg.lite import input_range
from kerasseg.lite.flatbuffer import Graph
from tests.conftest import assert_one_line, kerasseg, write_picture

pytestmark = pytest.mark.slow


def test_the_report(short_run, short_int8, tmp_path):
    report_path = tmp_path / "report.json"
    result = kerasseg("check", f"--workdir={short_run}", f"--tflite={short_int8}", "--max_miou_drop=100", "--threads=1,2",
        f"--report={report_path}",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    for words in ("mIoU Keras", "mIoU .tflite", "pixel agreement", "median", "p95", "1 thread(s)", "2 thread(s)", "50 runs"):
        assert words in result.stdout
    report = files.read_json(report_path)
    (entry,) = report["files"]
    assert report["pictures"] == 4
    assert report["keras"]["miou"] == files.read_json(short_run / "report.json")["scores"]["miou"]
    assert entry["miou_drop_points"] == pytest.approx(100 * (report["keras"]["miou"] - entry["tflite"]["miou"]))
    assert 0 < entry["pixel_agreement"] <= 1
    assert [timing["threads"] for timing in entry["latency"]] == [1, 2]


def test_engines_and_layers(short_run, short_int8, tmp_path):
    report_path = tmp_path / "report.json"
    result = kerasseg("check", f"--workdir={short_run}", f"--tflite={short_int8}", "--max_miou_drop=100", "--sample=2",
        "--per_layer", f"--report={report_path}",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "where int8 hurts" in result.stdout
    report = files.read_json(report_path)
    rows = {row["kernels"]: row for row in report["sample"]["engines"]}
    assert list(rows) == ["keras", "xnnpack", "reference", "micro"]
    assert rows["micro"]["largest_difference"] == 0  # TFLite Micro is bit-exact with the reference kernels
    assert len(report["sample"]["pictures"]) == 2
    assert len(report["per_layer"]) == len(Graph(short_int8.read_bytes()).operators)
    assert {"layer", "operator", "snr_db", "lost_db", "tensor"} == set(report["per_layer"][0])
    assert (tmp_path / "report.png").stat().st_size > 10_000


def test_files_of_others_are_timed_without_a_run(short_int8, tmp_path):
    result = kerasseg("check", f"--tflite={short_int8},{short_int8}", "--size=96,96", "--json")
    assert result.returncode == 0, result.stderr
    first, second = json.loads(result.stdout)["files"]
    assert first["latency"][0]["interleaved"] == 2
    assert "tflite" not in second
    assert_one_line(kerasseg("check", f"--tflite={short_int8}", "--size=64,64"), "takes (96, 96) pictures, --size is")
    assert_one_line(kerasseg("check", f"--tflite={short_int8}", "--sample=2"), "--per_layer need --workdir")


def test_a_limit_that_is_not_met_is_exit_1(short_run, short_int8, tmp_path):
    report_path = tmp_path / "report.json"
    result = kerasseg("check", f"--workdir={short_run}", f"--tflite={short_int8}", "--max_miou_drop=100",
        "--max_latency_ms=0.000001", "--kernels=reference", f"--report={report_path}",
    )  # fmt: skip
    assert result.returncode == 1, result.stderr
    assert "NOT MET: median latency of int8.tflite is" in result.stdout
    assert files.read_json(report_path)["kernels"] == "reference"
    impossible = kerasseg("check", f"--workdir={short_run}", f"--tflite={short_int8}", "--max_miou_drop=-100")
    assert impossible.returncode == 1
    assert "NOT MET: mIoU of int8.tflite is" in impossible.stdout


def test_predict_takes_the_file_too(short_run, short_int8, tmp_path):
    import numpy as np

    picture = write_picture(tmp_path / "a.png", np.zeros((50, 70, 3), np.uint8))
    for flags in ([], [f"--workdir={short_run}"]):
        result = kerasseg("predict", f"--tflite={short_int8}", *flags, picture, f"--output_dir={tmp_path / 'out'}")
        assert result.returncode == 0, result.stderr
        assert sorted(os.listdir(tmp_path / "out")) == ["a_index.png", "a_overlay.png", "legend.png"]


def test_a_file_of_other_weights_or_another_file_under_its_name_is_refused(short_run, short_int8, tmp_path):
    shutil.copytree(short_run, tmp_path / "run")
    (tmp_path / "run" / "best.weights.h5").write_bytes((short_run / "last.weights.h5").read_bytes() + b"!")
    check = ("check", f"--workdir={tmp_path / 'run'}")
    assert_one_line(kerasseg(*check, f"--tflite={short_int8}"), "int8.tflite was made from other weights than the best of")
    other = tmp_path / "int8.tflite"
    other.write_bytes(short_int8.read_bytes() + bytes(16))
    shutil.copy(short_int8.with_name("int8.tflite.json"), tmp_path)
    assert_one_line(kerasseg(*check, f"--tflite={other}"), "is not the file that int8.tflite.json speaks of")


def test_what_was_understood_stands_in_table_and_report(short_run, short_int8, tmp_path, monkeypatch):
    ours = kerasseg("check", f"--tflite={short_int8}", "--threads=1,4096")
    assert "takes pictures   as 0..255: the JSON beside it says that it is kerasseg's" in ours.stdout
    assert "WARNING: 4096 threads on" in ours.stdout
    assert_one_line(
        kerasseg("check", f"--tflite={short_int8}", "--input_range=0,1"), "takes 0..255, as the JSON beside it says"
    )
    alone = tmp_path / "alone.tflite"
    shutil.copy(short_int8, alone)
    scored = ("check", f"--tflite={alone}", f"--workdir={short_run}", "--max_miou_drop=100", "--examples=1")
    (told,) = json.loads(kerasseg(*scored, "--json").stdout)["files"]
    assert told["input"] == {"range": "0..255", "why": "its input has 256 steps of 1", "doubt": ""}

    def assumed(*arguments, **named):
        return input_range.Understood(input_range.PIXELS, "assumed", sure=False)

    monkeypatch.setattr(verification.input_range, "understand", assumed)
    monkeypatch.setattr(loading, "GROSS", 0.0)
    doubted = kerasseg(*scored)
    assert doubted.returncode == 0, doubted.stderr
    assert re.search(r"WARNING +nothing says what the file takes: 0..255 was assumed, and \S+ would give", doubted.stdout)
