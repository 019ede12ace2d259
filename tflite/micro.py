"""python tflite/micro.py: what a microcontroller needs of an int8 .tflite file, with the memory measured."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kerasseg import cli
from kerasseg.config import setting
from kerasseg.errors import InputError

KIB = 1024


@dataclass(frozen=True)
class MicroOptions:
    """Measures a file in TFLite Micro, holds it against the reference kernels, and writes C++ sources and a report.

    Takes any int8 file. With --workdir or --images it is run on real pictures.
    """

    tflite: str = setting("", "int8 .tflite file")
    output_dir: str = setting("", "folder to write the sources, report.json and report.html to")
    name: str = setting("model", "C++ namespace of the sources")
    workdir: str = setting("", "run directory of kerasseg.train: compare on pictures of its data set")
    split: str = setting("val", "split of it")
    data_dir: str = setting("", "where that data set lies now; empty takes the run's own")
    images: str = setting("", "or a folder of pictures to compare on")
    pictures: int = setting(20, "compare on so many")
    arena_margin: float = setting(10.0, "per cent added to the measured arena in arena.h")
    arena_budget_kib: float = setting(0.0, "largest accepted arena, with its margin; 0 for no limit")
    flash_budget_kib: float = setting(0.0, "largest accepted file; 0 for no limit")
    accelerator: tuple[str, ...] = setting(
        (), "compile with Vela for ethos-u55-128, ethos-u55-256, ethos-u65-256, ethos-u85-256"
    )
    board: str = setting("", "exit 1 unless it fits this board; the report lists all")


def micro(options: MicroOptions) -> tuple[dict, dict[str, str]]:
    """Measures and compares.

    Returns:
        The report, and file name -> text of everything to write but the reports.
    """
    from kerasseg import files
    from kerasseg.lite import boards, ethos, firmware, memory
    from kerasseg.lite import micro as tflm
    from kerasseg.lite.flatbuffer import Graph
    from kerasseg.provenance import provenance

    path = Path(options.tflite)
    if not path.is_file():
        raise InputError(f"no file {path}; check --tflite")
    content = path.read_bytes()
    graph = Graph(content)
    firmware.check(graph, file=path.name)
    firmware.check_name(options.name)
    if options.board:
        boards.fit(options.board, flash_bytes=0, arena_bytes=0)  # refuses an unknown one before anything takes time
    print(f"measuring the arena of {path.name} in TFLite Micro", flush=True)
    arena = tflm.measure_arena(content)
    room = firmware.Memory(
        arena.total_bytes, arena.head_bytes, arena.tail_bytes, options.arena_margin,
        scratch_bytes=firmware.cmsis_nn_scratch(graph), version=tflm.version(),
    )  # fmt: skip
    accelerators = []
    for accelerator in options.accelerator:
        print(f"compiling for {accelerator} with Vela", flush=True)
        accelerators.append(ethos.estimate(content, accelerator=accelerator).to_json())
    source, batches = _inputs(options, graph, path)
    print(f"comparing with LiteRT's reference kernels on {source}", flush=True)
    exactness, outputs = tflm.compare(content, batches)
    vector = firmware.Vector(f"the first of {source}", tuple(batches[0]), tuple(outputs[0]))
    sha256 = files.sha256(path)
    sources = firmware.sources(content, file=path.name, sha256=sha256, name=options.name, memory=room, vector=vector)
    needed = arena.total_bytes + room.margin_bytes
    margin = {"margin_percent": options.arena_margin, "margin_bytes": room.margin_bytes, "with_margin_bytes": needed}
    report = {
        "file": path.name,
        "sha256": sha256,
        "bytes": len(content),
        "macs": graph.macs(),
        "tflite_micro": tflm.version(),
        "operators": {
            kind: {"count": count, "cmsis_nn": kind in firmware.CMSIS_NN} for kind, count in firmware.operators(graph).items()
        },
        "arena": arena.to_json() | margin,
        "source": source,
        "exactness": exactness.to_json(),
        "memory": memory.report(graph),
        "unknown": [
            f"Not measured: scratch buffers of optimized kernels, which the wheel does not have. By CMSIS-NN's formulas the "
            f"largest here would be about {room.scratch_bytes} bytes; the margin has {room.margin_bytes}.",
            "Not measured: the tail on a 32-bit chip. Pointers have 8 bytes where this was measured, 4 there: it is smaller.",
        ],
        "accelerators": accelerators,
        "boards": [boards.fit(name, flash_bytes=len(content), arena_bytes=needed).to_json() for name in boards.BOARDS],
        **provenance(),
    }
    return report | {"failures": _failures(options, report)}, sources


def _inputs(options: MicroOptions, graph, path: Path) -> tuple[str, list[list]]:
    """What the inputs are, in words, and one array an input a run."""
    import numpy as np

    from kerasseg.lite.interpreter import quantize

    tensors = list(map(int, graph.model.subgraphs[0].inputs))
    if not options.workdir and not options.images:
        rng = np.random.default_rng(0)
        batches = [[_random(rng, graph.shape(t), graph.dtype(t)) for t in tensors] for _ in range(options.pictures)]
        return f"{options.pictures} inputs of random numbers (no pictures were given)", batches
    shape, scales = graph.shape(tensors[0]), graph.scales(tensors[0])
    if len(tensors) != 1 or len(shape) != 4 or shape[3] != 3:
        raise InputError(f"{path} takes {[graph.shape(t) for t in tensors]}, no picture; leave out --workdir and --images")
    zero_point = int(graph.tensors[tensors[0]].quantization.zeroPoint[0]) if len(scales) else 0
    scale = float(scales[0]) if len(scales) else 0.0
    source, pictures = _pictures(options, shape[1:3])
    batches = [[quantize(p, scale=scale, zero_point=zero_point, dtype=graph.dtype(tensors[0]))] for p in pictures]
    return source, batches


def _pictures(options: MicroOptions, size: tuple[int, int]) -> tuple[str, Iterator]:
    """Where they are from, and each as (1, *size, 3) float32, 0..255."""
    from kerasseg import rundir
    from kerasseg.data.datasets import load_for_run
    from kerasseg.data.letterbox import letterbox
    from kerasseg.data.pictures import read_image

    if options.workdir:
        run = rundir.read(rundir.RunDir(Path(options.workdir)))
        dataset = load_for_run(run.config, data_dir=options.data_dir)
        split = dataset.split(options.split)
        _enough(options, len(split), f"{dataset.name} {options.split}")
        positions = split.evenly(options.pictures)
        images = (example.image for example in split.examples(positions))
        source = f"{len(positions)} pictures of {dataset.name} {options.split}"
    else:
        kinds = (".png", ".jpg", ".jpeg", ".bmp", ".ppm")
        folder = Path(options.images)
        paths = sorted(p for p in folder.glob("*") if p.suffix.lower() in kinds) if folder.is_dir() else []
        _enough(options, len(paths), str(folder))
        images = (read_image(path) for path in paths[: options.pictures])
        source = f"{options.pictures} pictures of the folder {folder.name}"
    return source, (letterbox(image, size=size)[0][None].astype("float32") for image in images)


def _enough(options: MicroOptions, count: int, where: str) -> None:
    if count < options.pictures:
        raise InputError(f"{where} has {count} pictures, {options.pictures} are to be compared; give more, or lower --pictures")


def _random(rng, shape: tuple[int, ...], dtype):
    import numpy as np

    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    return rng.normal(size=shape).astype(dtype)


def _failures(options: MicroOptions, report: dict) -> list[str]:
    failures = []
    found, needed = report["exactness"], report["arena"]["with_margin_bytes"] / KIB
    if found["equal"] < found["runs"]:
        failures.append(
            f"{found['runs'] - found['equal']} of {found['runs']} outputs differ from LiteRT's reference kernels; "
            f"the first operator is {found['first_operator']}"
        )
    if options.arena_budget_kib and needed > options.arena_budget_kib:
        failures.append(f"the arena takes {needed:.1f} KiB with its margin; --arena_budget_kib is {options.arena_budget_kib:g}")
    if options.flash_budget_kib and report["bytes"] / KIB > options.flash_budget_kib:
        failures.append(f"the file takes {report['bytes'] / KIB:.1f} KiB; --flash_budget_kib is {options.flash_budget_kib:g}")
    for one in report["boards"]:
        if one["board"] == options.board and not one["fits"]:
            failures.append(
                f"it does not fit {options.board}: {one['flash_room_kib']:+.0f} KiB of flash and "
                f"{one['ram_room_kib']:+.0f} KiB of RAM would be left"
            )
    return failures


def table(report: dict) -> str:
    """The report as text."""
    arena, peak = report["arena"], report["memory"]["peak"]
    lines = [
        f"flash             {report['bytes'] / KIB:.1f} KiB, {report['macs'] / 1e6:.1f} million multiply-accumulates",
        f"arena             {arena['total_bytes'] / KIB:.1f} KiB: {arena['head_bytes'] / KIB:.1f} activations, "
        f"{arena['tail_bytes'] / KIB:.1f} that stay",
        f"with margin       {arena['with_margin_bytes'] / KIB:.1f} KiB ({arena['margin_percent']:g} % more)",
        f"smallest that ran {arena['smallest_bytes'] / KIB:.1f} KiB",
        f"peak              {peak['live_bytes'] / KIB:.1f} KiB alive at {peak['layer']} ({peak['operator']})",
    ]
    lines += [
        f"  -{one['saved_bytes'] / KIB:.1f} KiB with {one['change']}"
        + (f", flash -{one['flash_bytes'] / KIB:.0f} KiB" if one["flash_bytes"] else "")
        for one in report["memory"]["savings"]
    ]
    kinds = ", ".join(f"{one['count']} {kind}" for kind, one in report["operators"].items())
    slow = ", ".join(kind for kind, one in report["operators"].items() if not one["cmsis_nn"])
    lines += [f"operators         {kinds}", f"without CMSIS-NN  {slow or 'none'}"]
    found = report["exactness"]
    lines.append(f"bit-exact         {found['equal']} of {found['runs']} ({report['source']})")
    for one in report["accelerators"]:
        left = f"{len(one['cpu_operators'])} operator(s) on the CPU" + (", not counted" if one["cpu_operators"] else "")
        lines.append(f"{one['accelerator']:<17} {one['npu_ms']:.2f} ms (Vela's estimate, {one['clock_mhz']:.0f} MHz), {left}")
        lines += [f"  CPU: {operator}" for operator in one["cpu_operators"]]
    lines.append("boards            room left beside file and arena, KiB: flash, RAM")
    for one in report["boards"]:
        verdict = "fits" if one["fits"] else "NO"
        lines.append(
            f"  {one['board']:<15} {verdict:<5} {one['flash_room_kib']:8.0f} {one['ram_room_kib']:8.0f}  {one['about']}"
        )
    return "\n".join(lines + report["unknown"])


def main(options: MicroOptions) -> int:
    if not options.tflite or not options.output_dir:
        raise InputError("--tflite or --output_dir is missing; give the int8 file and a folder for what is written")
    if options.pictures < 1 or options.arena_margin < 0:
        raise InputError("--pictures must be at least 1 and --arena_margin at least 0")
    from kerasseg import files, plots
    from kerasseg.lite import memory, page

    report, sources = micro(options)
    folder = Path(options.output_dir)
    for name, text in sources.items():
        files.write_text(folder / name, text)
    found = [memory.Live(**one) for one in report["memory"]["operators"]]
    plots.memory(found, path=folder / "memory.svg")
    files.write_json(folder / "report.json", report)
    files.write_text(folder / "report.html", page.render(report, figure=(folder / "memory.svg").read_text(encoding="utf-8")))
    print(table(report))
    print(f"wrote {len(sources)} source files, report.json, report.html and memory.svg to {folder}")
    for failure in report["failures"]:
        print(f"NOT MET: {failure}")
    return cli.EXIT_NOT_MET if report["failures"] else 0


if __name__ == "__main__":
    cli.run(main, MicroOptions)
