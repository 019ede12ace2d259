"""Arm's compiler for Ethos-U NPUs, Vela, run as a program of its own, because it can crash."""

import csv
import dataclasses
import math
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

import numpy as np

from kerasseg.errors import InputError
from kerasseg.lite.flatbuffer import Graph

ACCELERATORS = ("ethos-u55-128", "ethos-u55-256", "ethos-u65-256", "ethos-u85-256")
CUSTOM_CODE = b"ethos-u"  # of the operators that run on the NPU
TIMEOUT_S = 600


@dataclass(frozen=True)
class Estimate:
    """What Vela says of a model on an accelerator. Its time counts the operators on the NPU alone.

    Attributes:
        accelerator: One of ACCELERATORS.
        npu_ms: Vela's estimate for one inference, without the operators below.
        cpu_operators: "KIND at tensor" of every operator that falls back to the CPU.
        npu_operators: How many run on the NPU.
        sram_kib: Peak of the memory for activations.
        file_bytes: Of the compiled file.
        head_bytes: What its tensors take of an arena, where Vela has placed them.
        clock_mhz: Of the NPU in the system configuration that Vela assumed.
        system: That configuration.
        memory_mode: Likewise.
        version: Of Vela.
    """

    accelerator: str
    npu_ms: float
    cpu_operators: tuple[str, ...]
    npu_operators: int
    sram_kib: float
    file_bytes: int
    head_bytes: int
    clock_mhz: float
    system: str
    memory_mode: str
    version: str

    def to_json(self) -> dict:
        """As plain JSON values."""
        return dataclasses.asdict(self)

    def line(self) -> str:
        """One sentence, with the time and what it leaves out."""
        left = f"{len(self.cpu_operators)} operator(s) on the CPU" + (" that it leaves out" if self.cpu_operators else "")
        return f"{self.accelerator}: {self.npu_ms:.2f} ms estimated by Vela {self.version} at {self.clock_mhz:.0f} MHz, {left}"


def check(accelerator: str) -> None:
    """Raises InputError for an unknown accelerator, and where Vela is not installed."""
    if accelerator not in ACCELERATORS:
        raise InputError(f"accelerator {accelerator!r} is unknown; give one of {', '.join(ACCELERATORS)}")
    if util.find_spec("ethosu") is None or util.find_spec("ethosu.vela") is None:
        raise InputError("Vela is not installed; run pip install 'kerasseg[ethos]'")


def compiled(content: bytes, *, accelerator: str) -> tuple[Estimate, bytes]:
    """Compiles a model with Vela in a folder of its own.

    Args:
        content: Of an int8 .tflite file.
        accelerator: One of ACCELERATORS.

    Returns:
        What Vela says of it, and the content of the compiled file.

    Raises:
        InputError: an unknown accelerator, Vela is not installed, or it fails or crashes.
    """
    check(accelerator)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(content)
        command = [
            sys.executable, "-m", "ethosu.vela", str(path), f"--accelerator-config={accelerator}", f"--output-dir={folder}",
        ]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise InputError(f"Vela did not finish in {TIMEOUT_S} s for {accelerator}; try a smaller input") from error
        summaries, result = list(Path(folder).glob("model_summary_*.csv")), Path(folder) / "model_vela.tflite"
        if done.returncode or len(summaries) != 1 or not result.is_file():
            raise InputError(f"Vela {_how_it_ended(done)} on this model for {accelerator}; report that to Arm or try another")
        with summaries[0].open(newline="") as file:
            rows = list(csv.DictReader(file))
        made = result.read_bytes()
    return _estimate(rows[-1], made, total=len(Graph(content).operators), accelerator=accelerator), made


def _estimate(summary: dict[str, str], made: bytes, *, total: int, accelerator: str) -> Estimate:
    """What the row of Vela's summary and the compiled file say of a model of `total` operators."""
    graph = Graph(made)
    on_cpu = [f"{one.name} at {graph.name(one.outputs[0])}" for one in graph.operators if one.name != "CUSTOM"]
    return Estimate(
        accelerator,
        npu_ms=1e3 * float(summary["inference_time"]),
        cpu_operators=tuple(on_cpu),
        npu_operators=total - len(on_cpu),
        sram_kib=float(summary["sram_memory_used"]),
        file_bytes=len(made),
        head_bytes=planned_bytes(graph),
        clock_mhz=float(summary["core_clock"]) / 1e6,
        system=summary["system_config"],
        memory_mode=summary["memory_mode"],
        version=_version(),
    )


def planned_bytes(graph: Graph) -> int:
    """How far into the arena the tensors of a compiled file reach, by the plan that Vela leaves in it for TFLite Micro.

    The plan is int32: version, subgraph, count, and an offset a tensor; below 0 for one that is not Vela's to place
    (tensorflow/lite/micro/docs/memory_management.md).
    """
    (plan,) = (one for one in graph.model.metadata if one.name == b"OfflineMemoryAllocation")
    offsets = np.frombuffer(bytes(graph.model.buffers[plan.buffer].data), np.int32)[3:].tolist()
    placed = [(tensor, offset) for tensor, offset in enumerate(offsets) if offset >= 0]
    return max(offset + math.prod(graph.shape(tensor)) * _width(graph, tensor) for tensor, offset in placed)


def _width(graph: Graph, tensor: int) -> int:
    dtype = graph.dtype(tensor)
    return dtype.itemsize if dtype else 1


def is_compiled(graph: Graph) -> bool:
    """Whether Vela has compiled a file already."""
    return any(code.customCode == CUSTOM_CODE for code in graph.model.operatorCodes)


def _how_it_ended(done: subprocess.CompletedProcess) -> str:
    if done.returncode < 0:
        return f"was killed by signal {-done.returncode}"
    lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return f"failed ({lines[-1][:200] if lines else 'without a word'})"


def _version() -> str:
    return metadata.version("ethos-u-vela")
