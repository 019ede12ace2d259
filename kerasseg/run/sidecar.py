"""The JSON beside a .tflite file: what the file came from. Written by `convert`, and read by whatever takes the file."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kerasseg import files
from kerasseg.errors import InputError
from kerasseg.run.directory import Run


@dataclass(frozen=True)
class Sidecar:
    """What is known of a file.

    Attributes:
        file: Its name.
        sha256: Its hash.
        bytes: Its length.
        recipe: How it was made, a key of `lite.recipes.RECIPES`.
        model: A name of `kerasseg.list_models()`.
        input: Shape, type, scale and zero point.
        output: Likewise.
        pixel_agreement: Share 0..1 of the pixels of some training pictures that Keras sees alike, and how many pictures.
        class_names: One a class, in the order of their ids.
        weights_sha256: Hash of the run's best weights that it was made from.
        calibration: The pictures, and `int8.QuantizationSettings`; None where nothing was calibrated.
        float_layers: Names of the layers of an int8 file that were left in float32.
        twin_agreement: As pixel_agreement, 0..1, with the fake-quantized model; None without training.
        lint: What the linter found.
        config: Settings of the run, without this machine's folders.
        versions: Of packages.
        cpu: The processor.
        commit: Of kerasseg's source, where it ran from one.
    """

    file: str
    sha256: str
    bytes: int
    recipe: str
    model: str
    input: list
    output: list
    pixel_agreement: dict[str, Any]
    class_names: tuple[str, ...]
    weights_sha256: str
    calibration: dict[str, Any] | None = None
    float_layers: tuple[str, ...] = ()
    twin_agreement: float | None = None
    lint: list[dict[str, Any]] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, Any] = field(default_factory=dict)
    cpu: str = ""
    commit: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return dataclasses.asdict(self)


def path_of(tflite: Path) -> Path:
    """Where the JSON beside a .tflite file lies."""
    return tflite.with_name(tflite.name + ".json")


def write(tflite: Path, sidecar: Sidecar) -> None:
    """Writes the JSON beside a .tflite file."""
    files.write_json(path_of(tflite), sidecar.to_json())


def read(tflite: Path) -> Sidecar | None:
    """What lies beside a .tflite file; None where nothing does.

    Raises:
        InputError: the JSON is none that `write` wrote.
    """
    path = path_of(tflite)
    if not path.is_file():
        return None
    stored = files.read_json(path)
    known = {one.name: one for one in dataclasses.fields(Sidecar)}
    needed = {name for name, one in known.items() if one.default is one.default_factory is dataclasses.MISSING}
    if not isinstance(stored, dict) or not needed <= stored.keys():
        raise InputError(f"{path} does not say where {tflite.name} came from; convert the file again, or remove that JSON")
    values = {name: stored[name] for name in known if name in stored}
    values |= {name: tuple(values[name]) for name in ("class_names", "float_layers") if name in values}
    return Sidecar(**values)


def unknown_origin(tflite: Path) -> str:
    """A line for people about a file without a JSON beside it."""
    return f"{tflite} is of unknown origin: no JSON beside it says what it was made from"


def hold_against(tflite: Path, run: Run | None) -> Sidecar | None:
    """What lies beside a file that is said to come from a run, or from anywhere (None); None where nothing does.

    Raises:
        InputError: there is no such file, it is not the one that its JSON speaks of, or it was made from other weights than the
            run's best, or the run has none.
    """
    if not tflite.is_file():
        raise InputError(f"no file {tflite}; check the path")
    found = read(tflite)
    if found is None:
        return None
    if found.sha256 != files.sha256(tflite):
        raise InputError(
            f"{tflite} is not the file that {path_of(tflite).name} speaks of; convert it again, or remove that JSON"
        )
    if run is None:
        return found
    if found.weights_sha256 != files.sha256(run.directory.learned()):
        raise InputError(
            f"{tflite} was made from other weights than the best of {run.directory.path}; "
            "convert it again, or give the --workdir it came from"
        )
    if found.class_names != run.class_names:
        raise InputError(
            f"{path_of(tflite).name} names the classes {', '.join(found.class_names)}, {run.directory.path} has "
            f"{', '.join(run.class_names)}; convert {tflite} again"
        )
    return found
