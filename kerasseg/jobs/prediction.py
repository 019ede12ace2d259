"""Pictures in, overlays and index maps out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from kerasseg import files
from kerasseg.data.letterbox import segment
from kerasseg.data.pairing import named
from kerasseg.data.pictures import read_image
from kerasseg.errors import InputError
from kerasseg.lite import interpreter, isolation
from kerasseg.reports import coloring, plots
from kerasseg.run import sidecar, trained
from kerasseg.run.directory import open_run


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


def load_predictor(
    *, workdir: str | Path = "", tflite: str | Path = "", log: Callable[[str], None] = lambda line: None
) -> Predictor:
    """A run's Keras model, or a .tflite file.

    Args:
        workdir: The run directory; with `tflite` it gives the class names, and the file must come from it.
        tflite: The file; by itself its JSON gives the class names.

        log: Gets a line where nobody knows what the file came from.

    Raises:
        InputError: neither is given, one cannot be read, or they do not belong together.
    """
    if not workdir and not tflite:
        raise InputError("give --workdir of a run, --tflite=FILE, or both")
    run = open_run(workdir) if workdir else None
    if not tflite:
        assert run is not None
        return Predictor(trained.predictor(trained.load_trained(run)), run.eval_size, run.class_names)
    path = Path(tflite)
    found = sidecar.hold_against(path, run)
    if found is None:
        log(sidecar.unknown_origin(path))
        isolation.try_out(path)
    model = interpreter.LoadedModel(path)
    if run is not None:
        names, source = run.class_names, str(workdir)
    else:
        names = found.class_names if found else tuple(f"class {i}" for i in range(model.num_classes))
        source = str(sidecar.path_of(path))
    if len(names) != model.num_classes:
        raise InputError(f"{tflite} has {model.num_classes} classes, {source} has {len(names)}; they must match")
    return Predictor(interpreter.predictor(model), model.size, names)


def predict(paths: Sequence[str | Path], predictor: Predictor, *, output_dir: str | Path) -> list[Path]:
    """Segments pictures of any size, at their own resolution.

    Args:
        paths: 8-bit pictures.
        predictor: From `load_predictor`.
        output_dir: Gets STEM_overlay.png and STEM_index.png a picture, and legend.png.

    Returns:
        The files written.

    Raises:
        InputError: a picture that cannot be read, or two of one name.
    """
    folder, names = Path(output_dir), predictor.class_names
    stems = [Path(path).stem for path in paths]
    for stem in stems:
        if stems.count(stem) > 1:
            raise InputError(f"{stems.count(stem)} pictures are called {stem}, and their outputs would be too; give them apart")
    images, refused = [], []
    for path in paths:  # all of them first: a bad one leaves nothing half-written
        try:
            images.append(read_image(Path(path)))
        except InputError as error:
            refused.append((str(path), str(error)))
    if len(refused) > 1:
        raise InputError(
            f"{len(refused)} pictures cannot be read: {named([p for p, _ in refused])}; the first: {refused[0][1]}"
        )
    if refused:
        raise InputError(refused[0][1])
    written = []
    for stem, image in zip(stems, images, strict=True):
        ids = segment(predictor.predict, image, size=predictor.size)
        for kind, pixels in (("overlay", coloring.overlay(image, ids, names)), ("index", ids)):
            written.append(folder / f"{stem}_{kind}.png")
            with files.replacing(written[-1]) as temporary:
                Image.fromarray(pixels).save(temporary, format="PNG")
    plots.save_legend(names, path=folder / "legend.png")
    return [*written, folder / "legend.png"]
