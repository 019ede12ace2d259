"""The folder of a page that runs a .tflite file: the file as LiteRT.js takes it, what the page has to know, and its scripts."""

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from kerasseg import files
from kerasseg.browser import runtime
from kerasseg.data.labels import palette
from kerasseg.errors import InputError
from kerasseg.lite import retyping
from kerasseg.lite.class_output import Logits
from kerasseg.lite.input_range import PIXELS, Range
from kerasseg.lite.interpreter import LoadedModel
from kerasseg.lite.tensors import quantize

ABOUT = "model.json"


def build(
    content: bytes,
    *,
    name: str,
    recipe: str,
    class_names: tuple[str, ...],
    examples: Mapping[str, bytes],
    vendored: bool,
    taken: Range = PIXELS,
) -> dict[str, bytes]:
    """Every file of the page, path -> content.

    Args:
        content: Of the .tflite file.
        name: What the page calls it.
        recipe: How it was made, for people.
        class_names: One a class.
        examples: File name -> content of pictures to try.
        vendored: Whether LiteRT.js lies in the folder, too; otherwise it comes from a public CDN.
        taken: What the network takes for 0..255.

    Raises:
        InputError: the file is no segmentation model, is one that the page's scripts do not read, or LiteRT.js cannot be had.
    """
    model = LoadedModel(content, taken=taken)
    _refuse_what_scripts_cannot_read(model)
    shown = retyping.with_uint8(content)
    about: dict[str, Any] = {
        "name": name,
        "recipe": recipe,
        "bytes": len(content),
        "size": list(model.size),
        "channels": model.picture.channels,
        "logits": list(model.output.shape[1:]),
        "class_names": list(class_names),
        "colors": [list(color) for color in palette(class_names)],
        "examples": list(examples),
        "wasm": runtime.wasm(vendored=vendored),
        **_input(LoadedModel(shown, taken=taken)),
        "offset": -128 if model.output.dtype == np.int8 else 0,
    }
    scripts = resources.files("kerasseg.browser") / "files"
    page = (scripts / "index.html").read_text(encoding="utf-8")
    modules = json.dumps(runtime.import_map(vendored=vendored))
    found = {
        "index.html": page.replace("IMPORT_MAP", modules).encode(),
        "model.tflite": shown,
        ABOUT: json.dumps(about, indent=1).encode(),
    }
    found |= {script: (scripts / script).read_bytes() for script in ("app.js", "segment.js")}
    found |= {f"examples/{file}": picture for file, picture in examples.items()}
    return found | (runtime.contents() if vendored else {})


def is_page(folder: Path) -> bool:
    """Whether a folder holds a page that was built here."""
    try:
        about = files.read_json(folder / ABOUT)
    except InputError:
        return False
    return isinstance(about, dict) and {"lookup", "logits", "wasm"} <= about.keys()


def _refuse_what_scripts_cannot_read(model: LoadedModel) -> None:
    picture, classes = model.picture, model.classes
    if picture.channels_first or len(picture.taken.mean) != 1 or picture.tensor.dtype == np.int16:
        raise InputError(
            f"the page gives a network (1, height, width, 3 or 1), each channel alike; this one takes {picture.tensor.shape} "
            f"{picture.tensor.dtype} as {picture.taken.name}; kerasseg predict runs it"
        )
    if not isinstance(classes, Logits) or classes.channels_first:
        raise InputError(f"the page reads logits, (1, height, width, classes); this file gives {classes.about}, "
            f"{classes.tensor.shape}; kerasseg predict runs it"
        )  # fmt: skip


def _input(model: LoadedModel) -> dict[str, Any]:
    """Whether the file takes floats, and what it takes for each value 0..255 of a picture."""
    given = model.input
    values = model.picture.taken.values(np.arange(256, dtype=np.float32))
    taken = quantize(values, scale=given.scale, zero_point=given.zero_point, dtype=given.dtype)
    return {"float": given.dtype == np.float32, "lookup": taken.tolist()}
