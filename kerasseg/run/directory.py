"""The run directory: what a training run leaves behind and every later command starts from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasseg import config as config_lib
from kerasseg import files
from kerasseg.config import TrainConfig
from kerasseg.errors import InputError
from kerasseg.models import ModelSpec, get_spec
from kerasseg.run import lock

# Where data and teacher lie, how much stays in memory and who reads it change nothing; what they are is kept otherwise.
HARMLESS = ("data_dir", "teacher", "cache_mib", "workers")
FORMAT = 1  # raised when an older run directory can no longer be read


@dataclass(frozen=True)
class RunDir:
    """Names of the files in a run directory.

    config.json: the settings and what they came to (`Run`); checkpoint.npz: everything a resumed run
    needs; best.weights.h5 and last.weights.h5: Keras weights as evaluated (the average, where one is
    kept); best.json: scores of the best weights, of each picture, too; history.csv: a row an epoch;
    data.json: what `kerasseg inspect` says of the data; labels.npz: pixels of each id a training
    picture; report.json: the scores of the best weights; report.html: the page of the run; logs/: TensorBoard;
    qat/: the same of quantization-aware training.
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

    def learned(self) -> Path:
        """`best_weights`, where there are some.

        Raises:
            InputError: there are none yet.
        """
        if not self.best_weights.exists():
            raise InputError(
                f"{self.path} has no trained weights ({self.best_weights.name}); "
                f"finish `kerasseg train --workdir={self.path} ...` first"
            )
        return self.best_weights

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
    def best(self) -> Path:
        return self.path / "best.json"

    @property
    def data(self) -> Path:
        return self.path / "data.json"

    @property
    def page(self) -> Path:
        return self.path / "report.html"

    @property
    def labels(self) -> Path:
        return self.path / "labels.npz"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def qat(self) -> Path:
        return self.path / "qat"


@dataclass(frozen=True)
class Run:
    """A training run: where it lies, the settings as given, and what the empty ones came to.

    Attributes:
        directory: Where it lies, or will.
        config: The settings.
        class_names: One a class, in the order of their ids.
        eval_size: (height, width) of the evaluated, exported model.
        output_stride: Input pixels to one of the deepest features.
        data: What it is trained on (`origin.describe`); None in a directory of version 0.1.
        made_with: Backend and versions that it was begun with; None likewise.
        teacher: Model and SHA-256 of the weights that it learns from; None where there is no teacher.
    """

    directory: RunDir
    config: TrainConfig
    class_names: tuple[str, ...]
    eval_size: tuple[int, int]
    output_stride: int
    data: dict[str, Any] | None = None
    made_with: dict[str, str] | None = None
    teacher: dict[str, str] | None = None

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def spec(self) -> ModelSpec:
        """What its model is built from."""
        config = self.config
        return get_spec(config.model, output_stride=self.output_stride, activation=config.activation, channels=config.channels)


def refuse_other(run: Run) -> None:
    """Holds `run` against what lies in its directory, and writes nothing.

    Raises:
        InputError: the directory belongs to a run with other settings, which the message names, or to something else.
    """
    folder = run.directory.path
    if run.directory.config.exists():
        old, new = (_settings(one) for one in (open_run(folder), run))
        instead = "another --workdir"
        if all(old.get(key) == value for key, value in new.items() if key != "epochs"):
            instead += f", where --init_weights={run.directory.best_weights} starts from what it has learned"
        refuse_different(old, new, holds=f"{folder} holds a run", instead=instead)
    elif folder.is_dir() and any(path.name != lock.NAME for path in folder.iterdir()):
        raise InputError(f"{folder} is not empty and holds no run (no config.json); give another --workdir")


def refuse_as_output(folder: str | Path) -> None:
    """Raises InputError where a report that is written into a folder would take the place of a run's."""
    if RunDir(Path(folder)).config.exists():
        raise InputError(
            f"--output_dir={folder} is a run directory, whose report.json would be written over; give a folder of its own, "
            f"such as {Path(folder) / 'out'}"
        )


def _settings(run: Run) -> dict[str, Any]:
    """All that has to be the same, for a training to be gone on with."""
    return decisive(run.config) | {"eval_size as it came to be": list(run.eval_size)}


def decisive(config: TrainConfig) -> dict[str, Any]:
    """Settings, as JSON, that decide what is trained.

    Weights to start from are told by name, those of a run by its folder's, too: they may lie elsewhere where a run is gone on
    with, and are not read again.
    """
    start = config_lib.absolute(config).init_weights
    settings = config_lib.for_report(config) | {"init_weights": "/".join(Path(start).parts[-2:])}
    return {name: value for name, value in settings.items() if name not in HARMLESS}


def refuse_different(there: dict[str, Any], asked: dict[str, Any], *, holds: str, instead: str) -> None:
    """Two sets of settings must be one, for a training to be gone on with.

    Args:
        there: Name -> value, of what was begun.
        asked: Name -> value.
        holds: The message's beginning: "runs/a holds a run".
        instead: What to do where the settings are not to be the same.

    Raises:
        InputError: a value differs; the message names each.
    """
    different = [
        f"{key} ({_told(there.get(key))} there, {_told(new)} asked)" for key, new in asked.items() if there.get(key) != new
    ]
    if different:
        raise InputError(
            f"{holds} with other settings: {', '.join(different)}; give the same settings to resume it, or {instead}"
        )


def _told(value: Any) -> Any:
    return "none" if value is None or value == "" else value


def create(run: Run) -> None:
    """Writes config.json, unless it is there."""
    if not run.directory.config.exists():
        resolved = {"class_names": run.class_names, "eval_size": run.eval_size, "output_stride": run.output_stride}
        content = {
            "format": FORMAT, "config": config_lib.to_json(run.config), "resolved": resolved,
            "data": run.data, "made_with": run.made_with, "teacher": run.teacher,
        }  # fmt: skip
        files.write_json(run.directory.config, content)


def open_run(workdir: str | Path) -> Run:
    """The run in a directory that `kerasseg.training.train` has written.

    Raises:
        InputError: no run directory, or one of another format.
    """
    directory = RunDir(Path(workdir))
    if not directory.config.exists():
        raise InputError(f"{directory.path} is no run directory (no config.json); give the --workdir of a training run")
    stored: dict[str, Any] = files.read_json(directory.config)
    if not isinstance(stored, dict) or stored.get("format") != FORMAT:
        found = stored.get("format") if isinstance(stored, dict) else None
        raise InputError(
            f"{directory.config} has format {found}, this version reads {FORMAT}; "
            "use the kerasseg that wrote it, or train again in another --workdir"
        )
    try:
        settings, resolved = stored["config"], stored["resolved"]
        height, width = resolved["eval_size"]
        class_names, output_stride = tuple(resolved["class_names"]), resolved["output_stride"]
        kinds = [type(resolved["class_names"]), *map(type, (height, width, output_stride)), *map(type, class_names)]
        if kinds != [list, int, int, int, *[str] * len(class_names)]:
            raise ValueError(f"resolved: {resolved}")
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{directory.config} is not as kerasseg train wrote it ({error!r}); restore it, or train again in another --workdir"
        ) from error
    return Run(
        directory,
        config_lib.from_json(settings, source=str(directory.config)),
        class_names=class_names,
        eval_size=(height, width),
        output_stride=output_stride,
        data=stored.get("data"),
        made_with=stored.get("made_with"),
        teacher=stored.get("teacher"),
    )
