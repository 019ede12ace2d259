import importlib
import re
import shlex
import subprocess
import sys
import typing

import numpy as np
import pytest

from kerasseg import cli
from kerasseg.__main__ import MODULES, VERBS
from tests.conftest import REPOSITORY, write_picture

PAGES = [REPOSITORY / name for name in ("README.md", "BUILD.md", "CONTRIBUTING.md", "tflite/README.md")]
PAGES += sorted((REPOSITORY / "docs").rglob("*.md"))


def _code(page, language=""):
    return re.findall(rf"^( *)```{language}\n(.*?)^\1```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def _commands():
    for page in PAGES:
        for _, block in _code(page):
            for line in re.sub(r"\\\n\s*", " ", block).splitlines():
                found = re.search(r"\bkerasseg (\w+)( .*|$)", line.split("#")[0])
                if found and not line.strip().startswith(("pip", "import", "from")):
                    yield page.name, found[1], found[2].split("&")[0]


def test_every_command_on_a_page_takes_the_settings_it_is_shown_with():
    shown = set()
    for page, verb, words in _commands():
        if verb == "VERB":
            continue
        assert verb in VERBS, f"{page}: kerasseg {verb}"
        options = typing.get_type_hints(importlib.import_module(f"kerasseg.{MODULES.get(verb, verb)}").main)["options"]
        words = re.sub(r"(?<= )\$\w+|\.\.\.", "", words)  # settings that a variable of the shell holds
        words = re.sub(r"\$\w+|\$\{\w+\}", "1", words)
        cli.parse(options, [verb, *shlex.split(re.sub(r"[;()|].*", "", words))])
        shown.add(verb)
    assert shown == set(VERBS)  # and every command is shown somewhere


def test_first_steps_in_python(short, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ((_, code),) = _code(REPOSITORY / "docs" / "first-steps.md", "python")
    assert 'model="tiny"' in code
    exec(compile(code.replace('model="tiny"', 'model="short"'), "first-steps.md", "exec"), {})
    assert " % mIoU over 6 of 6 classes" in capsys.readouterr().out


def test_ten_lines_of_litert(short_int8, tmp_path, monkeypatch, capsys):
    (code, *_) = (code for _, code in _code(REPOSITORY / "docs" / "phones-and-boards.md", "python") if "# run:" in code)
    write_picture(tmp_path / "street.png", np.random.default_rng(0).integers(0, 256, (50, 80, 3), np.uint8))
    (tmp_path / "int8.tflite").write_bytes(short_int8.read_bytes())
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "phones-and-boards.md", "exec"), {})
    assert capsys.readouterr().out.startswith("(96, 96) [")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The pages, built as `make docs` builds them."""
    pytest.importorskip("mkdocs", reason="no MkDocs; pip install 'kerasseg[docs]'")
    folder = tmp_path_factory.mktemp("site")
    result = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", f"--site-dir={folder}"],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


def test_the_site_builds_without_a_warning_and_has_every_page(site):
    for page in sorted((REPOSITORY / "docs").rglob("*.md")):
        name = page.relative_to(REPOSITORY / "docs").with_suffix("")
        assert (site / ("" if name.name == "index" else name) / "index.html").is_file(), page
    api = (site / "api" / "index.html").read_text(encoding="utf-8")
    for function in ("train", "convert", "check", "predict", "publish", "export"):
        assert f".{function}" in api
