"""The package as a user has it: built, installed in a new environment without the checkout, and used."""

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow

LEFT_OUT = {".git", ".ci", ".github", ".venv", ".nox", "build", "dist", "demo", "runs"}


def _run(*arguments: object, cwd: Path) -> str:
    done = subprocess.run([*map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with the sdist and, made of it, the wheel; the checkout stays as it is."""
    folder = tmp_path_factory.mktemp("built")
    ignored = shutil.ignore_patterns(*LEFT_OUT, "*.egg-info", "__pycache__", ".*cache")
    shutil.copytree(REPOSITORY, folder / "source", ignore=ignored)
    _run(sys.executable, "-m", "build", "--outdir", folder / "dist", ".", cwd=folder / "source")
    return folder


def test_the_sdist_holds_what_the_tests_need(built):
    (sdist,) = (built / "dist").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        held = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    source = built / "source"
    wanted = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()}
    unneeded = {name for name in wanted if name.startswith((".", "kerasseg.egg-info"))}  # settings of editors and services
    assert wanted - unneeded - held == set()


def test_an_index_takes_it(built):
    printed = _run(sys.executable, "-m", "twine", "check", "--strict", *(built / "dist").iterdir(), cwd=built)
    assert printed.count("PASSED") == 2


@pytest.mark.install
def test_installed_alone_it_does_the_main_job(built, tmp_path):
    (wheel,) = (built / "dist").glob("*.whl")
    python = tmp_path / "venv" / "bin" / "python"
    _run(sys.executable, "-m", "venv", python.parent.parent, cwd=tmp_path)
    constraints = REPOSITORY / "constraints.txt"
    _run(python, "-m", "pip", "install", "--quiet", "--no-compile", "--constraint", constraints, wheel, cwd=tmp_path)
    work = tmp_path / "work"
    work.mkdir()
    kerasseg = python.with_name("kerasseg")
    where = _run(python, "-c", "import kerasseg; print(kerasseg.__file__)", cwd=work)
    assert str(tmp_path) in where
    _run(
        kerasseg, "train", "--model=tiny", "--dataset=shapes", "--size=64,64", "--backbone_weights=none", "--epochs=1",
        "--batch_size=4", "--train_examples=8", "--val_examples=4", "--workdir=run", cwd=work,
    )  # fmt: skip
    assert "mIoU" in _run(kerasseg, "evaluate", "--workdir=run", cwd=work)
    assert "int8.tflite" in _run(kerasseg, "convert", "--workdir=run", "--calibration_examples=4", cwd=work)
    checked = _run(kerasseg, "check", "--workdir=run", "--tflite=run/int8.tflite", "--max_miou_drop=100", cwd=work)
    assert "mIoU .tflite" in checked
    picture = REPOSITORY / "docs" / "shapes" / "shapes_0.png"
    _run(kerasseg, "predict", "--tflite=run/int8.tflite", picture, "--output_dir=out", cwd=work)
    assert (work / "out" / "shapes_0_overlay.png").is_file()
    assert "val mIoU" in (work / "run" / "report.html").read_text(encoding="utf-8")
    _run(kerasseg, "web", "--tflite=run/int8.tflite", "--output_dir=web", "--runtime=cdn", cwd=work)
    assert (work / "web" / "segment.js").is_file()
