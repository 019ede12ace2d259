import subprocess

import pytest

from kerasseg.run.provenance import provenance
from tests.conftest import REPOSITORY


def test_a_number_says_which_commit_it_is_of():
    if not (REPOSITORY / ".git").exists():
        pytest.skip("this is no checkout: there is no commit to name")
    head = subprocess.run(["git", "-C", REPOSITORY, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout
    assert head.startswith(provenance()["commit"].removesuffix("-dirty"))
