import dataclasses
import importlib

import pytest

from kerasseg import files
from kerasseg.errors import InputError
from tests.conftest import REPOSITORY, assert_one_line, command


@pytest.fixture
def seeds(monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
    return importlib.import_module("seeds")


@pytest.fixture
def options(seeds, tmp_path):
    return seeds.SeedsOptions(
        data_dir="CamVid", workdir=str(tmp_path / "runs"), output=str(tmp_path / "results" / "seeds.json")
    )


def _finish(wanted, *, miou, **config):
    import paper

    report = {
        "scores": {"miou": miou, "iou": [miou, miou], "class_names": ["Sky", "Road"]}, "best_epoch": 9,
        "history": [{"val_miou": miou, "seconds": 3.0}, {"val_miou": miou - 0.01, "seconds": 5.0}], "versions": {},
        "backend": "torch 2.13.0", "cpu": "a processor", "commit": "abc",
        "config": paper.asked(wanted) | {"batch_size": 8} | config,
    }  # fmt: skip
    files.write_json(wanted.makes, report)


def test_a_run_is_the_papers_training_made_short(seeds, options):
    import paper

    wanted = paper.asked(seeds.step("v3large_sliced", 3, options))
    (plain,) = paper.steps("v3large_sliced", 3, paper.PaperOptions(data_dir="CamVid"))["train"]
    assert wanted == paper.asked(plain) | {"size": [256, 256], "epochs": 12}
    small = paper.asked(seeds.step("v3large", 0, dataclasses.replace(options, rehearsal=True)))
    assert (small["epochs"], small["train_examples"], small["size"]) == (1, 32, [96, 96])


def test_what_is_missing_is_trained_seed_by_seed_and_written(seeds, options, tmp_path, monkeypatch):
    made = []

    def train(wanted):
        made.append(wanted.makes.parent.name)
        _finish(wanted, miou=0.5 + 0.01 * len(made))

    monkeypatch.setattr("paper.do", train)
    _finish(seeds.step("v3large_sliced", 0, options), miou=0.75)
    seeds.main(dataclasses.replace(options, seeds=(0, 3), models=("v3large", "v3large_sliced", "v3large_thin", "edge_sliced")))
    assert made == ["v3large_0", "v3large_thin_0", "edge_sliced_0", "v3large_3", "v3large_sliced_3"]
    table = importlib.import_module("seeds_tables").seeds_table(tmp_path / "results")
    assert "| `v3large` | 2 | 52.50 ± 2.12 % | 51.50 ± 2.12 % |  |  |" in table
    assert "| `v3large_thin` | 1 | 52.00 % | 51.00 % | +1.00 | +1.00 |" in table
    assert "| `v3large_sliced` | 2 | 65.00 ± 14.14 % | 64.00 ± 14.14 % | +12.50 (" in table
    assert "12 epochs of 256x256 crops" in table


def test_seeds_of_runs_that_are_gone_stay_in_the_file(seeds, options, tmp_path, monkeypatch):
    monkeypatch.setattr("paper.do", lambda wanted: _finish(wanted, miou=0.5))
    seeds.main(dataclasses.replace(options, seeds=(0, 1), models=("v3large",)))
    monkeypatch.setattr("paper.do", lambda wanted: _finish(wanted, miou=0.7))
    elsewhere = dataclasses.replace(options, workdir=str(tmp_path / "elsewhere"), models=("v3large_sliced", "v3large"))
    seeds.main(dataclasses.replace(elsewhere, seeds=(1, 2)))
    found = {row["model"]: row["seeds"] for row in files.read_json(options.report)["rows"]}
    assert [(one["seed"], one["miou"]) for one in found["v3large"]] == [(0, 0.5), (1, 0.7), (2, 0.7)]
    assert [(one["seed"], one["miou"]) for one in found["v3large_sliced"]] == [(1, 0.7), (2, 0.7)]
    with pytest.raises(InputError, match=r"seeds.json holds seeds with other settings: precision \(float32 there, "):
        seeds.main(dataclasses.replace(elsewhere, seeds=(0,), precision="mixed_bfloat16"))


def test_a_run_with_other_settings_is_refused(seeds, options):
    _finish(seeds.step("v3large", 0, options), miou=0.5, epochs=45)
    with pytest.raises(InputError, match=r"v3large_0 holds a run with other settings: epochs \(45 there, 12 asked\)"):
        seeds.main(dataclasses.replace(options, seeds=(0,)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"models": ("tiny",)}, "unknown tiny; known are v3large, "),
        ({"seeds": (5,)}, "--seeds=5 names no seed of a row; v3large has 0 to 4, .*edge_sliced has 0 to 2, "),
        ({"models": ("edge_sliced",), "seeds": (3, 4)}, "--seeds=3,4 names no seed of a row; edge_sliced has 0 to 2"),
    ],
)
def test_rows_and_seeds_that_are_none_are_refused(seeds, options, changes, said):
    with pytest.raises(InputError, match=said):
        seeds.main(dataclasses.replace(options, **changes))


def test_no_data_is_one_line():
    assert_one_line(command("benchmarks/seeds.py"), "--data_dir is missing")
