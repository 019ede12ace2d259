"""The environment that make keeps: made once, by a Python that kerasseg takes, and never mixed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")]


def _other_python() -> str | None:
    """A Python of another version that kerasseg takes."""
    names = {(3, minor): f"python3.{minor}" for minor in (11, 12, 13) if (3, minor) != sys.version_info[:2]}
    pyenv = Path.home() / ".pyenv/versions"
    found = [shutil.which(name) for name in names.values()]
    found += [path for name in names.values() for path in sorted(pyenv.glob(f"{name[6:]}.*/bin/python"))]
    return next((str(one) for one in found if one and subprocess.run([one, "-V"], capture_output=True).returncode == 0), None)


@pytest.fixture
def make(tmp_path):
    for name in ("Makefile", "setup.cfg", "pyproject.toml", "constraints.txt"):
        shutil.copy(REPOSITORY / name, tmp_path)

    def run(*arguments: str) -> tuple[int, str]:
        """`make .venv/.core`, anew, which installs nothing."""
        (tmp_path / ".venv/.core").unlink(missing_ok=True)
        outside = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "PYTHON"))}
        done = subprocess.run(
            ["make", ".venv/.core", "PIP=true", *arguments],
            cwd=tmp_path, capture_output=True, text=True, check=False, env=outside,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    return run


def test_an_environment_is_made_once(make, tmp_path):
    code, said = make(f"PYTHON={sys.executable}")
    assert code == 0, said
    assert " -m venv " in said
    (tmp_path / ".venv/mine").touch()
    code, said = make()  # whatever python3 is now
    assert code == 0, said
    assert " -m venv " not in said
    assert (tmp_path / ".venv/mine").exists()
    code, said = make("PYTHON=nopython")
    assert code == 2, said
    assert "PYTHON=nopython is not; remove .venv, or leave PYTHON out" in said
    (tmp_path / ".venv/bin/python").unlink()  # the Python that made it is gone
    code, said = make(f"PYTHON={sys.executable}")
    assert code == 0, said
    assert " -m venv " in said


def test_an_environment_is_of_one_python(make, tmp_path):
    other = _other_python()
    if other is None:
        pytest.skip("there is no other Python that kerasseg takes")
    assert make(f"PYTHON={other}")[0] == 0
    code, said = make(f"PYTHON={sys.executable}")
    assert code == 2, said
    assert "remove .venv, or leave PYTHON out" in said
    assert (tmp_path / ".venv/bin/python").exists()


def test_no_python_is_one_line(make):
    code, said = make("PYTHON=nopython")
    assert code == 2, said
    assert "error: there is no nopython; install Python 3.11, 3.12 or 3.13" in said
