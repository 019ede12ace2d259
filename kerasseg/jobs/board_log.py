"""A board's log beside what LiteRT computes: whether the class map on the device is that of this machine."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kerasseg import files
from kerasseg.errors import InputError
from kerasseg.jobs import exported
from kerasseg.lite.flatbuffer import Graph
from kerasseg.lite.inspection import Reference
from kerasseg.mcu import class_log, class_map, vectors
from kerasseg.reports import coloring
from kerasseg.run import sidecar
from kerasseg.score import metrics

JSON, PICTURE = "log.json", "log.png"
LEAST_SIDE = 256  # of a panel of the picture, in pixels


def read_log(
    log_file: str | Path,
    *,
    tflite: str | Path,
    output_dir: str | Path,
    min_iou: float = 1.0,
    log: Callable[[str], None] = lambda line: None,
) -> dict:  # fmt: skip
    """Holds the class map in a log of main.cc against LiteRT's reference kernels on the same input.

    Args:
        log_file: What a board or an emulator printed, main.cc compiled with -DKERASSEG_PRINT_CLASS_MAP.
        tflite: The file that was exported.
        output_dir: Of the export; gets log.json and log.png, which the next export removes.
        min_iou: Smallest accepted mean IoU, 0..1.
        log: Gets a line.

    Returns:
        What log.json holds; `failures` says what does not hold, a sentence each.

    Raises:
        InputError: there is no export, or of another file; the log has no class map, a cut or damaged one, or another export's.
    """
    path, folder, source = Path(tflite), Path(output_dir), Path(log_file)
    if not 0 <= min_iou <= 1:
        raise InputError(f"--min_iou={min_iou:g} is out of range; give 0 to 1")
    if not source.is_file():
        raise InputError(f"no file {source}; check --log")
    if not path.is_file():
        raise InputError(f"no file {path}; check --tflite")
    vector = _vector(folder, path)
    heard = class_log.read(source.read_bytes(), file=source.name)
    if heard.vector != vector.sha256:
        raise InputError(
            f"{source.name} is the log of another export (model {heard.model[:12]}, test vector {heard.vector[:12]}; {folder} "
            f"has {files.sha256(path)[:12]}, {vector.sha256[:12]}): build what lies there, or give the folder that was built"
        )
    expected, here, classes = _class_maps(path, vector)
    if (heard.ids.shape, heard.num_classes) != (expected.shape, classes):
        raise InputError(
            f"{source.name} is damaged: a class map of {heard.ids.shape} with {heard.num_classes} classes, where {path.name} "
            f"gives {expected.shape} with {classes}; run it again and keep the whole log"
        )
    story = sidecar.hold_against(path, None)
    known = story is not None and len(story.class_names) == classes
    names = story.class_names if story and known else tuple(f"class {i}" for i in range(classes))
    report = _report(heard, expected, here, names, min_iou)
    report |= {"log": source.name, "file": path.name, "is_that_file": heard.model == files.sha256(path)}
    exported.add(folder, {JSON: (json.dumps(report, indent=2) + "\n").encode(), PICTURE: _picture(heard.ids, expected, names)})
    log(f"wrote {JSON} and {PICTURE} to {folder}")
    return report


def _vector(folder: Path, path: Path) -> vectors.Written:
    """The test vector of the export in a folder."""
    stored = files.read_json(folder / exported.REPORT) if (folder / exported.REPORT).is_file() else {}
    listed = stored.get("files", {}) if isinstance(stored, dict) and "tflite_micro" in stored else {}
    named = [name for name in listed if name.endswith("_test_vector.cc") and "/" not in name]
    if len(named) != 1:
        raise InputError(f"{folder} holds no export of kerasseg micro; give the folder of the export as --output_dir")
    if stored["sha256"] != files.sha256(path):
        raise InputError(
            f"{folder} is the export of another file than {path}; give --tflite={stored['file']} as it was exported"
        )
    source = folder / named[0]
    if not source.is_file() or files.sha256(source) != listed[named[0]]:
        raise InputError(
            f"{source} is gone or has been changed since it was exported; export it again, and run that on the board"
        )
    return vectors.read(source.read_text(encoding="utf-8"))


def _class_maps(path: Path, vector: vectors.Written) -> tuple[np.ndarray, np.ndarray, int]:
    """Class ids (H, W) of LiteRT's reference kernels for the test vector's input, of the output that is in it, and classes."""
    content = path.read_bytes()
    graph = Graph(content, source=path)
    logits = class_map.logits_of(graph)
    if logits is None or len(vector.inputs) != 1:
        raise InputError(f"{path} tells no class a pixel: its log has no class map to compare")
    reference = Reference(content)
    given, ours = (
        np.frombuffer(values, one.dtype).reshape(one.shape)
        for values, one in ((vector.inputs[0], reference.inputs[0]), (vector.outputs[0], reference.outputs[0]))
    )
    theirs = reference.run([given])[0]
    maps = [class_map.class_ids(one, stride=logits.stride) for one in (theirs, ours)]
    return maps[0], maps[1], logits.classes


def _report(
    heard: class_log.ClassLog, expected: np.ndarray, here: np.ndarray, names: tuple[str, ...], min_iou: float
) -> dict[str, Any]:  # fmt: skip
    iou = metrics.class_iou(metrics.confusion_matrix(expected, heard.ids, num_classes=len(names)))
    miou, equal = float(np.nanmean(iou)), int((heard.ids == expected).sum())
    failures = [f"mean IoU with LiteRT is {miou:.6f}; --min_iou is {min_iou:g}"] if miou < min_iou else []
    return {
        "pixels": int(expected.size),
        "equal": equal,
        "miou": miou,
        "min_iou": min_iou,
        "iou": {name: None if np.isnan(one) else float(one) for name, one in zip(names, iou, strict=True)},
        "equal_to_tflite_micro": int((heard.ids == here).sum()),
        "model": heard.model,
        "vector": heard.vector,
        "microseconds": heard.microseconds,
        "arena_bytes": heard.arena_bytes,
        "verdict": heard.verdict,
        "failures": failures,
    }


def _picture(ids: np.ndarray, expected: np.ndarray, names: tuple[str, ...]) -> bytes:
    """A PNG: what LiteRT sees, what the board saw, and in red where they differ."""
    panels = [coloring.colorize(expected, names), coloring.colorize(ids, names), coloring.errors(expected, ids)]
    gap = np.full((ids.shape[0], 2, 3), 255, np.uint8)
    pixels = np.concatenate([panels[0], gap, panels[1], gap, panels[2]], 1)
    times = max(1, -(-LEAST_SIDE // min(ids.shape)))
    stored = io.BytesIO()
    Image.fromarray(pixels.repeat(times, 0).repeat(times, 1)).save(stored, "PNG")
    return stored.getvalue()
