"""Where a number comes from: versions, machine, commit. A number without these is hearsay."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

# Of /proc/cpuinfo, on x86 and on Arm: what int8 products are computed with.
INSTRUCTIONS = ("avx2", "avx_vnni", "avx512_vnni", "amx_int8", "asimddp", "i8mm")
PACKAGES = ("kerasseg", "tensorflow", "keras", "ai-edge-litert", "numpy", "pillow", "jax", "torch")


def provenance() -> dict[str, Any]:
    """Package versions (None where not installed), processor, Python, and the commit of a source checkout.

    The processor with its instructions for int8 products, on which ratios of times of int8 depend.
    """
    return {
        "versions": {package: _version(package) for package in PACKAGES} | {"python": platform.python_version()},
        "cpu": " with ".join(filter(None, (cpu_name(), ", ".join(_instructions())))),
        "commit": _commit(),
    }


def cpu_name() -> str:
    """The processor's name, from /proc/cpuinfo where there is one."""
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _instructions() -> list[str]:
    information = Path("/proc/cpuinfo")
    known = information.read_text(encoding="utf-8").split() if information.is_file() else []
    return [name for name in INSTRUCTIONS if name in known]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of the checkout this file lies in, with -dirty where files differ; None where it is none, or without git."""
    root = Path(__file__).resolve().parent.parent.parent
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        described = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:  # no git here
        return None
    return described.stdout.strip() or None
