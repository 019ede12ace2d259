import configparser
import importlib.util
import re

import pytest

from tests.conftest import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def generator(monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
    specification = importlib.util.spec_from_file_location("readme", REPOSITORY / "benchmarks" / "readme.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_it_is_one_screen_and_a_bit():
    assert len(README.splitlines()) <= 130


def test_the_python_runs_as_written(capsys):
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    assert len(code.splitlines()) <= 10
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "parameters, logits (None, 256, 256, 11)" in printed
    assert "(128, 128, 3) (128, 128)" in printed


def test_every_generated_number_is_the_one_in_results(generator):
    for path in generator.pages():
        text = path.read_text(encoding="utf-8")
        assert generator.fill(text, results=REPOSITORY / "results") == text, f"{path.name}: run `make readme`"


def test_every_number_of_a_result_stands_between_markers(generator):
    """A score or a time that somebody typed in would outlive its measurement."""
    for path in generator.pages():
        text = re.sub(r"<!-- (\w+) -->\n.*?<!-- end -->", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        if path.name != "BUILD.md" and path.parent.name != "notebooks":  # what was tried by hand; what notebooks printed
            assert not re.search(r"\d\d\.\d+ %|\d\.\d+ (ms|KiB)", text), path


def test_every_script_of_the_readme_exists():
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
    for name in re.findall(r"colab.research.google.com/github/kerasseg/kerasseg/blob/main/(\S+?)\)", README):
        assert (REPOSITORY / name).is_file()
