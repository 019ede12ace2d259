"""A .tflite file as a page that runs it, for whoever has a browser and no Python."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from kerasseg import files
from kerasseg.browser import site
from kerasseg.data import pairing
from kerasseg.data.pictures import read_image
from kerasseg.errors import InputError
from kerasseg.jobs.loading import load_file
from kerasseg.jobs.settings import WebSettings
from kerasseg.run import origin
from kerasseg.run.directory import open_run


def publish(
    tflite: str | Path,
    *,
    output_dir: str | Path,
    workdir: str | Path = "",
    settings: WebSettings | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> Path:
    """Writes a static folder whose index.html runs the file in the browser, with LiteRT.js.

    The page fits pictures and reads logits as `predict` does, to the bit (very tall ones to a step); int8 files get uint8 ends,
    which LiteRT.js needs and which carry the same numbers.

    Args:
        tflite: A segmentation model, of any recipe.
        output_dir: Gets the folder; files of another such page there are written over.
        workdir: The run that the file came from; gives class names and examples.
        settings: What is put on it; None for the defaults.
        log: Gets a line a stage.

    Returns:
        Path of index.html.

    Raises:
        InputError: no such file, one that is no segmentation model or not of that run, files in the way that are of no such
            page, or LiteRT.js cannot be had.
    """
    settings, path, folder = settings or WebSettings(), Path(tflite), Path(output_dir)
    run = open_run(workdir) if workdir else None
    loaded = load_file(path, run, asked=settings.input_range, log=log)
    names, story = loaded.class_names, loaded.story
    examples = [(name, read_image(Path(name))) for name in settings.pictures]
    if run is not None and not examples:
        dataset, _ = origin.load_data(run, splits=["val"], data_dir=settings.data_dir, log=log)
        split = dataset.split("val")
        examples = [(example.name, example.image) for example in split.examples(split.evenly(settings.examples))]
    log("taking LiteRT.js from npm or the cache" if settings.runtime == "vendor" else "LiteRT.js comes from a CDN")
    found = site.build(
        path.read_bytes(),
        name=settings.name or (f"{story.model}, {story.recipe}" if story else path.stem),
        recipe=story.recipe if story else "a file of unknown origin",
        class_names=names,
        examples=_pictures(examples),
        vendored=settings.runtime == "vendor",
        taken=loaded.understood.taken,
    )
    _refuse_to_replace(folder, list(found))
    for name, content in found.items():
        files.write_bytes(folder / name, content)
    log(f"wrote {len(found)} files, {sum(map(len, found.values())) / 2**20:.0f} MiB, to {folder}")
    return folder / "index.html"


def _refuse_to_replace(folder: Path, names: Sequence[str]) -> None:
    """Raises InputError where files of the page would take the place of somebody's own."""
    there = [name for name in names if (folder / name).exists()]
    if there and not site.is_page(folder):
        raise InputError(
            f"{pairing.named(there)} in {folder} would be written over, and kerasseg web did not write it; move it, or give "
            "another --output_dir"
        )


def _pictures(examples: Sequence[tuple[str, np.ndarray]]) -> dict[str, bytes]:
    """File name -> PNG; pictures of several folders may be called the same, and are numbered then."""
    stems = [Path(name).stem for name, _ in examples]
    if len(set(stems)) < len(stems):
        stems = [f"{number}_{stem}" for number, stem in enumerate(stems)]
    return {f"{stem}.png": _png(image) for stem, (_, image) in zip(stems, examples, strict=True)}


def _png(image: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG")
    return content.getvalue()
