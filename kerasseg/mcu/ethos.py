"""Arm's compiler for Ethos-U NPUs, Vela, run as a program of its own: it can crash, and its result is a table."""

import csv
import dataclasses
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from kerasseg.errors import InputError
from kerasseg.lite.flatbuffer import Graph

ACCELERATORS = ("ethos-u55-128", "ethos-u55-256", "ethos-u65-256", "ethos-u85-256")
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


def estimate(content: bytes, *, accelerator: str) -> Estimate:
    """Compiles a model with Vela in a folder of its own and reads its summary.

    Args:
        content: Of an int8 .tflite file.
        accelerator: One of ACCELERATORS.

    Raises:
        InputError: an unknown accelerator, Vela is not installed, or it fails or crashes.
    """
    if accelerator not in ACCELERATORS:
        raise InputError(f"accelerator {accelerator!r} is unknown; give one of {', '.join(ACCELERATORS)}")
    if util.find_spec("ethosu") is None or util.find_spec("ethosu.vela") is None:
        raise InputError("Vela is not installed; run pip install 'kerasseg[ethos]'")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(content)
        command = [
            sys.executable, "-m", "ethosu.vela", str(path), f"--accelerator-config={accelerator}",
            f"--output-dir={folder}", "--show-cpu-operations",
        ]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise InputError(f"Vela did not finish in {TIMEOUT_S} s for {accelerator}; try a smaller input") from error
        summaries = list(Path(folder).glob("model_summary_*.csv"))
        if done.returncode or len(summaries) != 1:
            raise InputError(f"Vela {_how_it_ended(done)} on this model for {accelerator}; report that to Arm or try another")
        with summaries[0].open(newline="") as file:
            rows = list(csv.DictReader(file))
    graph = Graph(content)
    kinds = {graph.name(operator.outputs[0]): operator.name for operator in graph.operators}
    return parse(rows[-1], done.stdout, kinds, accelerator=accelerator)


def parse(summary: dict[str, str], printed: str, kinds: dict[str, str], *, accelerator: str) -> Estimate:
    """An Estimate from what Vela leaves behind.

    Args:
        summary: The row of its summary CSV.
        printed: Its standard output, with --show-cpu-operations.
        kinds: Tensor -> operator of TFLite that gives it; Vela calls what it leaves to the CPU "Passthrough".
        accelerator: For which it ran.
    """
    listed = re.findall(r"^\s*(CPU|NPU): (\S+) = (.+?)(?: \(|$)", printed, re.MULTILINE)
    falls_back = tuple(f"{kinds.get(tensor, kind)} at {tensor}" for where, kind, tensor in listed if where == "CPU")
    return Estimate(
        accelerator,
        npu_ms=1e3 * float(summary["inference_time"]),
        cpu_operators=falls_back,
        npu_operators=sum(where == "NPU" for where, _, _ in listed),
        sram_kib=float(summary["sram_memory_used"]),
        clock_mhz=float(summary["core_clock"]) / 1e6,
        system=summary["system_config"],
        memory_mode=summary["memory_mode"],
        version=_version(),
    )


def _how_it_ended(done: subprocess.CompletedProcess) -> str:
    if done.returncode < 0:
        return f"was killed by signal {-done.returncode}"
    lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return f"failed ({lines[-1][:200] if lines else 'without a word'})"


def _version() -> str:
    return metadata.version("ethos-u-vela")
