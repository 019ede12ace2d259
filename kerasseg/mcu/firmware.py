"""C++ sources of an int8 model for a project that has TFLite Micro."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import Template

import numpy as np

from kerasseg.errors import InputError
from kerasseg.lite.flatbuffer import Graph
from kerasseg.logits import MOST_CLASSES
from kerasseg.mcu import class_map, ethos, frames, names, operators, project_files, speed, vectors
from kerasseg.mcu.cpp import commented, octets, template
from kerasseg.mcu.scratch import cmsis_nn_scratch, round_up
from kerasseg.mcu.vectors import Vector

# File -> what the README says of it. Those whose names begin with the model's are seen by the rest of a firmware.
FILES = {
    "model_data.h": "the model, $size bytes, const and aligned: it stays in flash",
    "model_data.cc": "",
    "op_resolver.h": "a resolver with exactly its $count kinds of operators",
    "arena.h": "the arena: $measured bytes, $scratch that CMSIS-NN's scratch adds, $margin bytes of margin",
    "input.h": "from a camera's frame to the input tensor, a row at a time",
    "class_map.h": "from the output tensor to classes, their names, colours and counts, without a buffer",
    "test_vector.h": "one input and the output it must give",
    "test_vector.cc": "",
    "main.cc": "runs the test vector, compares, and says how long it took: flash this first",
    "CMakeLists.txt": "makes this folder an ESP-IDF component, with `idf_component.yml`",
    "idf_component.yml": "",
    "README.md": "",
}
# What else the README names: of an export, and of a folder inside it for an NPU.
BESIDE = "| `report.json`, `report.html` | where the memory goes, what it was checked against |"
NPU_BESIDE = "| `$file` | the file that Vela compiled, which is what `${prefix}model_data.cc` has |"
UNNAMED = ("main.cc", "CMakeLists.txt", "idf_component.yml", "README.md")


@dataclass(frozen=True)
class Request:
    """What is asked of the sources.

    Attributes:
        name: C++ namespace, and what the names of headers begin with: lower-case letters, digits and underscores.
        input_format: How the camera lays out a frame, a key of `pixels.LAYOUTS`; empty for rgb888.
        frame: (height, width) of that frame; (0, 0) for the model's own.
        class_names: One a class; empty where nobody knows.
        tolerance_lsb: By how much a number of the test vector's output may differ on the device.
        taken: pixels (..., channels), 0..255 -> what the network takes for them, float32.
        projects: Keys of `projects.PROJECTS`.
    """

    name: str = "model"
    input_format: str = ""
    frame: tuple[int, int] = (0, 0)
    class_names: tuple[str, ...] = ()
    tolerance_lsb: int = 0
    taken: Callable[[np.ndarray], np.ndarray] = frames.as_they_are
    projects: tuple[str, ...] = ()


@dataclass(frozen=True)
class Memory:
    """What arena.h says, in bytes.

    Attributes:
        measured_bytes: Of the arena.
        head_bytes: Of that, activations.
        tail_bytes: Of that, what stays.
        margin_percent: Added to it.
        scratch_bytes: What CMSIS-NN makes it larger by (`scratch.arena_growth`).
        version: Of the TFLite Micro that was measured.
    """

    measured_bytes: int
    head_bytes: int
    tail_bytes: int
    margin_percent: float
    scratch_bytes: int
    version: str

    @property
    def margin_bytes(self) -> int:
        """A multiple of 16."""
        return round_up(int(self.measured_bytes * self.margin_percent / 100), 16)


def frame_of(graph: Graph, request: Request, *, file: str) -> frames.Frame | None:
    """The camera's frame and the model's input; None for a file that takes no picture in whole numbers.

    Raises:
        InputError: a frame was asked for and the file takes no picture, or the two do not fit.
    """
    tensors = list(map(int, graph.model.subgraphs[0].inputs))
    picture = frames.picture_of(graph, taken=request.taken) if len(tensors) == 1 else None
    if picture is None:
        if request.input_format or request.frame != (0, 0):
            found = ", ".join(f"{graph.shape(tensor)} {graph.dtype(tensor)}" for tensor in tensors)
            raise InputError(
                f"{file} takes {found}; --input_format and --frame are for one picture (1, height, width, 3 or 1) in int8 or "
                "uint8: convert it with --io_type=int8, or leave them out"
            )
        return None
    size = picture.size if request.frame == (0, 0) else request.frame
    layout = request.input_format or ("rgb888" if picture.channels == 3 else "grey")
    return frames.Frame(layout, size, picture)


def sources(
    content: bytes, *, file: str, sha256: str, request: Request, room: Memory, vector: Vector,
    npu: ethos.Estimate | None = None, note: str = "",
) -> dict[str, str]:  # fmt: skip
    """File name -> text of everything but the reports; what is of a project lies in its folder.

    All that has a name for the linker lies in an inline namespace of this very export: two exports of one name in a firmware
    share no symbol, where a linker would take the first's weights for both without a word.

    Args:
        content: Of the .tflite file, which has passed `operators.check`.
        file: Its name.
        sha256: Its hash.
        request: What is asked.
        room: For arena.h.
        vector: For test_vector.
        npu: What Vela said, of a file that it has compiled.
        note: Of a memory plan, for README.md.

    Raises:
        InputError: a name that C++ does not take, or a frame that does not fit the file.
    """
    names.check_name(request.name)
    graph = Graph(content)
    frame = frame_of(graph, request, file=file)
    logits = class_map.logits_of(graph) if frame else None
    values = _values(content, graph, file=commented(file), sha256=sha256, name=request.name, room=room)
    values |= {"report": "../report.html" if npu else "report.html"}
    values |= {"npu": _npu(npu), "note": f"{note}\n\n" if note else "", "speed": "" if npu else _speed(graph)}
    values |= vectors.values(
        vector, prefix=f"{request.name}_", sha256=sha256, tolerance_lsb=request.tolerance_lsb, logits=logits
    )  # fmt: skip
    if frame is None:
        usage, left_out = "usage_tensors.md", ["input.h", "class_map.h"]
    elif logits is None:
        usage, left_out = "usage_frame.md", ["class_map.h"]
        values |= frames.values(frame) | {"no_classes": _no_classes(graph)}
    else:
        usage, left_out = "usage_classes.md", []
        known = len(request.class_names) == logits.classes
        called = request.class_names if known else tuple(f"class {i}" for i in range(logits.classes))
        values |= frames.values(frame) | class_map.values(logits, frame, class_names=called)
    values |= {"usage": template(usage).substitute(values), **_readme(values, request, segments=logits is not None)}
    written = [target for target in FILES if target not in left_out]
    texts = _rendered(written, values, {"arena.h": "arena_npu.h"} if npu else {})
    return texts | project_files.files(
        request.projects, sources=texts, values=values, frame=frame, segments=logits is not None
    )  # fmt: skip


def npu_sources(
    content: bytes, npu: ethos.Estimate, *, request: Request, room: Memory, vector: Vector
) -> dict[str, str | bytes]:  # fmt: skip
    """File name -> content of a folder for an accelerator: NAME_vela.tflite and its sources, in a namespace of their own.

    Args:
        content: Of the compiled file.
        npu: What Vela said of it.
        request: What is asked; NAME is its name.
        room: Of the file before Vela, whose tail is the bound of this one's.
        vector: Of the file before Vela.
    """
    request = dataclasses.replace(request, name=f"{request.name}_vela", projects=())
    scratch = max(cmsis_nn_scratch(Graph(content)))
    room = dataclasses.replace(
        room, measured_bytes=npu.head_bytes + room.tail_bytes, head_bytes=npu.head_bytes, scratch_bytes=round_up(scratch, 16)
    )  # fmt: skip
    file, sha256 = f"{request.name}.tflite", hashlib.sha256(content).hexdigest()
    texts = sources(content, file=file, sha256=sha256, request=request, room=room, vector=vector, npu=npu)
    return {f"{npu.accelerator}/{name}": text for name, text in (texts | {file: content}).items()}


def _npu(npu: ethos.Estimate | None) -> str:
    """The README's part about an accelerator."""
    if npu is None:
        return ""
    left = f"{len(npu.cpu_operators)} are left to the CPU: {', '.join(npu.cpu_operators)}"
    return template("npu.md").substitute(
        accelerator=npu.accelerator, arch=npu.accelerator.split("-")[1], vela=npu.version, system=npu.system,
        memory_mode=npu.memory_mode, npu_operators=npu.npu_operators,
        on_cpu=left if npu.cpu_operators else "none is left to the CPU",
    )  # fmt: skip


