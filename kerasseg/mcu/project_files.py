"""The files of the projects around the exported sources."""

from collections.abc import Mapping, Sequence

from kerasseg.mcu.cpp import template
from kerasseg.mcu.frames import Frame
from kerasseg.mcu.projects import PROJECTS
from kerasseg.mcu.scratch import round_up

CODE_BYTES = 512 * 1024  # of ESP-IDF, TFLite Micro and a program, beside the model: a guess, and a large one
PARTITION_START = 64 * 1024  # where partitions.csv lets it begin
PARTITION_STEP = 64 * 1024  # what a partition of an app is a multiple of (ESP-IDF, "Partition Tables")


def files(
    asked: Sequence[str], *, sources: Mapping[str, str], values: Mapping[str, object], frame: Frame | None, segments: bool
) -> dict[str, str]:  # fmt: skip
    """Path in the export -> text, of each project that is asked.

    Args:
        asked: Keys of PROJECTS.
        sources: File name -> text of the export.
        values: What its templates took.
        frame: The camera's; None for a model that takes no picture.
        segments: Whether the output tells classes: pictures can be run on the host.
    """
    name = str(values["name"])
    includes = "\n".join(f'#include "{one}"' for one in sources if one.endswith(".h"))
    values = {**values, **_sizes(sources, values), "upper": name.upper(), "includes": includes}
    values |= _host(frame, name) if segments and frame else {"simulate": ""}
    found = {}
    for project in dict.fromkeys(asked):
        for target, source in PROJECTS[project].files.items():
            if source != "simulate.cc" or values["simulate"]:
                found[f"{project}/{target.replace('NAME', name)}"] = template(f"{project}/{source}").substitute(values)
    return found | (_copies(name, sources) if "arduino" in asked else {})


def readme(asked: Sequence[str], values: Mapping[str, object], *, segments: bool) -> dict[str, str]:
    """What the README's template takes: rows of its table, and what to type."""
    simulate = (
        f"\n  build/{values['name']}_simulate maps PICTURE...        # maps/PICTURE.classes.pgm: a byte a pixel, its class"
    )
    values = {**values, "simulate_usage": simulate if segments else ""}
    rows = "".join(f"\n| `{name}/` | {PROJECTS[name].about} |" for name in dict.fromkeys(asked))
    parts = (template(f"{name}/how.md").substitute(values, source=PROJECTS[name].source) for name in dict.fromkeys(asked))
    return {"project_rows": rows, "projects": "\n".join(parts)}


def _sizes(sources: Mapping[str, str], values: Mapping[str, object]) -> dict[str, object]:
    """Room in the flash of an ESP32, in bytes and in the megabytes that it is sold in."""
    vector = len(sources[f"{values['name']}_test_vector.cc"]) // len("0x00,")
    partition = round_up(int(str(values["size"])) + vector + CODE_BYTES, PARTITION_STEP)
    sold = next((mb for mb in (2, 4, 8, 16, 32, 64) if PARTITION_START + partition <= mb * 2**20), 128)
    return {"partition": hex(partition), "flash_mb": sold}


def _host(frame: Frame, name: str) -> dict[str, str]:
    """The parts of simulate.cc that know the camera's layout."""
    grey = frame.pixels.pair_bytes == 2
    sizes = {
        "digit": "5" if grey else "6", "suffix": "pgm" if grey else "ppm", "samples": "1" if grey else "3",
        "frame_height": str(frame.size[0]), "frame_width": str(frame.size[1]), "encode": frame.pixels.encode,
    }  # fmt: skip
    raw = f"a file of {frame.size[0] * frame.row_bytes} bytes, a frame in {frame.layout}"
    picture = f"a binary 8-bit .{sizes['suffix']} picture (P{sizes['digit']}), or " if frame.pixels.encode else ""
    parts = {one: template(f"host/{one}.cc").substitute(sizes) if frame.pixels.encode else "" for one in ("encoder", "picture")}
    return parts | {"accepted": picture + raw, "simulate": template("host/simulate.cmake").substitute(name=name)}


def _copies(name: str, sources: Mapping[str, str]) -> dict[str, str]:
    """The sources where Arduino looks for them: it compiles .cpp, in src/ of a library and beside a sketch."""
    kept = {one: text for one, text in sources.items() if one.startswith(f"{name}_")}
    copies = {
        f"arduino/{name}/src/{one.removesuffix('.cc')}{'.cpp' if one.endswith('.cc') else ''}": text
        for one, text in kept.items()
    }
    run = f"#define KERASSEG_PRINT_CLASS_MAP\n{sources['main.cc']}"
    return copies | {f"arduino/{name}/examples/test_vector/run.cpp": run}
