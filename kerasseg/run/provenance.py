"""Where a number comes from: versions, machine, commit. A number without these is hearsay."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("kerasseg", "tensorflow", "keras", "ai-edge-litert", "numpy", "pillow", "jax", "torch")


def provenance() -> dict[str, Any]:
    """Package versions (None where not installed), processor, Python, and the commit of a source checkout."""
    return {
        "versions": {package: _version(package) for package in PACKAGES} | {"python": platform.python_version()},
        "cpu": cpu_name(),
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


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of the checkout this file lies in, with -dirty where files differ; None in an installed package."""
    root = Path(__file__).resolve().parent.parent.parent
    if not (root / ".git").exists():
        return None
    described = subprocess.run(
        ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"], capture_output=True, text=True, check=False
    )
    return described.stdout.strip() or None
