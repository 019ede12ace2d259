"""The folder of a page that runs a .tflite file: the file as LiteRT.js takes it, what the page has to know, and its scripts."""

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

import numpy as np

from kerasseg.browser import runtime
from kerasseg.data.labels import palette
from kerasseg.lite import interpreter, retyping
from kerasseg.lite.interpreter import LoadedModel


def build(
    content: bytes,
    *,
    name: str,
    recipe: str,
    class_names: tuple[str, ...],
    examples: Mapping[str, bytes],
    vendored: bool,
) -> dict[str, bytes]:
    """Every file of the page, path -> content.

    Args:
        content: Of the .tflite file.
        name: What the page calls it.
        recipe: How it was made, for people.
        class_names: One a class.
        examples: File name -> content of pictures to try.
        vendored: Whether LiteRT.js lies in the folder, too; otherwise it comes from a public CDN.

    Raises:
        InputError: the file is no segmentation model, or LiteRT.js cannot be had.
    """
    model = LoadedModel(content)
    shown = retyping.with_uint8(content)
    about: dict[str, Any] = {
        "name": name,
        "recipe": recipe,
        "bytes": len(content),
        "size": list(model.size),
        "logits": list(model.output.shape[1:]),
        "class_names": list(class_names),
        "colors": [list(color) for color in palette(class_names)],
        "examples": list(examples),
        "wasm": runtime.wasm(vendored=vendored),
        **_input(LoadedModel(shown)),
        "offset": -128 if model.output.dtype == np.int8 else 0,
    }
    scripts = resources.files("kerasseg.browser") / "files"
    page = (scripts / "index.html").read_text(encoding="utf-8")
    modules = json.dumps(runtime.import_map(vendored=vendored))
    found = {
        "index.html": page.replace("IMPORT_MAP", modules).encode(),
        "model.tflite": shown,
        "model.json": json.dumps(about, indent=1).encode(),
    }
    found |= {script: (scripts / script).read_bytes() for script in ("app.js", "segment.js")}
    found |= {f"examples/{file}": picture for file, picture in examples.items()}
    return found | (runtime.contents() if vendored else {})


def _input(model: LoadedModel) -> dict[str, Any]:
    """Whether the file takes floats, and what it takes for each value 0..255 of a picture."""
    given = model.input
    values = np.arange(256, dtype=np.float32)
    taken = interpreter.quantize(values, scale=given.scale, zero_point=given.zero_point, dtype=given.dtype)
    return {"float": given.dtype == np.float32, "lookup": taken.tolist()}
