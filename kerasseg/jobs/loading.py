"""A run's model or a .tflite file of anyone, ready to segment pictures; what such a file takes and gives is said."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasseg.errors import InputError
from kerasseg.lite import input_range, interpreter, isolation
from kerasseg.lite.class_output import Logits
from kerasseg.lite.flatbuffer import Graph
from kerasseg.lite.input_range import RANGES, Understood
from kerasseg.lite.interpreter import LoadedModel, Segmenting
from kerasseg.lite.picture_input import open_batch
from kerasseg.run import sidecar, trained
from kerasseg.run.directory import Run, open_run
from kerasseg.run.sidecar import Sidecar

Log = Callable[[str], None]

# Share of a picture's pixels whose class another range changes, from which it is said: below the 3 to 23 % that pictures in a
# wrong range cost int8 files.
GROSS = 0.01


@dataclass(frozen=True)
class Predictor:
    """What segments pictures.

    Attributes:
        predict: images (1, *size, 3) uint8 -> class ids (1, *size).
        size: (height, width) that `predict` takes.
        class_names: One a class.
    """

    predict: Callable[[np.ndarray], np.ndarray]
    size: tuple[int, int]
    class_names: tuple[str, ...]


@dataclass(frozen=True)
class LoadedFile:
    """A .tflite file and what is known of it.

    Attributes:
        model: Runs it.
        class_names: One a class.
        story: What the JSON beside it says; None where there is none.
        understood: What it takes for 0..255.
    """

    model: LoadedModel
    class_names: tuple[str, ...]
    story: Sidecar | None
    understood: Understood


def load_predictor(
    *, workdir: str | Path = "", tflite: str | Path = "", input_range: str = "", log: Log = lambda line: None
) -> Predictor:
    """A run's Keras model, or a .tflite file.

    Args:
        workdir: The run directory; with `tflite` it gives the class names, and the file must come from it.
        tflite: The file; by itself its JSON gives the class names.
        input_range: What the file takes for 0..255, a key of `lite.input_range.RANGES`; empty asks the file.
        log: Gets a line where nobody knows what the file came from, and what was understood of it.

    Raises:
        InputError: neither is given, one cannot be read, or they do not belong together.
    """
    if not workdir and not tflite:
        raise InputError("give --workdir of a run, --tflite=FILE, or both")
    if input_range and not tflite:
        raise InputError(f"--input_range={input_range} is for a --tflite file; the run's own model takes 0..255")
    run = open_run(workdir) if workdir else None
    if not tflite:
        assert run is not None
        return Predictor(trained.predictor(trained.load_trained(run)), run.eval_size, run.class_names)
    found = load_file(Path(tflite), run, asked=input_range, log=log)
    return Predictor(_predict(found, tflite, log), found.model.size, found.class_names)


def load_file(path: Path, run: Run | None, *, asked: str = "", log: Log) -> LoadedFile:
    """A .tflite file, its class names, and what is known of it.

    Args:
        path: The file.
        run: That it came from; without one its JSON gives the class names.
        asked: What it takes for 0..255, as `load_predictor` is told.
        log: Gets a line where nobody knows what the file came from, and what was understood of it.

    Raises:
        InputError: it cannot be read, is no segmentation model, is not of that run, or does not take what is asked.
    """
    story = hold_against(path, run, log=log)
    understood = input_range.understand(path.read_bytes(), file=path, asked=asked, ours=story is not None)
    model = LoadedModel(path, taken=understood.taken)
    if story is None:
        log(understood.line(path))
        if not isinstance(model.classes, Logits):
            log(f"{path} gives {model.classes.about}")
    if run is not None:
        names, source = run.class_names, str(run.directory.path)
    else:
        names = story.class_names if story else tuple(f"class {i}" for i in range(model.num_classes))
        source = str(sidecar.path_of(path))
    if len(names) != model.num_classes:
        raise InputError(f"{path} has {model.num_classes} classes, {source} has {len(names)}; they must match")
    return LoadedFile(model, names, story, understood)


def hold_against(path: Path, run: Run | None, *, log: Log) -> Sidecar | None:
    """`run.sidecar.hold_against`; a file that nobody speaks for is tried out where it can do no harm.

    Raises:
        InputError: as there, or the file is damaged, or takes no picture.
    """
    story = sidecar.hold_against(path, run)
    if story is None:
        log(sidecar.unknown_origin(path))
        isolation.try_out(path)
        opened = open_batch(Graph(path.read_bytes()), file=path)
        if opened:
            log(opened)
    return story


def doubt(model: Segmenting, image: np.ndarray, understood: Understood) -> str:
    """What is to be said where nothing tells what a file takes: whether another range gives grossly other classes; or empty.

    Args:
        model: The file; it takes the same range afterwards.
        image: (1, H, W, 3) uint8, of its size.
        understood: What it is taken to take.
    """
    if understood.sure:
        return ""
    picture, found = model.picture, {}
    for one in RANGES.values():
        model.picture = dataclasses.replace(picture, taken=one)
        found[one.name] = interpreter.predictor(model)(image)
    model.picture = picture
    ids = found.pop(understood.taken.name)
    apart = {name: float(np.mean(other != ids)) for name, other in found.items()}
    other = max(apart, key=lambda name: apart[name])
    if apart[other] < GROSS:
        return ""
    return (
        f"nothing says what the file takes: {understood.taken.name} was assumed, and {other} would give "
        f"{100 * apart[other]:.0f} % of the first picture's pixels another class; give --input_range"
    )


def _predict(found: LoadedFile, file: object, log: Log) -> Callable[[np.ndarray], np.ndarray]:
    """What segments pictures, and speaks its doubt at the first."""
    predict = interpreter.predictor(found.model)
    if found.understood.sure:
        return predict
    waiting = [True]

    def run(images: np.ndarray) -> np.ndarray:
        ids = predict(images)
        if waiting:
            waiting.clear()
            doubtful = doubt(found.model, images, found.understood)
            if doubtful:
                log(f"WARNING: {file}: {doubtful}")
        return ids

    return run
