import importlib.util
import json
from pathlib import Path

import pytest

from kerasseg import files
from kerasseg.errors import InputError
from kerasseg.models import get_spec
from tests.conftest import REPOSITORY, assert_one_line, command

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def paper():
    specification = importlib.util.spec_from_file_location("paper", REPOSITORY / "benchmarks" / "paper.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def _given(step):
    return dict(argument.removeprefix("--").split("=", 1) for argument in step.command if argument.startswith("--"))


def test_every_row_is_trained_by_one_recipe(paper):
    options = paper.PaperOptions(
        data_dir="CamVid", large_weights="large.npz", small_weights="small.npz",
        large_minimalistic_weights="large-minimalistic.npz", small_minimalistic_weights="small-minimalistic.npz",
    )  # fmt: skip
    apart = {"model", "backbone_weights", "seed", "workdir"}
    recipes = set()
    for model, seeds in paper.ROWS.items():
        for seed in range(seeds):
            (train,) = paper.steps(model, seed, options)["train"]
            given = _given(train)
            assert train.backend is None  # what the caller set
            recipes.add(tuple(sorted((name, value) for name, value in given.items() if name not in apart)))
            spec = get_spec(model)
            expected = f"{spec.backbone}{'-minimalistic' * spec.minimalistic}.npz" if spec.alpha == 1 else "none"
            assert (given["model"], given["seed"], given["backbone_weights"]) == (model, str(seed), expected)
    assert len(recipes) == 1
    assert {"v3large": 2, "v3large_sliced": 2}.items() <= paper.ROWS.items()


def test_a_rehearsal_is_the_same_in_small_and_apart_from_the_runs(paper, tmp_path):
    options = paper.PaperOptions(data_dir="CamVid", workdir=str(tmp_path), rehearsal=True)
    rehearsed, real = (paper.steps("edge_small", 0, o) for o in (options, paper.PaperOptions(workdir=str(tmp_path))))
    small, full = (_given(steps["train"][0]) for steps in (rehearsed, real))
    assert (small["epochs"], small["train_examples"], small["class_weights"]) == ("1", "32", full["class_weights"])
    assert Path(small["workdir"]) == tmp_path / "rehearsal" / "edge_small_0"
    assert Path(full["workdir"]) == tmp_path / "edge_small_0"
    assert [len(steps["convert"]) for steps in (rehearsed, real)] == [3, 3]
    assert_one_line(
        command("benchmarks/paper.py", "--rehearsal", "--steps=compare", f"--workdir={tmp_path}"),
        "no row in",
        "rehearsal is finished",
    )


def test_what_is_there_is_not_made_again(paper, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(paper, "do", lambda step, log=None: made.append(step))
    options = paper.PaperOptions(data_dir="CamVid", workdir=str(tmp_path), models=("edge_small",))
    trained, *converted = [step for steps in paper.steps("edge_small", 0, options).values() for step in steps]
    for step in (trained, converted[0]):
        step.makes.parent.mkdir(exist_ok=True)
        step.makes.touch()
    paper.paper(options)
    *missing, compared = made
    assert missing == converted[1:]
    assert f"--workdirs={trained.makes.parent}" in compared.command  # the only row that is finished


def test_none_is_begun_after_one_that_failed(paper, tmp_path, monkeypatch):
    begun = []

    def fail(step, log=None):
        begun.append(step)
        raise InputError("no")

    monkeypatch.setattr(paper, "do", fail)
    options = paper.PaperOptions(data_dir="CamVid", workdir=str(tmp_path))
    with pytest.raises(InputError, match="no"):
        paper.paper(options)
    assert begun == paper.steps("v3large", 0, options)["train"]


def test_several_at_a_time_write_logs_and_a_failure_says_where(paper, tmp_path):
    result = command(
        "benchmarks/paper.py", "--data_dir=/nowhere", "--models=micro_96,micro_128", "--jobs=2", f"--workdir={tmp_path}",
        "--steps=train", "--large_weights=none", "--small_weights=none",
    )  # fmt: skip
    assert_one_line(result, "--model=micro_96", "ended with exit code 2 (its output is in", "micro_96_0.log)")
    for model in ("micro_96", "micro_128"):
        assert "no folder /nowhere" in (tmp_path / f"{model}_0.log").read_text()


def test_bad_input_is_one_line_and_leaves_nothing(tmp_path):
    script = "benchmarks/paper.py"
    assert_one_line(command(script), "--data_dir is missing")
    assert_one_line(
        command(script, "--data_dir=x", "--models=resnet"), "--models has unknown resnet; known are v3large, v3large_sliced"
    )
    assert_one_line(command(script, "--steps=compare", f"--workdir={tmp_path / 'none'}"), "none is finished")
    assert not (tmp_path / "none").exists()


def test_a_pair_differs_in_nothing_but_the_teacher(tmp_path):
    """benchmarks/distillation.py, on what two trainings leave."""
    history = [{"epoch": 1}, {"epoch": 2, "val_miou": 0.5}]
    settings = {"model": "short", "seed": 0, "epochs": 2, "teacher": "", "distill_weight": 0.0, "distill_temperature": 1.0}
    changes = {"alone": {}, "taught": {"teacher": "run"}, "other": {"teacher": "run", "seed": 1}}
    for name, change in changes.items():
        report = {"split": "val", "size": [64, 64], "commit": "c", "config": settings | change, "history": history}
        files.write_json(tmp_path / name / "report.json", report)
        files.write_json(tmp_path / name / "config.json", {"teacher": {"model": "tiny"}})

    def pair(taught):
        return command("benchmarks/distillation.py", f"--alone={tmp_path / 'alone'}", f"--taught={tmp_path / taught}")

    (row,) = json.loads(pair("taught").stdout)["rows"]
    assert (row["teacher"], row["weight"], row["alone"]) == ("tiny", 1.0, {"2": 0.5})
    assert_one_line(pair("other"), "other is not", "alone with a teacher: seed")
    assert_one_line(pair("alone"), "with a teacher: it has none")
    assert_one_line(pair("nowhere"), "report.json is missing")


def test_a_pair_of_crops_differs_in_nothing_but_the_commit(tmp_path):
    """benchmarks/crop_filter.py, on what four trainings leave."""
    settings = {
        "model": "short",
        "dataset": "camvid",
        "seed": 0,
        "epochs": 2,
        "size": [64, 64],
        "scale_min": 0.2,
        "scale_max": 0.5,
    }
    for name, seed, miou in (("a0", 0, 0.5), ("b0", 0, 0.6), ("a1", 1, 0.4), ("b1", 1, 0.7)):
        report = {
            "split": "val", "commit": name, "config": settings | {"seed": seed}, "scores": {"miou": miou},
            "backend": "torch", "versions": {}, "cpu": "x",
            "history": [{"val_miou": miou - 0.1}],
        }  # fmt: skip
        files.write_json(tmp_path / name / "report.json", report)

    def pairs(before, after):
        folders = [",".join(str(tmp_path / name) for name in names) for names in (before, after)]
        return command(
            "benchmarks/crop_filter.py", f"--aliased={folders[0]}", f"--antialiased={folders[1]}", f"--output={output}"
        )

    output = tmp_path / "crop_filter.json"
    for names in (("a1", "b1"), ("a0", "b0")):  # the second adds to the first
        assert pairs(*[(name,) for name in names]).returncode == 0
    (row,) = files.read_json(output)["rows"]
    assert [(seed["seed"], seed["aliased"]["miou"], seed["antialiased"]["miou"]) for seed in row["seeds"]] == [
        (0, 0.5, 0.6), (1, 0.4, 0.7),
    ]  # fmt: skip
    assert row["seeds"][0]["antialiased"] == {"miou": 0.6, "last_miou": 0.5, "commit": "b0"}
    assert_one_line(pairs(("a0",), ("b1",)), "a0 and", "b1 differ in seed; give pairs of runs")
    assert_one_line(pairs(("a0",), ("nowhere",)), "report.json is missing")
    assert_one_line(pairs(("a0",), ("b0", "b1")), "give as many runs as --aliased as as --antialiased")
