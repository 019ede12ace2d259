import dataclasses
import json
import shutil

import numpy as np
import pytest

from kerasseg import files, jobs
from kerasseg.errors import InputError
from kerasseg.run.directory import open_run
from kerasseg.run.lock import locked
from kerasseg.training import journal
from tests.conftest import SHORT, assert_one_line, kerasseg, looked_at


@pytest.fixture
def run(short, short_run, short_int8, tmp_path):
    """A copy of the finished run with its int8 file inside."""
    copy = tmp_path / "run"
    shutil.copytree(short_run, copy)
    for suffix in ("", ".json"):
        shutil.copy(f"{short_int8}{suffix}", copy / f"int8.tflite{suffix}")
    return copy


def test_training_leaves_a_page(short_run):
    page = (short_run / "report.html").read_text(encoding="utf-8")
    assert "Not finished" not in page
    assert page.count("<img") == 4 * 4  # all four pictures of val
    assert "kerasseg train --model=short --dataset=shapes" in page
    report, best = (files.read_json(short_run / name) for name in ("report.json", "best.json"))
    assert best["scores"] == report["scores"]
    assert len(best["by_picture"]) == SHORT.val_examples
    assert f"mIoU {100 * report['scores']['miou']:.2f} %" in page
    data = files.read_json(short_run / "data.json")
    assert data["pictures"] == {"train": 8, "val": 4}
    for row in data["classes"]:
        assert f"{row['pixels']['train']:,}" in page


def test_files_and_memory_come_beside_keras(run, browser, tmp_path):
    exported = kerasseg("micro", f"--tflite={run / 'int8.tflite'}", f"--output_dir={run / 'mcu'}", "--pictures=2")
    assert exported.returncode == 0, exported.stderr
    (run / "foreign.tflite").write_bytes((run / "int8.tflite").read_bytes()[:-1])
    result = kerasseg("report", f"--workdir={run}")
    assert result.returncode == 0, result.stderr
    assert "scoring Keras and 1 file(s)" in result.stdout
    tab = looked_at(browser, run / "report.html", width=1400, scheme="light")
    text = tab.inner_text("body")
    checked = files.read_json(run / "check.json")
    (entry,) = checked["files"]
    assert f"int8.tflite\t0..255\t{100 * entry['tflite']['miou']:.2f} %" in text
    assert f"{entry['latency'][0]['median_ms']:.2f}" in text
    assert "of unknown origin" in text
    assert "Where int8.tflite hurts" in text
    assert "On a microcontroller: int8.tflite" in text
    assert f"{files.read_json(run / 'mcu' / 'report.json')['arena']['total_bytes'] / 1024:,.1f}" in text
    looked_at(browser, run / "report.html", width=390, scheme="dark")
    # What is known is not measured again, and elsewhere goes what is asked for.
    again = kerasseg("report", f"--workdir={run}", f"--output={tmp_path / 'other.html'}")
    assert again.returncode == 0, again.stderr
    assert "scoring" not in again.stdout
    assert (tmp_path / "other.html").read_text() == (run / "report.html").read_text()


def test_a_file_of_other_weights_is_shown_as_such(run):
    story = files.read_json(run / "int8.tflite.json") | {"weights_sha256": "0" * 64}
    files.write_json(run / "int8.tflite.json", story)
    path = jobs.report(run)
    assert "was made from other weights than the best of" in path.read_text(encoding="utf-8")
    assert not (run / "check.json").exists()


@pytest.mark.parametrize(
    ("checked", "about"),
    [
        ({"files": [], "split": "train", "pictures": 2}, "of 2 pictures of train"),
        ({"files": [], "split": "val", "pictures": 4, "other_data": ["val has others"]}, "of 4 pictures of val of other data"),
        ({"files": []}, "of times alone"),
    ],
)
def test_a_check_of_other_pictures_is_not_taken_for_one_of_val(run, checked, about):
    files.write_json(run / "check.json", checked)
    with pytest.raises(InputError, match=f"check.json is {about}.*, not of the 4 of val; move it"):
        jobs.report(run)
    lines = []
    jobs.report(run, measure=False, log=lines.append)
    assert any(f"left out {run / 'check.json'}, which is {about}" in line for line in lines)
    assert files.read_json(run / "check.json") == checked


def test_a_run_that_kept_no_scores_is_evaluated(run):
    before = files.read_json(run / "best.json")
    for name in ("best.json", "data.json"):
        (run / name).unlink()
    path = jobs.report(run, measure=False)
    assert files.read_json(run / "best.json") == before
    assert "This run keeps no table of its data" in path.read_text(encoding="utf-8")