def _no_classes(graph: Graph) -> str:
    """Why there is no class_map.h, where another conversion of the file would have one."""
    (output, *others) = map(int, graph.model.subgraphs[0].outputs)
    if others or len(graph.shape(output)) != 4:
        return ""
    if graph.shape(output)[3] > MOST_CLASSES:
        return (
            f"There is no class_map.h, whose ids are bytes: it takes {MOST_CLASSES} classes at most, and 255 is unlabelled.\n\n"
        )
    if graph.dtype(output) != np.uint8:
        return ""
    return "There is no class_map.h, which takes int8 logits: `kerasseg convert --io_type=int8` writes such a file.\n\n"


def _readme(values: Mapping[str, object], request: Request, *, segments: bool) -> dict[str, object]:
    """The README's parts that hang on what was asked."""
    return {
        **project_files.readme(request.projects, values, segments=segments),
        "projects_heading": "## Projects that build\n\n" if request.projects else "",
        "log_step": template("log_step.md").substitute(values) if segments else "",
        "camera_step": 7 if segments else 6,
    }


def _speed(graph: Graph) -> str:
    """The README's part about milliseconds."""
    found = speed.report(graph)
    rows = "\n".join(f"- {line}" for line in found["lines"])
    return template("speed.md").substitute(rows=rows, caveat=found["caveat"], left_out=found["left_out"])


