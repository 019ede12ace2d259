import configparser
import importlib.util
import re

import pytest

from kerasseg.__main__ import VERBS
from tests.conftest import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def generator(monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
    specification = importlib.util.spec_from_file_location("readme", REPOSITORY / "benchmarks" / "readme.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_first_lines_of_code_run_as_written(capsys):
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    assert README.index("```python") < 30  # code first
    assert len(code.splitlines()) <= 10
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "parameters, logits (None, 256, 256, 11)" in printed
    assert "(128, 128, 3) (128, 128)" in printed


@pytest.mark.parametrize("name", ["README.md", "BUILD.md"])
def test_every_generated_number_is_the_one_in_results(generator, name):
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    assert generator.fill(text, results=REPOSITORY / "results") == text, "run `make readme`"


def test_every_command_of_the_readme_exists():
    code = "\n".join(re.findall(r"```(?:python)?\n(.*?)```", README, re.DOTALL))
    verbs = re.findall(r"^kerasseg (\w+)", code, re.MULTILINE)
    assert len(verbs) > 10
    assert set(verbs) <= VERBS.keys()
    for script in re.findall(r"python (tflite/\w+\.py)", README):
        assert (REPOSITORY / script).is_file()


def test_links_work_from_an_index_page_too():
    setup = configparser.ConfigParser()
    setup.read(REPOSITORY / "setup.cfg", encoding="utf-8")
    address = re.search(r"Source = (\S+)", setup["metadata"]["project_urls"])[1]
    raw = address.replace("github.com", "raw.githubusercontent.com")
    links = re.findall(r"\]\(([^)\s]+)", README)
    assert len(links) > 5
    for link in links:
        assert link.startswith(("https://", "#")), f"{link} is relative"
        for start in (f"{address}/blob/main/", f"{raw}/main/"):
            if link.startswith(start):
                assert (REPOSITORY / link.removeprefix(start).split("#")[0]).is_file(), link
