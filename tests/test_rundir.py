import dataclasses
import json

import pytest

from kerasseg import rundir
from kerasseg.config import TrainConfig

RUN = rundir.Run(TrainConfig(model="tiny"), ("a", "b"), (64, 96), 16)


def test_a_run_directory_explains_itself(tmp_path):
    directory = rundir.RunDir(tmp_path / "run")
    rundir.refuse_other(directory, RUN)
    rundir.create(directory, RUN)
    assert rundir.read(directory) == RUN
    rundir.refuse_other(directory, RUN)  # the same settings: a resumed run


def test_other_settings_are_refused_by_name(tmp_path):
    directory = rundir.RunDir(tmp_path)
    rundir.create(directory, RUN)
    other = dataclasses.replace(RUN, config=dataclasses.replace(RUN.config, seed=7, epochs=3))
    with pytest.raises(
        ValueError, match=r"other settings: epochs \(60 there, 3 asked\), seed \(0 there, 7 asked\); give the same"
    ):
        rundir.refuse_other(directory, other)
    assert rundir.read(directory) == RUN


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.doc").write_text("mine")
    with pytest.raises(ValueError, match="is not empty and holds no run"):
        rundir.refuse_other(rundir.RunDir(tmp_path), RUN)


def test_another_format_is_refused(tmp_path):
    directory = rundir.RunDir(tmp_path)
    directory.config.write_text(json.dumps({"format": 99}))
    with pytest.raises(ValueError, match=r"config.json has format 99, this version reads 1; use the kerasseg that wrote it"):
        rundir.read(directory)
    with pytest.raises(ValueError, match=r"is no run directory \(no config.json\)"):
        rundir.read(rundir.RunDir(tmp_path / "nowhere"))
