import dataclasses
import json

import pytest

from kerasseg.config import TrainConfig
from kerasseg.run import directory
from kerasseg.run.directory import Run, RunDir, open_run


@pytest.fixture
def run(tmp_path):
    return Run(RunDir(tmp_path / "run"), TrainConfig(model="tiny"), ("a", "b"), (64, 96), 16)


def test_a_run_directory_explains_itself(run):
    directory.refuse_other(run)
    directory.create(run)
    assert open_run(run.directory.path) == run
    directory.refuse_other(run)  # the same settings: a resumed run


def test_other_settings_are_refused_by_name(run):
    directory.create(run)
    other = dataclasses.replace(run, config=dataclasses.replace(run.config, seed=7, epochs=3))
    with pytest.raises(
        ValueError, match=r"other settings: epochs \(60 there, 3 asked\), seed \(0 there, 7 asked\); give the same"
    ):
        directory.refuse_other(other)
    assert open_run(run.directory.path) == run


def test_a_folder_of_something_else_is_left_alone(run):
    run.directory.path.mkdir()
    (run.directory.path / "thesis.doc").write_text("mine")
    with pytest.raises(ValueError, match="is not empty and holds no run"):
        directory.refuse_other(run)


def test_another_format_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(ValueError, match=r"config.json has format 99, this version reads 1; use the kerasseg that wrote it"):
        open_run(tmp_path)
    with pytest.raises(ValueError, match=r"is no run directory \(no config.json\)"):
        open_run(tmp_path / "nowhere")