def test_what_is_no_run_or_no_export_is_refused(run, tmp_path):
    assert_one_line(kerasseg("report"), "--workdir is missing")
    (run / "best.json").write_text('{"epoch": 1}')
    assert_one_line(kerasseg("report", f"--workdir={run}", "--nomeasure"), "best.json is none that a training wrote; remove it")
    (run / "best.json").unlink()
    assert_one_line(kerasseg("report", f"--workdir={tmp_path / 'none'}"), "is no run directory")
    for name, content, said in (
        ("history.csv", "epoch;loss\n1;2,5\n", "history.csv is no table of epochs as kerasseg train writes it, with commas"),
        ("history.csv", "epoch,loss\n1,x\n", "history.csv is no table of epochs"),
        ("history.csv", "epoch,loss\n1,2,3\n", "history.csv is no table of epochs"),
        ("data.json", '{"pictures": 3}', "data.json is not what kerasseg train wrote of its data"),
        ("config.json", '{"format": 1}', "config.json is not as kerasseg train wrote it (KeyError('config'))"),
        (
            "config.json",
            (run / "config.json").read_text().replace('"eval_size": [\n      96', '"eval_size": [\n      "96"'),
            "config.json is not as kerasseg train wrote it (ValueError(",
        ),
        ("config.json", '{"format": 1, "config": {}, "resolved": {"eval_size": 3}}', "config.json is not as kerasseg train"),
    ):
        before = (run / name).read_bytes()
        (run / name).write_text(content)
        assert_one_line(kerasseg("report", f"--workdir={run}", "--nomeasure"), said)
        (run / name).write_bytes(before)
    assert_one_line(
        kerasseg("report", f"--workdir={run}", "--nomeasure", f"--micro={tmp_path}"), "holds no export of kerasseg micro"
    )
    (tmp_path / "mcu").mkdir()
    (tmp_path / "mcu" / "report.json").write_text(json.dumps({"sha256": "1"}))
    (tmp_path / "mcu" / "memory.svg").write_text("<svg/>")
    result = kerasseg("report", f"--workdir={run}", "--nomeasure", f"--micro={tmp_path / 'mcu'}")
    assert_one_line(result, "is of a file that is not in")


def test_a_run_that_nobody_can_write_has_a_page_elsewhere(run, tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write everywhere
    before = sorted(path.name for path in run.iterdir())
    with locked(run):  # as its owner may hold it: nothing is locked there
        page = jobs.report(run, measure=False, output=tmp_path / "page.html")
        with pytest.raises(InputError, match="is at work in"):
            jobs.report(run, measure=False)
    assert page.is_file()
    assert sorted(path.name for path in run.iterdir()) == before


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 11, 12, 13, 50])
def test_pictures_are_chosen_by_rule(count):
    by_picture = {f"p{i:02}": i / 100 for i in np.random.default_rng(count).permutation(count)}
    found = journal.chosen(by_picture)
    names = [name for _, name in found]
    assert names == sorted(set(names))  # none twice, the worst first
    assert len(names) == min(count, 12)
    if count >= 12:
        ranks = {rank: [name for r, name in found if r == rank] for rank in ("worst", "median", "best")}
        order = sorted(by_picture)
        assert ranks["worst"] == order[:4]
        assert ranks["best"] == order[-4:]
        middle = [order.index(name) for name in ranks["median"]]
        assert abs(np.mean(middle) - (count - 1) / 2) <= 0.5


def test_the_command_on_the_page_makes_the_same_run(short_run):
    from kerasseg import cli
    from kerasseg.config import TrainConfig
    from kerasseg.train import TrainOptions

    run = open_run(short_run)
    words = journal.train_command(run).split()
    assert words[:2] == ["kerasseg", "train"]
    assert cli.part(cli.parse(TrainOptions, words[1:]), TrainConfig) == run.config


def test_a_command_for_others_names_no_folder_of_this_machine(short_run, tmp_path):
    shutil.copytree(short_run, tmp_path / "run")
    data = files.read_json(short_run / "data.json")
    files.write_json(tmp_path / "run" / "data.json", data | {"accepted": ["absent", "copies"]})
    run = open_run(tmp_path / "run")
    config = dataclasses.replace(run.config, data_dir="/home/me/CamVid", backbone_weights="/home/me/large.npz")
    run = dataclasses.replace(run, config=config, made_with={"backend": "torch 2.13.0"})
    mine, command = journal.train_command(run), journal.train_command(run, for_others=True)
    assert mine.startswith("KERAS_BACKEND=torch kerasseg train ")
    assert " --data_dir=/home/me/CamVid " in mine
    assert mine.endswith(f" --accept=absent,copies --workdir={tmp_path / 'run'}")
    assert " --data_dir=DATA_DIR " in command
    assert " --backbone_weights=large.npz " in command
    assert command.endswith(" --accept=absent,copies --workdir=run")
