import re
import subprocess
from pathlib import Path

import pytest

from kerasseg.run.provenance import INSTRUCTIONS, cpu_name, provenance
from tests.conftest import REPOSITORY


def test_the_processor_is_named_with_what_it_computes_int8_with():
    name = provenance()["cpu"]
    assert name.startswith(cpu_name())
    information = Path("/proc/cpuinfo")
    if information.is_file():
        has = set(information.read_text(encoding="utf-8").split())
        assert {one for one in INSTRUCTIONS if one in has} == {one for one in INSTRUCTIONS if one in re.split(r",? ", name)}


def test_without_git_there_is_no_commit(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    assert provenance()["commit"] is None


def test_a_number_says_which_commit_it_is_of():
    if not (REPOSITORY / ".git").exists():
        pytest.skip("this is no checkout: there is no commit to name")
    head = subprocess.run(["git", "-C", REPOSITORY, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout
    assert head.startswith(provenance()["commit"].removesuffix("-dirty"))
