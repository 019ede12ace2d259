"""An int8 file on its way to a microcontroller: what it is run on, and the folder that is written."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from kerasseg import files
from kerasseg.data.letterbox import letterbox
from kerasseg.data.pairing import is_picture
from kerasseg.data.pictures import read_image
from kerasseg.errors import InputError
from kerasseg.jobs import exported
from kerasseg.jobs.settings import ExportSettings
from kerasseg.lite import isolation
from kerasseg.lite.flatbuffer import Graph
from kerasseg.lite.input_range import UNKNOWN, Understood, understand
from kerasseg.lite.picture_input import open_batch, picture_input
from kerasseg.mcu import boards, ethos, firmware, measurement, names, operators, plan, runtime
from kerasseg.mcu.measurement import Inputs
from kerasseg.reports import pages, plots
from kerasseg.run import origin, sidecar
from kerasseg.run.directory import open_run, refuse_as_output
from kerasseg.run.provenance import provenance

PICTURES = 20  # compared where no number is asked and there are as many


def export(
    tflite: str | Path,
    *,
    output_dir: str | Path,
    workdir: str | Path = "",
    images: str | Path = "",
    settings: ExportSettings | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> dict:  # fmt: skip
    """Measures a file in TFLite Micro and writes C++ sources, a test vector, report.json and report.html.

    Args:
        tflite: Any int8 .tflite file.
        output_dir: Gets everything; nothing is written before everything was measured.
        workdir: Run directory whose data set gives the pictures it is run on.
        images: Or a folder of pictures. With neither, random numbers.
        settings: Limits and names; None for the defaults.
        log: Gets a line a stage.

    Returns:
        What report.json holds; `failures` says what does not hold, a sentence each.

    Raises:
        InputError: no such file, one that is damaged, not what its JSON says, not of the run's weights, or that TFLite Micro
            would refuse; an unknown board, too few pictures, or a folder with files in the way that `export` did not write
            or that somebody has changed since.
    """
    settings = settings or ExportSettings()
    path, folder = Path(tflite), Path(output_dir)
    if not path.is_file():
        raise InputError(f"no file {path}; check --tflite")
    refuse_as_output(folder)
    exported.refuse_foreign(folder)
    request = firmware.Request(
        name=settings.name or names.of_folder(folder), input_format=settings.input_format, frame=settings.frame,
        tolerance_lsb=max(0, settings.tolerance_lsb), projects=settings.project,
    )  # fmt: skip
    names.check_name(request.name)
    if settings.board:
        boards.fit(settings.board, flash_bytes=0, arena_bytes=0)  # refuses an unknown one before anything takes time
    for accelerator in settings.accelerator:
        ethos.check(accelerator)
    run = open_run(workdir) if workdir else None
    story = sidecar.hold_against(path, run)
    known = story or run
    if known:
        request = dataclasses.replace(request, class_names=known.class_names)

    def measure() -> tuple[measurement.Measurement, dict[str, str | bytes], str]:
        content = path.read_bytes()
        graph = Graph(content, source=path)
        operators.check(graph, file=path.name)
        runtime.check_shapes(content, file=path.name)
        asked = _in_range(request, _understand(path, settings, shown=bool(workdir or images)))
        firmware.frame_of(graph, asked, file=path.name)  # refuses one that does not fit before anything takes time
        made, unplanned = _plan(content, settings, log)
        found, sources = measurement.measure(
            content, _inputs(graph, path, workdir, images, settings), file=path.name, request=asked,
            plan=made, margin_percent=settings.arena_margin, tolerance_lsb=settings.tolerance_lsb,
            accelerators=settings.accelerator, log=log,
        )  # fmt: skip
        return found, sources, unplanned

    if story is None:
        log(sidecar.unknown_origin(path))
    found, sources, unplanned = measure() if story else isolation.isolated(measure, file=path)
    if settings.memory_plan and unplanned:
        log(f"no memory plan for {path.name}: {unplanned}; the sources are of the file as it is")
    limits = {name: getattr(settings, name) for name in ("arena_budget_kib", "flash_budget_kib", "board")}
    opened = open_batch(Graph(path.read_bytes()), file=path.name)
    if opened:
        log(opened)
    understood = _understand(path, settings, shown=bool(workdir or images))
    if understood.taken is not UNKNOWN:
        log(understood.line(path.name))
    report = found.to_json() | provenance() | {"input": understood.to_json(), "failures": measurement.failures(found, **limits)}
    report["no_memory_plan"] = unplanned
    report["files"] = exported.hashes(sources)
    _write(folder, sources, report, log)
    if request.input_format or request.frame != (0, 0):
        log(f"{request.name}_input.h reads {_told(_in_range(request, understood), path)}")
    log(f"wrote {len(sources)} source files in namespace {request.name}, report.json, report.html and memory.svg to {folder}")
    return report


def _plan(content: bytes, settings: ExportSettings, log: Callable[[str], None]) -> tuple[plan.Plan | None, str]:
    """A memory plan, where one is asked for, or why there is none."""
    if not settings.memory_plan:
        return None, "not asked for"
    try:
        found = plan.search(content, extra_macs_percent=settings.plan_extra_macs, log=log)
    except plan.CannotPlan as error:
        return None, str(error)
    return found, "" if found else "none that was found is smaller"


def _in_range(request: firmware.Request, understood: Understood) -> firmware.Request:
    """With what input.h is to make of a camera's 0..255."""
    return request if understood.taken is UNKNOWN else dataclasses.replace(request, taken=understood.taken.values)


