import os
import shutil
import subprocess
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import REPOSITORY

MADE = {
    "01_train": ["overlays/shapes_0_overlay.png"],
    "02_quantize": ["float16.tflite", "int8.tflite", "check.png"],
    "03_microcontroller": ["int8.tflite", "micro/main.cc", "micro/report.html"],
}
RUNS = {"01_train": "notebook", "02_quantize": "notebook", "03_microcontroller": "micro"}  # 02 goes on with the run of 01
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
PACKAGE = ["setup.cfg", "pyproject.toml", "README.md", "LICENSE"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore")  # Jupyter's own: event loops, sockets, paths
def test_a_notebook_runs_from_top_to_bottom_in_an_empty_folder(path, runs, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    run = runs / RUNS[path.stem]
    environment = os.environ | {"EPOCHS": "1", "EXAMPLES": "8", "MODEL": "micro_mini_96", "RECIPES": "int8,float16"}
    environment |= {"RUN": str(run), "MPLBACKEND": "agg"}
    NotebookClient(notebook, timeout=560, resources={"metadata": {"path": str(tmp_path)}}).execute(env=environment)
    text = "".join(output.get("text", "") for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs)
    assert "mIoU .tflite" in text
    for made in MADE[path.stem]:
        assert (run / made).is_file()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_outputs(path):
    for cell in nbformat.read(path, as_version=4).cells:
        assert cell.cell_type != "code" or (not cell.outputs and cell.execution_count is None)


def colab_python():
    candidates = [shutil.which("python3.13"), *sorted(Path.home().glob(".pyenv/versions/3.13.*/bin/python"))]
    for candidate in filter(None, candidates):
        version = [str(candidate), "-c", "import sys; print(sys.version_info[:2])"]
        if subprocess.run(version, capture_output=True, text=True).stdout.strip() == "(3, 13)":
            return str(candidate)
    pytest.skip("no Python 3.13, which Colab has, was found")


@pytest.mark.slow
@pytest.mark.install
def test_the_first_cells_install_what_the_rest_needs(tmp_path):
    interpreter = colab_python()
    source = tmp_path / "source"
    shutil.copytree(REPOSITORY / "kerasseg", source / "kerasseg", ignore=shutil.ignore_patterns("__pycache__"))
    for name in PACKAGE:
        shutil.copy(REPOSITORY / name, source)
    subprocess.run([interpreter, "-m", "venv", tmp_path / "colab"], check=True)
    python = tmp_path / "colab" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "wheel", "--quiet", "--no-deps", f"--wheel-dir={tmp_path}", source], check=True)
    (wheel,) = tmp_path.glob("kerasseg-*.whl")
    constraints = REPOSITORY / "constraints-colab.txt"
    packages = ["tensorflow", "keras", "numpy", "pillow", "matplotlib", "ipython"]
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-compile", "-c", constraints, *packages], check=True)

    empty = tmp_path / "empty"
    empty.mkdir()
    cells = [next(c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code").source for path in NOTEBOOKS]
    after = (
        "import importlib.metadata\n"
        "import ai_edge_litert, tensorflow_model_optimization\n"
        "import kerasseg\n"
        'kerasseg.build_model("tiny", size=(64, 64))\n'
        f'print("VERSIONS", *[name + "==" + importlib.metadata.version(name) for name in {packages[:5]}])\n'
    )
    script = tmp_path / "cells.ipy"
    script.write_text("\n\n".join([*cells, after]))
    environment = os.environ | {"KERASSEG": str(wheel)}
    done = subprocess.run(
        [python, "-m", "IPython", "--no-banner", script], cwd=empty, env=environment, capture_output=True, text=True
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("VERSIONS ")]
    assert lines, done.stdout + done.stderr
    wanted = {line.strip() for line in constraints.read_text().splitlines() if "==" in line}
    assert set(lines[0].split()[1:]) == wanted
