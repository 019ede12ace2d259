import keras
import numpy as np
import pytest

from kerasseg import files
from kerasseg.mcu import boards
from tests.conftest import assert_one_line, kerasseg, write_picture
from tests.lite.nets import int8, network

pytestmark = pytest.mark.slow


def test_sources_and_reports(short_run, short_int8, tmp_path):
    out = tmp_path / "out"
    result = kerasseg("micro", f"--tflite={short_int8}", f"--output_dir={out}", f"--workdir={short_run}", "--pictures=3",
        "--accelerator=ethos-u55-128", "--name=tiny",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    for words in (
        "bit-exact         3 of 3 (3 pictures of shapes val)",
        "ethos-u55-128",
        "on the CPU, not counted",
        "stm32h743",
    ):
        assert words in result.stdout
    assert {path.name for path in out.iterdir()} == {
        "model_data.h", "model_data.cc", "op_resolver.h", "arena.h", "test_vector.h", "test_vector.cc", "main.cc", "README.md",
        "CMakeLists.txt", "idf_component.yml", "report.json", "report.html", "memory.svg", "class_map.h",
    }  # fmt: skip
    report = files.read_json(out / "report.json")
    assert report["bytes"] == short_int8.stat().st_size
    assert report["exactness"] == {"runs": 3, "equal": 3, "largest_difference": 0, "first_operator": ""}
    arena = report["arena"]
    assert arena["with_margin_bytes"] == arena["total_bytes"] + arena["margin_bytes"]
    # No planner needs less than what is alive at once.
    assert report["memory"]["peak"]["live_bytes"] <= arena["head_bytes"]
    assert [one["board"] for one in report["boards"]] == list(boards.BOARDS)
    assert report["accelerators"][0]["cpu_operators"]  # tiny's last resize is 4x
    page = (out / "report.html").read_text()
    assert "<svg" in page
    assert "Everything that was asked holds." in page
    assert "namespace tiny" in (out / "model_data.h").read_text()


def test_a_model_that_is_not_ours_and_budgets_it_breaks(tmp_path):
    path = tmp_path / "net.tflite"
    path.write_bytes(int8(network(keras.layers.Conv2D(4, 3, strides=2), keras.layers.Flatten(), keras.layers.Dense(3))))
    out = [f"--tflite={path}", f"--output_dir={tmp_path / 'out'}", "--pictures=2"]
    result = kerasseg("micro", *out, "--arena_budget_kib=0.5", "--flash_budget_kib=0.5", "--board=stm32f746"
    )  # fmt: skip
    assert result.returncode == 1, result.stderr
    assert "2 inputs of random numbers (no pictures were given)" in result.stdout
    assert "--arena_budget_kib is 0.5" in result.stdout
    assert "--flash_budget_kib is 0.5" in result.stdout
    assert "does not fit" not in result.stdout
    assert "NOT MET" in (tmp_path / "out" / "report.html").read_text()
    result = kerasseg("micro", *out, "--arena_budget_kib=500", "--flash_budget_kib=500")
    assert result.returncode == 0, result.stderr


def test_pictures_of_a_folder(short_int8, tmp_path):
    for i in range(2):
        write_picture(tmp_path / "pictures" / f"{i}.png", np.random.default_rng(i).integers(0, 256, (50, 70, 3), np.uint8))
    out = ["micro", f"--tflite={short_int8}", f"--output_dir={tmp_path / 'out'}", f"--images={tmp_path / 'pictures'}"]
    assert_one_line(kerasseg(*out, "--pictures=20"), "has 2 pictures, 20 are to be compared", "lower --pictures")
    assert not (tmp_path / "out").exists()
    result = kerasseg(*out)
    assert result.returncode == 0, result.stderr
    assert "2 of 2 (2 pictures of the folder pictures)" in result.stdout
