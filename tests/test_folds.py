import dataclasses
import importlib

import pytest

from kerasseg import files
from kerasseg.errors import InputError
from tests.conftest import REPOSITORY, assert_one_line, command


@pytest.fixture
def folds(monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
    return importlib.import_module("folds")


@pytest.fixture
def tables(monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
    return importlib.import_module("folds_tables")


@pytest.fixture
def options(folds, tmp_path):
    return folds.FoldsOptions(
        data_dir="CamVid", workdir=str(tmp_path / "runs"), output=str(tmp_path / "results" / "folds.json")
    )


def _given(step):
    return dict(argument.removeprefix("--").split("=", 1) for argument in step.command if argument.startswith("--"))


def _report(*, miou, last, **config):
    """A report of a training, as far as it is read."""
    scores = {"pictures": 62, "miou": miou, "miou_over": "2 of 2 classes", "class_names": ["Sky", "Road"], "iou": [miou, miou]}
    return {
        "scores": scores, "best_epoch": 3, "history": [{"val_miou": None}, {"val_miou": last}], "size": [384, 480],
        "config": config,
        "backend": "torch 2.13.0", "versions": {}, "cpu": "a processor", "commit": "abc",
    }  # fmt: skip


def _finish(folds, options, drive, **scores):
    wanted = folds.step(drive, options)
    files.write_json(wanted.makes, _report(**scores, **folds.paper.asked(wanted), batch_size=8))


def test_a_fold_is_the_papers_training_with_a_drive_held_out(folds, options):
    import paper

    extra = dataclasses.replace(options, name="decay", extra="--weight_decay=0.05 --color=0.4")
    (plain,) = paper.steps("v3large_sliced", 0, paper.PaperOptions(data_dir="CamVid"))["train"]
    for drive in folds.DRIVES:
        given, more = _given(folds.step(drive, options)), _given(folds.step(drive, extra))
        assert given == _given(plain) | {"holdout": f"^{drive}", "workdir": f"{options.workdir}/v3large_sliced_{drive}_0"}
        workdir = f"{options.workdir}/v3large_sliced_decay_{drive}_0"
        assert more == given | {"weight_decay": "0.05", "color": "0.4", "workdir": workdir}
    small = _given(folds.step("0001TP", dataclasses.replace(options, rehearsal=True)))
    assert (small["epochs"], small["train_examples"], small["holdout"]) == ("1", "32", "^0001TP")
    assert small["workdir"].startswith(f"{options.workdir}/rehearsal/")


def test_what_is_there_is_not_trained_again_and_every_fold_is_written(folds, options, tables, tmp_path, monkeypatch):
    made = []

    def train(step):
        made.append(step)
        _finish(folds, options, _given(step)["holdout"].removeprefix("^"), miou=0.5, last=0.4)

    monkeypatch.setattr("paper.do", train)
    _finish(folds, options, "0001TP", miou=0.2, last=0.1)
    folds.main(dataclasses.replace(options, folds=("0001TP", "0016E5")))
    assert [_given(step)["holdout"] for step in made] == ["^0016E5"]
    table = tables.folds_table(tmp_path / "results")
    assert "| model | settings | epochs, crops | seed | mean | 0001TP | 0016E5 | plain val |" in table
    row = "| `v3large_sliced` | the recipe's | 45, 320x320 | 0 |  | 20.00 % (10.00 %) | 50.00 % (40.00 %) |  |"
    assert row in table  # no mean of two

    plain = tmp_path / "plain"
    settings = folds.paper.asked(folds.step("0001TP", options)) | {"precision": "mixed_bfloat16", "batch_size": 8}
    del settings["holdout"]  # the version that trained it had no such setting
    files.write_json(plain / "report.json", _report(miou=0.75, last=0.75, **settings))
    folds.main(dataclasses.replace(options, plain=str(plain)))
    assert len(made) == 2
    (row,) = files.read_json(options.report)["rows"]
    assert row["mean"] == pytest.approx((0.2 + 0.5 + 0.5) / 3)
    assert row["folds"][0]["iou"] == {"Sky": 0.2, "Road": 0.2}
    table = tables.folds_table(tmp_path / "results")
    assert "| 0 | 40.00 % (30.00 %) | 20.00 % (10.00 %) |" in table
    assert "| 75.00 % (75.00 %) |\n" in table

    decay = dataclasses.replace(options, name="decay", extra="--weight_decay=0.05")
    for drive in folds.DRIVES:
        _finish(folds, decay, drive, miou=0.6, last=0.6)
    folds.main(decay)
    folds.main(options)  # once more, without --plain: the row keeps it
    rows = files.read_json(options.report)["rows"]
    assert [(row["name"], row["plain"] is None) for row in rows] == [("", False), ("decay", True)]
    assert "| `--weight_decay=0.05` | 45, 320x320 | 0 | 60.00 % (60.00 %) |" in tables.folds_table(tmp_path / "results")


def test_without_results_the_page_claims_nothing(tables, tmp_path):
    text = tables.folds_table(tmp_path)
    assert "|" not in text
    assert not any(letter.isdigit() for letter in text)


@pytest.mark.parametrize(
    ("config", "words"),
    [({"model": "v3small"}, r"other settings: model \(v3small there, v3large_sliced asked\)"),
     ({"epochs": 9}, r"epochs \(9 there, 45 asked\)"), ({"holdout": "^0001TP"}, r"holdout \(\^0001TP there, none asked\)")],
)  # fmt: skip
def test_a_plain_run_of_other_settings_is_refused_before_anything_is_trained(folds, options, tmp_path, config, words):
    settings = folds.paper.asked(folds.step("0001TP", options)) | {"holdout": "", "batch_size": 8} | config
    files.write_json(tmp_path / "plain" / "report.json", _report(miou=0.7, last=0.7, **settings))
    with pytest.raises(InputError, match=words):
        folds.main(dataclasses.replace(options, plain=str(tmp_path / "plain")))
    with pytest.raises(InputError, match="nowhere holds no finished run"):
        folds.main(dataclasses.replace(options, plain=str(tmp_path / "nowhere")))


def test_a_fold_of_other_settings_under_its_name_is_refused(folds, options):
    decay = dataclasses.replace(options, name="decay", extra="--weight_decay=0.05")
    for drive in folds.DRIVES:
        _finish(folds, decay, drive, miou=0.6, last=0.6)
    with pytest.raises(
        InputError, match=r"decay_0001TP_0 holds a run with other settings: weight_decay \(0.05 there, 0.1 asked"
    ):
        folds.main(dataclasses.replace(decay, extra="--weight_decay=0.1"))
    assert not options.report.exists()


BAD = [
    ({"data_dir": ""}, "--data_dir is missing"),
    ({"extra": "--color=0"}, "--extra and --name belong together"),
    ({"name": "x"}, "--extra and --name belong together"),
    ({"folds": ("0005VD",)}, "--folds has unknown 0005VD; known are 0001TP, 0006R0, 0016E5"),
    (
        {"name": "x", "extra": "--color=0 --holdout=a --seed=2"},
        "--extra has --holdout=a, --seed=2, which the folds set themselves",
    ),
]


@pytest.mark.parametrize(("settings", "words"), BAD)
def test_bad_input_is_refused(folds, options, settings, words):
    with pytest.raises(InputError, match=words):
        folds.main(dataclasses.replace(options, **settings))


@pytest.mark.slow
def test_the_program_says_so_in_one_line(tmp_path):
    assert_one_line(command("benchmarks/folds.py", f"--output={tmp_path / 'folds.json'}"), "--data_dir is missing")
    assert not (tmp_path / "folds.json").exists()
