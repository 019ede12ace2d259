"""python benchmarks/memory_plan.py --output=FILE: arena and work of the micro rows with and without a memory plan."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from kerasseg import cli, files
from kerasseg.config import setting

ROWS = (
    ("micro_96", 96), ("micro_128", 128), ("micro_160", 160), ("micro_mini_96", 96), ("micro_mini_128", 128),
    ("micro_mini_160", 160),
)  # fmt: skip


@dataclass(frozen=True)
class BenchmarkOptions:
    """Kernels are fresh, batch norms are set by a picture: memory and work do not depend on what was learnt.

    The output file grows a row at a time, and rows that are there are not measured again.
    """

    images: str = setting("", "folder of pictures on which both files have to give the same numbers", path=True)
    pictures: int = setting(8, "so many of them")
    num_classes: int = setting(11, "classes")
    extra_macs: float = setting(10.0, "per cent of the work that may be done twice")
    output: str = setting("", "JSON file to write")


def row(name: str, *, side: int, options: BenchmarkOptions) -> dict:
    """One row of the table."""
    import micro_search

    from kerasseg.data.letterbox import letterbox
    from kerasseg.data.pictures import read_image
    from kerasseg.lite.flatbuffer import Graph
    from kerasseg.lite.picture_input import picture_input
    from kerasseg.mcu import plan, planned, runtime, tail, trials
    from kerasseg.models import MODELS

    _, content = micro_search.measure(MODELS[name], side=side, num_classes=options.num_classes)
    graph = Graph(content)
    taker = picture_input(graph.tensor(int(graph.model.subgraphs[0].inputs[0])), file=name)
    paths = sorted(Path(options.images).glob("*.png"))[: options.pictures]
    batches = [[taker.array(letterbox(read_image(path), size=taker.size)[0][None])] for path in paths]
    start = time.perf_counter()
    found = plan.search(content, extra_macs_percent=options.extra_macs)
    seconds = time.perf_counter() - start
    assert found is not None, f"{name}: no plan is smaller"
    outcome = planned.hold(content, found, batches, file=name)
    parts = {
        when: [one.to_json() for one in tail.breakdown(Graph(file), trials.record(file), tail_bytes=arena.tail_bytes)]
        for when, file, arena in (
            ("before", content, runtime.measure_arena(content)), ("after", found.content, found.arena),
        )
    }  # fmt: skip
    return {"model": name, "side": side, **outcome.to_json(), "tail": parts, "search_s": seconds}


def main(options: BenchmarkOptions) -> None:
    from kerasseg.mcu import runtime
    from kerasseg.run.provenance import provenance

    path = Path(options.output)
    rows = files.read_json(path)["rows"] if path.is_file() else []
    method = (
        f"TFLite Micro {runtime.version()} on 64 bits; {options.pictures} pictures of CamVid {Path(options.images).name} on "
        "which both files gave the same numbers to the bit, in TFLite Micro and LiteRT's reference kernels; times are medians "
        "of the processor time of TFLite Micro's reference kernels on this machine; random kernels"
    )
    for name, side in ROWS:
        if any(one["model"] == name for one in rows):
            continue
        rows.append(row(name, side=side, options=options))
        shown = {key: rows[-1][key] for key in ("model", "before", "after", "changes", "time_ratio")}
        print(shown, file=sys.stderr, flush=True)
        files.write_json(path, {"method": method, "extra_macs": options.extra_macs, "rows": rows, **provenance()})


if __name__ == "__main__":
    cli.run(main)