def _told(request: firmware.Request, path: Path) -> str:
    """A frame in words, for whoever has exchanged height and width."""
    frame = firmware.frame_of(Graph(path.read_bytes()), request, file=path.name)
    assert frame is not None  # one was asked for, and refused where the file takes none
    rows, columns = frame.size
    return f"frames of {rows} rows of {columns} pixels, {frame.row_bytes} bytes a row: {frame.layout}, {frame.pixels.about}"


def _write(folder: Path, sources: Mapping[str, str | bytes], report: dict, log: Callable[[str], None]) -> None:
    """Puts an export in the place of the one that lies there; report.json before the sources, as it says what is of it."""
    exported.refuse_foreign(folder, exported.hashes(sources))
    removed, kept = exported.remove_stale(folder, written=sources)
    if removed:
        log(f"removed {', '.join(removed)} of the export before")
    if kept:
        log(f"left {', '.join(kept)} of the export before, which somebody has changed since; remove what is not used")
    for name in sources:
        (folder / name).unlink(missing_ok=True)  # or what a killed export left of the one before would seem to be changed
    files.write_json(folder / exported.REPORT, report)
    for name, content in sources.items():
        files.write_bytes(folder / name, content.encode() if isinstance(content, str) else content)
    plots.memory(report["memory"]["operators"], path=folder / exported.MEMORY)
    files.write_text(folder / exported.PAGE, pages.micro(report, figure=(folder / exported.MEMORY).read_text(encoding="utf-8")))


def _inputs(graph: Graph, path: Path, workdir: str | Path, images: str | Path, settings: ExportSettings) -> Inputs:
    """Pictures of the run's data set or of a folder, or random numbers."""
    tensors = list(map(int, graph.model.subgraphs[0].inputs))
    if not workdir and not images:
        rng = np.random.default_rng(0)
        count = settings.pictures or PICTURES
        batches = [[_random(rng, graph.shape(t), graph.dtype(t)) for t in tensors] for _ in range(count)]
        return Inputs(f"{count} inputs of random numbers (no pictures were given)", batches)
    if len(tensors) != 1:
        raise InputError(f"{path} takes {[graph.shape(t) for t in tensors]}, no picture; leave out --workdir and --images")
    taken = _understand(path, settings, shown=True).taken
    taker = picture_input(graph.tensor(tensors[0]), file=path.name, taken=taken)
    source, pictures = _of_run(workdir, settings) if workdir else _of_folder(Path(images), settings.pictures)
    return Inputs(source, [[taker.array(letterbox(picture, size=taker.size)[0][None])] for picture in pictures])


def _understand(path: Path, settings: ExportSettings, *, shown: bool) -> Understood:
    """What a file takes for 0..255. Where it is shown random numbers, that need not be known, or even be a picture."""
    content, ours = path.read_bytes(), sidecar.path_of(path).is_file()
    graph = Graph(content)
    try:
        picture_input(graph.tensor(int(graph.model.subgraphs[0].inputs[0])), file=path.name)
        return understand(content, file=path.name, asked=settings.input_range, ours=ours)
    except InputError as error:
        if shown or settings.input_range:
            raise
        return Understood(UNKNOWN, str(error))


def _of_run(workdir: str | Path, settings: ExportSettings) -> tuple[str, Iterable[np.ndarray]]:
    dataset, differences = origin.load_data(
        open_run(workdir), splits=[settings.split], data_dir=settings.data_dir, other_data=settings.other_data
    )  # fmt: skip
    split = dataset.split(settings.split)
    positions = split.evenly(_enough(settings.pictures, len(split), f"{dataset.name} {settings.split}"))
    source = f"{len(positions)} pictures of {dataset.name} {settings.split}"
    if differences:
        source += f" (other data than the run's: {'; '.join(differences)})"
    return source, (example.image for example in split.examples(positions))


def _of_folder(folder: Path, count: int) -> tuple[str, Iterable[np.ndarray]]:
    paths = sorted(filter(is_picture, folder.glob("*"))) if folder.is_dir() else []
    count = _enough(count, len(paths), str(folder))
    return f"{count} pictures of the folder {folder.name}", (read_image(path) for path in paths[:count])


def _enough(asked: int, available: int, where: str) -> int:
    """How many pictures are compared: as many as are asked, or else PICTURES, or what there is."""
    if available < max(1, asked):
        count = asked or PICTURES
        raise InputError(f"{where} has {available} pictures, {count} are to be compared; give more, or lower --pictures")
    return asked or min(PICTURES, available)


def _random(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype | None) -> np.ndarray:
    if dtype is None:
        raise InputError("the file takes a tensor that is no plain number; TFLite Micro cannot be given one here")
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    return rng.normal(size=shape).astype(dtype)
