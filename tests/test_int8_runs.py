import dataclasses
import importlib

import pytest

from kerasseg import files
from kerasseg.config import TrainConfig, for_report
from kerasseg.errors import InputError
from tests.conftest import REPOSITORY, assert_one_line, command


@pytest.fixture
def programs(monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
    return importlib.import_module("int8_runs")


@pytest.fixture
def tables(programs):
    return importlib.import_module("int8_runs_tables")


@pytest.fixture
def options(programs, tmp_path):
    return programs.Int8RunsOptions(output=str(tmp_path / "results" / "int8_runs.json"))


SHORT = {
    "dataset": "camvid", "size": (256, 256), "eval_size": (384, 480), "epochs": 12, "eval_every": 3, "class_weights": "sqrt",
    "dice_weight": 0.5, "weight_decay": 0.01,
}  # fmt: skip


def _trained(path, **config):
    settings = for_report(TrainConfig(**SHORT | {"data_dir": "elsewhere"} | config))
    files.write_json(path / "report.json", {"config": settings, "scores": {"pictures": 101}})
    return path


@pytest.fixture
def commands(programs, monkeypatch):
    """Stands for the commands: they leave what they make, as far as it is read; each recipe loses other points."""
    done = []

    def do(step):
        given = dict(word[2:].split("=", 1) for word in step.command[2:])
        done.append((step.command[1], given))
        recipe = step.makes.name.split(".")[0].removesuffix("_check")
        seed = files.read_json(step.makes.parent / "report.json")["config"]["seed"]
        made = {"sha256": recipe, "calibration": {"epochs": int(given.get("epochs", 0))}}
        entry = {"sha256": recipe, "pixel_agreement": 0.99 - seed / 100}
        entry["tflite"] = {"miou": 0.60 - (0.01 if recipe == "int8" else 0.002) * (1 + seed)}
        there = {"files": [entry], "keras": {"miou": 0.60}} if "_check" in step.makes.name else made
        files.write_json(step.makes, there | {"versions": {}, "cpu": "a processor", "commit": "abc"})

    monkeypatch.setattr("paper.do", do)
    return done


def test_every_file_is_made_checked_and_written_once(programs, options, tables, commands, tmp_path):
    runs = [_trained(tmp_path / f"run_{seed}", seed=seed) for seed in (0, 1)]
    asked = dataclasses.replace(options, workdirs=tuple(map(str, runs)))
    programs.main(asked)
    assert [name for name, _ in commands] == ["kerasseg.convert", "kerasseg.check"] * 2
    assert commands[0][1] == {"workdir": str(runs[0]), "recipe": "int8"}
    assert commands[1][1]["tflite"] == f"{runs[0]}/int8.tflite"
    programs.main(asked)
    assert len(commands) == 4  # what is there stays
    table = tables.val_table(tmp_path / "results")
    row = "| `v3large_sliced` | 12 epochs, 256x256 | 2 | 60.00 ± 0.00 % | -1.50 ± 0.71 | -2.00 | 98.00 % | 0 |"
    assert row in table
    programs.main(dataclasses.replace(asked, workdirs=(str(runs[1]),), recipes=("int8_qat",)))
    assert commands[4][1] == {"workdir": str(runs[1]), "recipe": "int8_qat", "epochs": "2"}
    table = tables.val_table(tmp_path / "results")
    assert "| -1.50 ± 0.71 | -2.00 | 98.00 % | 0 | -0.40 (of 1) | -0.40 | 98.00 % | 0 |" in table
    assert "`int8_qat` after 2 epochs at most" in table


def test_runs_of_other_settings_and_drives_have_rows_of_their_own(programs, options, tables, commands, tmp_path):
    runs = [
        _trained(tmp_path / "plain"),
        _trained(tmp_path / "light", gamma=0.7),
        _trained(tmp_path / "held", holdout="^0001TP"),
        _trained(tmp_path / "taught", teacher="another"),
        _trained(tmp_path / "bare", backbone_weights="none"),
        _trained(tmp_path / "moved", seed=2, backbone_weights="a.npz", data_dir="somewhere", precision="mixed_bfloat16"),
    ]
    programs.main(dataclasses.replace(options, workdirs=tuple(map(str, runs))))
    val, held = tables.val_table(tmp_path / "results"), tables.folds_table(tmp_path / "results")
    assert "| `v3large_sliced` | 12 epochs, 256x256 | 2 |" in val
    assert "| `v3large_sliced` | 12 epochs, 256x256, `--gamma=0.7` | 1 |" in val
    assert "| `v3large_sliced` | 12 epochs, 256x256, `--teacher=another` | 1 |" in val
    assert "| `v3large_sliced` | 12 epochs, 256x256, `--backbone_weights=none` | 1 |" in val
    assert "0001TP" not in val
    assert "| `v3large_sliced` | 0001TP | 12 epochs, 256x256 | 60.00 % | -1.00 | 99.00 % | 0 |" in held
    assert len([line for line in held.splitlines() if line.startswith("| `")]) == 1


def test_rows_of_runs_that_are_gone_stay(programs, options, commands, tmp_path):
    first = dataclasses.replace(options, workdirs=(str(_trained(tmp_path / "a")),))
    programs.main(first)
    programs.main(dataclasses.replace(options, workdirs=(str(_trained(tmp_path / "b", model="edge_small")),)))
    programs.main(dataclasses.replace(options, workdirs=(str(_trained(tmp_path / "c")),)))  # the first again
    rows = files.read_json(options.output)["rows"]
    assert [row["model"] for row in rows] == ["edge_small", "v3large_sliced"]


def test_a_file_that_is_not_the_one_that_was_checked_is_refused(programs, options, commands, tmp_path):
    run = _trained(tmp_path / "a")
    asked = dataclasses.replace(options, workdirs=(str(run),))
    programs.main(asked)
    made = files.read_json(run / "int8.tflite.json")
    files.write_json(run / "int8.tflite.json", made | {"sha256": "another"})
    with pytest.raises(InputError, match=r"a/int8.tflite is not the file that was checked; remove int8_check.json there"):
        programs.main(asked)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"recipes": ("float16",)}, "--recipes has float16; known are int8, int8_qat"),
        ({"recipes": ()}, "--recipes has none; known are"),
        ({"workdirs": ()}, "--workdirs: none is no finished run"),
        ({"workdirs": ("gone",)}, "--workdirs: gone is no finished run"),
    ],
)
def test_bad_input_is_refused(programs, options, changes, said):
    with pytest.raises(InputError, match=said):
        programs.main(dataclasses.replace(options, **changes))


def test_runs_of_other_data_are_refused_before_anything_is_made(programs, options, commands, tmp_path):
    runs = [_trained(tmp_path / "a"), _trained(tmp_path / "b", dataset="shapes")]
    with pytest.raises(InputError, match=r"--workdirs: .*b is of other data; the file is of CamVid"):
        programs.main(dataclasses.replace(options, workdirs=tuple(map(str, runs))))
    assert not commands


@pytest.mark.slow
def test_the_program_says_so_in_one_line():
    assert_one_line(command("benchmarks/int8_runs.py"), "--workdirs: none is no finished run")