def _rendered(written: Sequence[str], values: dict[str, object], instead: Mapping[str, str]) -> dict[str, str]:
    tag = "x" + hashlib.sha256(repr(sorted(values.items())).encode()).hexdigest()[:8]
    values = values | {"tag": tag, "guard": f"{values['name']}_{tag}".upper()}
    rows = ((target, Template(text).substitute(values)) for target, text in FILES.items() if target in written and text)
    beside = Template(NPU_BESIDE).substitute(values) if instead else BESIDE
    listed = "\n".join([*(f"| `{_called(target, values)}` | {text} |" for target, text in rows), beside])
    values["files"] = f"{listed}{values['project_rows']}"
    return {_called(target, values): template(instead.get(target, target)).substitute(values) for target in written}


def _called(target: str, values: dict[str, object]) -> str:
    return target if target in UNNAMED else f"{values['prefix']}{target}"


def _values(content: bytes, graph: Graph, *, file: str, sha256: str, name: str, room: Memory) -> dict[str, object]:
    calls = operators.calls(graph)
    return {
        "file": file,
        "quoted": json.dumps(file, ensure_ascii=False),  # as YAML takes it, too
        "sha256": sha256,
        "name": name,
        "prefix": f"{name}_",
        "size": len(content),
        "bytes": octets(content),
        "count": len(calls),
        "calls": "\n".join(f"  if (resolver.{call} != kTfLiteOk) return kTfLiteError;" for call in calls),
        "version": room.version,
        "measured": room.measured_bytes,
        "head": room.head_bytes,
        "tail": room.tail_bytes,
        "margin": room.margin_bytes,
        "margin_percent": f"{room.margin_percent:g}",
        "scratch": room.scratch_bytes,
        "arena": room.measured_bytes + room.scratch_bytes + room.margin_bytes,
        "tensors": "\n".join(_describe(graph)),
    }


def _describe(graph: Graph) -> Iterable[str]:
    for kind, tensors in (("Input", graph.model.subgraphs[0].inputs), ("Output", graph.model.subgraphs[0].outputs)):
        for i, tensor in enumerate(map(int, tensors)):
            yield f"{kind} {i}: {graph.shape(tensor)} {graph.dtype(tensor)}{_grid(graph, tensor)}.\n"


def _grid(graph: Graph, tensor: int) -> str:
    scales = graph.scales(tensor)
    if not len(scales):
        return ""
    zero_point = int(graph.tensors[tensor].quantization.zeroPoint[0])
    return f", value = {scales[0]:.8g} * (number - ({zero_point}))"
