import keras
import numpy as np
import pytest

from kerasseg import files
from kerasseg.mcu import boards
from tests.conftest import assert_one_line, kerasseg, write_picture
from tests.lite.nets import int8, network
from tests.mcu.planning import quantized, squeeze_excite
from tests.mcu.test_differences import with_edges

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
        "published networks were missed by up to",
        "no estimate for Cortex-M7 and Cortex-M55",
    ):
        assert words in result.stdout
    assert {path.name for path in out.iterdir()} == {
        "tiny_model_data.h", "tiny_model_data.cc", "tiny_op_resolver.h", "tiny_arena.h", "tiny_test_vector.h", "tiny_input.h",
        "tiny_test_vector.cc", "tiny_class_map.h", "main.cc", "README.md", "CMakeLists.txt", "idf_component.yml", "report.json",
        "report.html", "memory.svg", "ethos-u55-128",
    }  # fmt: skip
    npu = {path.name for path in (out / "ethos-u55-128").iterdir()}
    assert {"tiny_vela.tflite", "tiny_vela_model_data.cc", "tiny_vela_op_resolver.h", "tiny_vela_arena.h"} <= npu
    assert "AddEthosU()" in (out / "ethos-u55-128" / "tiny_vela_op_resolver.h").read_text()
    report = files.read_json(out / "report.json")
    assert report["bytes"] == short_int8.stat().st_size
    assert report["exactness"] == {"runs": 3, "equal": 3, "largest_difference": 0, "first_operator": ""}
    arena = report["arena"]
    assert arena["with_margin_bytes"] == arena["total_bytes"] + arena["margin_bytes"]
    # No planner needs less than what is alive at once.
    assert report["memory"]["peak"]["live_bytes"] <= arena["head_bytes"]
    assert [one["board"] for one in report["boards"]] == list(boards.BOARDS)
    assert len(report["work"]) == len(report["memory"]["operators"])
    assert sum(one["macs"] for one in report["work"]) == report["macs"]
    assert "- nrf5340 (Cortex-M33, 128 MHz): " in (out / "README.md").read_text()
    assert report["accelerators"][0]["cpu_operators"]  # tiny's last resize is 4x
    page = (out / "report.html").read_text()
    assert "<svg" in page
    assert "Everything that was asked holds." in page
    assert "github.com/mlcommons/tiny_results_v1.0, closed/OctoML" in page
    assert "namespace tiny" in (out / "tiny_model_data.h").read_text()
    assert '    "disc",\n    "box",' in (out / "tiny_class_map.h").read_text()


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


def test_steps_that_scales_explain_are_said_and_accepted(tmp_path):
    path, out = tmp_path / "net.tflite", tmp_path / "out"
    path.write_bytes(with_edges())
    options = ["micro", f"--tflite={path}", f"--output_dir={out}", "--pictures=5"]
    result = kerasseg(*options)
    assert result.returncode == 0, result.stdout
    assert "by up to 1 step(s), accepted are 2; 0." in result.stdout
    assert "LiteRT forms the scale of a product in float32" in (out / "report.html").read_text()
    assert "kTestTolerance = 0;" in (out / "out_test_vector.h").read_text()  # of its own outputs
    result = kerasseg(*options, "--tolerance_lsb=0")
    assert result.returncode == 1
    assert "by up to 1 steps, accepted are 0 (--tolerance_lsb); the first operator is MUL at " in result.stdout
    assert_one_line(kerasseg(*options, "--tolerance_lsb=256"), "--tolerance_lsb=256 is out of range; give 0 to 255")


def test_an_export_over_another_leaves_nothing_of_it(tmp_path):
    segmenting, classifying = tmp_path / "a.tflite", tmp_path / "b.tflite"
    segmenting.write_bytes(int8(network(keras.layers.Conv2D(4, 3, strides=2, padding="same"))))
    classifying.write_bytes(int8(network(keras.layers.Flatten(), keras.layers.Dense(3))))
    out = tmp_path / "My net"
    options = [f"--output_dir={out}", "--pictures=1", "--frame=24,32", "--input_format=rgb565"]
    result = kerasseg("micro", f"--tflite={segmenting}", *options)
    assert result.returncode == 0
    assert "my_net_input.h reads frames of 24 rows of 32 pixels, 64 bytes a row: rgb565, 16-bit words" in result.stdout
    names = {path.name for path in out.iterdir()}
    assert {"my_net_class_map.h", "my_net_input.h", "my_net_model_data.h"} <= names
    assert "kFrameWidth = 32" in (out / "my_net_input.h").read_text()
    (out / "my_net_extra.h").write_text("// mine")
    result = kerasseg("micro", f"--tflite={classifying}", *options[:2], "--name=other")
    assert result.returncode == 0
    assert "removed my_net_arena.h, my_net_class_map.h, my_net_input.h, " in result.stdout
    left = {path.name for path in out.iterdir()}
    assert {name for name in left if name.startswith("my_net")} == {"my_net_extra.h"}
    assert "class_map.h" not in (out / "README.md").read_text()
    assert left == {
        "my_net_extra.h", "other_model_data.h", "other_model_data.cc", "other_op_resolver.h", "other_arena.h", "main.cc",
        "other_test_vector.h", "other_test_vector.cc", "README.md", "CMakeLists.txt", "idf_component.yml", "report.json",
        "report.html", "memory.svg", "other_input.h",
    }  # fmt: skip


