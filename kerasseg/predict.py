"""python -m kerasseg.predict: pictures in, overlays and index maps out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasseg import cli
from kerasseg.config import setting
from kerasseg.errors import InputError


@dataclass(frozen=True)
class PredictOptions:
    """Writes a colour overlay and an index PNG for every IMAGE, and legend.png with the class names."""

    workdir: str = setting("", "run directory of kerasseg.train")
    tflite: str = setting("", ".tflite file to use instead of the run's Keras weights")
    output_dir: str = setting("", "where the pictures go")
    arguments: tuple[str, ...] = ()


def predict(
    paths: list[Path],
    *,
    predictor: Callable[[np.ndarray], np.ndarray],
    size: tuple[int, int],
    class_names: tuple[str, ...],
    output_dir: Path,
) -> list[Path]:
    """Segments pictures of any size, at their own resolution.

    Args:
        paths: 8-bit pictures.
        predictor: images (1, *size, 3) uint8 -> class ids (1, *size).
        size: (height, width) that `predictor` takes.
        class_names: One a class.
        output_dir: Gets STEM_overlay.png and STEM_index.png a picture, and legend.png.

    Returns:
        The files written.

    Raises:
        InputError: a picture that cannot be read, or two of one name.
    """
    from PIL import Image

    from kerasseg import files, plots
    from kerasseg.data.letterbox import segment
    from kerasseg.data.pictures import read_image

    stems = [path.stem for path in paths]
    for stem in stems:
        if stems.count(stem) > 1:
            raise InputError(f"{stems.count(stem)} pictures are called {stem}, and their outputs would be too; give them apart")
    images = [read_image(path) for path in paths]  # all of them first: a bad one leaves nothing half-written
    written = []
    for stem, image in zip(stems, images, strict=True):
        ids = segment(predictor, image, size=size)
        for kind, pixels in (("overlay", plots.overlay(image, ids, class_names)), ("index", ids)):
            written.append(output_dir / f"{stem}_{kind}.png")
            with files.replacing(written[-1]) as temporary:
                Image.fromarray(pixels).save(temporary, format="PNG")
    plots.save_legend(class_names, path=output_dir / "legend.png")
    return [*written, output_dir / "legend.png"]


def main(options: PredictOptions) -> None:
    if not options.arguments or not options.output_dir:
        raise InputError(
            "IMAGE or --output_dir is missing; write python -m kerasseg.predict --workdir=RUN IMAGE... --output_dir=DIR"
        )
    if not options.workdir and not options.tflite:
        raise InputError("give --workdir of a run, --tflite=FILE, or both")
    from kerasseg import rundir

    names = None
    if options.workdir:
        directory = rundir.RunDir(Path(options.workdir))
        run = rundir.read(directory)
        names = run.class_names
    if options.tflite:
        from kerasseg.lite import interpreter

        model = interpreter.LoadedModel(Path(options.tflite))
        size, predictor = model.size, interpreter.predictor(model)
        names = names or interpreter.class_names(Path(options.tflite), model)
        if len(names) != model.num_classes:
            raise InputError(
                f"{options.tflite} has {model.num_classes} classes, {options.workdir} has {len(names)}; they must match"
            )
    else:
        from kerasseg.models import trained

        size, predictor = run.eval_size, trained.predictor(trained.load_trained(directory, run))
    paths = [Path(argument) for argument in options.arguments]
    print(f"segmenting {len(paths)} pictures at {size[0]}x{size[1]}", flush=True)
    for path in predict(paths, predictor=predictor, size=size, class_names=names, output_dir=Path(options.output_dir)):
        print(path)


if __name__ == "__main__":
    cli.run(main, PredictOptions, positional="IMAGE...")
