"""The run directory: what a training run leaves behind and every later command starts from."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasseg import config as config_lib
from kerasseg import files
from kerasseg.config import TrainConfig
from kerasseg.errors import InputError

FORMAT = 1  # raised when an older run directory can no longer be read


@dataclass(frozen=True)
class RunDir:
    """Names of the files in a run directory.

    config.json: the settings and what they came to (`Run`); checkpoint.npz: everything a resumed run
    needs; best.weights.h5 and last.weights.h5: Keras weights as evaluated (the average, where one is
    kept); history.csv: a row an epoch; report.json: the scores of the best weights; logs/: TensorBoard.
    """

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.json"

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint.npz"

    @property
    def best_weights(self) -> Path:
        return self.path / "best.weights.h5"

    @property
    def last_weights(self) -> Path:
        return self.path / "last.weights.h5"

    @property
    def history(self) -> Path:
        return self.path / "history.csv"

    @property
    def report(self) -> Path:
        return self.path / "report.json"

    @property
    def logs(self) -> Path:
        return self.path / "logs"


@dataclass(frozen=True)
class Run:
    """What config.json holds: the settings as given, and what the empty ones came to."""

    config: TrainConfig
    class_names: tuple[str, ...]
    eval_size: tuple[int, int]
    output_stride: int

    @property
    def num_classes(self) -> int:
        return len(self.class_names)


def refuse_other(directory: RunDir, run: Run) -> None:
    """Holds `run` against what lies in the directory, and writes nothing.

    Raises:
        InputError: the directory belongs to a run with other settings, which the message names, or to something else.
    """
    if directory.config.exists():
        old, new = (config_lib.to_json(r.config) for r in (read(directory), run))
        different = [f"{key} ({old[key]} there, {new[key]} asked)" for key in new if old[key] != new[key]]
        if different:
            raise InputError(
                f"{directory.path} holds a run with other settings: {', '.join(different)}; "
                "give the same settings to resume it, or another --workdir"
            )
    elif directory.path.is_dir() and any(directory.path.iterdir()):
        raise InputError(f"{directory.path} is not empty and holds no run (no config.json); give another --workdir")


def create(directory: RunDir, run: Run) -> None:
    """Writes config.json, unless it is there."""
    if not directory.config.exists():
        resolved = {key: value for key, value in dataclasses.asdict(run).items() if key != "config"}
        files.write_json(directory.config, {"format": FORMAT, "config": config_lib.to_json(run.config), "resolved": resolved})


def read(directory: RunDir) -> Run:
    """Reads config.json.

    Raises:
        InputError: no run directory, or one of another format.
    """
    if not directory.config.exists():
        raise InputError(f"{directory.path} is no run directory (no config.json); give the --workdir of a training run")
    stored: dict[str, Any] = files.read_json(directory.config)
    if not isinstance(stored, dict) or stored.get("format") != FORMAT:
        found = stored.get("format") if isinstance(stored, dict) else None
        raise InputError(
            f"{directory.config} has format {found}, this version reads {FORMAT}; "
            "use the kerasseg that wrote it, or train again in another --workdir"
        )
    resolved = stored["resolved"]
    return Run(
        config=config_lib.from_json(stored["config"], source=str(directory.config)),
        class_names=tuple(resolved["class_names"]),
        eval_size=tuple(resolved["eval_size"]),
        output_stride=resolved["output_stride"],
    )