def test_files_of_others_and_changed_ones_are_not_written_over(tmp_path):
    path, out = tmp_path / "net.tflite", tmp_path / "out"
    path.write_bytes(int8(network(keras.layers.Conv2D(4, 1))))
    options = ["micro", f"--tflite={path}", f"--output_dir={out}", "--pictures=1"]
    out.mkdir()
    for name in ("report.html", "main.cc"):  # refused before anything is measured, and when the sources are known
        (out / name).write_text("mine")
        assert_one_line(kerasseg(*options), f"{name} in {out} would be written over", "give another --output_dir")
        assert {file.name: file.read_text() for file in out.iterdir()} == {name: "mine"}
        (out / name).unlink()
    assert kerasseg(*options).returncode == 0
    first = {file.name: file.read_bytes() for file in out.iterdir()}
    (out / "out_model_data.cc").unlink()  # as if it had been killed there
    assert kerasseg(*options).returncode == 0
    assert (out / "out_model_data.cc").read_bytes() == first["out_model_data.cc"]
    (out / "main.cc").write_bytes(first["main.cc"] + b"// mine")
    assert_one_line(kerasseg(*options), f"main.cc in {out} would be written over", "or somebody has changed it since")
    assert (out / "main.cc").read_bytes() == first["main.cc"] + b"// mine"


def test_a_frame_that_does_not_fit_is_refused_before_anything_is_measured(tmp_path):
    path, out = tmp_path / "net.tflite", tmp_path / "out"
    path.write_bytes(int8(network(keras.layers.Conv2D(4, 1)), io_type="float32"))
    options = ["micro", f"--tflite={path}", f"--output_dir={out}", "--pictures=1"]
    words = "--input_format and --frame are for one picture"
    assert_one_line(kerasseg(*options, "--input_format=rgb565"), "takes (1, 16, 16, 3) float32", words)
    assert_one_line(kerasseg(*options, "--frame=32"), "--frame=32 is no size; write height,width")
    assert_one_line(kerasseg(*options, "--input_format=rgb332"), "rgb332", "rgb565_swapped")
    path.write_bytes(int8(network(keras.layers.Conv2D(4, 1))))
    assert_one_line(kerasseg(*options, "--input_format=yuyv", "--frame=3,5"), "yuyv has two pixels in 4 bytes; give an even")
    assert not out.exists()


def test_pictures_of_a_folder(short_int8, tmp_path):
    for i in range(2):
        write_picture(tmp_path / "pictures" / f"{i}.png", np.random.default_rng(i).integers(0, 256, (50, 70, 3), np.uint8))
    out = ["micro", f"--tflite={short_int8}", f"--output_dir={tmp_path / 'out'}", f"--images={tmp_path / 'pictures'}"]
    assert_one_line(kerasseg(*out, "--pictures=20"), "has 2 pictures, 20 are to be compared", "lower --pictures")
    assert not (tmp_path / "out").exists()
    result = kerasseg(*out)
    assert result.returncode == 0, result.stderr
    assert "2 of 2 (2 pictures of the folder pictures)" in result.stdout


def test_a_memory_plan_is_written_and_said(tmp_path):
    path, out = tmp_path / "net.tflite", tmp_path / "out"
    path.write_bytes(quantized(squeeze_excite(side=32, channels=64)))
    result = kerasseg("micro", f"--tflite={path}", f"--output_dir={out}", "--pictures=2", "--memory_plan")
    assert result.returncode == 0, result.stderr
    report = files.read_json(out / "report.json")
    plan = report["memory_plan"]
    assert plan["after"]["arena_bytes"] == report["arena"]["total_bytes"] < plan["before"]["arena_bytes"]
    assert (report["file"], report["bytes"]) == ("net_planned.tflite", (out / "net_planned.tflite").stat().st_size)
    assert sum(one["bytes"] for one in report["tail"]) == report["arena"]["tail_bytes"]
    arena = f"arena {plan['before']['arena_bytes'] / 1024:.1f} -> {plan['after']['arena_bytes'] / 1024:.1f} KiB"
    assert arena in result.stdout
    assert "the same numbers to the bit, in TFLite Micro and in LiteRT, on 2 inputs" in result.stdout
    assert "bit-exact         2 of 2" in result.stdout
    assert "AddSpaceToBatchNd()" in (out / "out_op_resolver.h").read_text()
    assert f"It takes {plan['after']['arena_bytes']} bytes of arena" in (out / "README.md").read_text()
    page = (out / "report.html").read_text()
    assert "Memory plan" in page
    assert "multipliers and shifts of convolutions" in page
    assert "What would lower the peak" not in page
    # The planned file is not planned again, and where nothing is smaller the export is as without.
    result = kerasseg("micro", f"--tflite={out / 'net_planned.tflite'}", f"--output_dir={tmp_path / 'again'}", "--memory_plan")
    assert result.returncode == 0
    assert "no memory plan for net_planned.tflite: it has one already; the sources are of the file as it is" in result.stdout
    path.write_bytes(int8(network(keras.layers.Conv2D(4, 1))))
    result = kerasseg("micro", f"--tflite={path}", f"--output_dir={out}", "--pictures=1", "--memory_plan")
    assert result.returncode == 0
    assert "no memory plan for net.tflite: none that was found is smaller" in result.stdout
    assert files.read_json(out / "report.json")["memory_plan"] is None
    assert not (out / "net_planned.tflite").exists()
    assert_one_line(kerasseg("micro", f"--tflite={path}", f"--output_dir={out}", "--plan_extra_macs=-1"), "give 0 to 100")
