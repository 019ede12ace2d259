import os

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import REPOSITORY

MADE = {
    "01_train": ["overlays/shapes_0_overlay.png"],
    "02_quantize": ["float32.tflite", "float16.tflite", "dynamic.tflite", "int8.tflite", "int8_qat.tflite", "check.png"],
    "03_microcontroller": ["int8.tflite", "micro/main.cc", "micro/report.html"],
}
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore")  # Jupyter's own: event loops, sockets, paths
def test_a_notebook_runs_from_top_to_bottom(path, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    environment = os.environ | {"EPOCHS": "1", "EXAMPLES": "8", "RUN": str(tmp_path / "run"), "MPLBACKEND": "agg"}
    NotebookClient(notebook, timeout=560, resources={"metadata": {"path": str(path.parent)}}).execute(env=environment)
    text = "".join(output.get("text", "") for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs)
    assert "mIoU .tflite" in text
    for made in MADE[path.stem]:
        assert (tmp_path / "run" / made).is_file()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_outputs(path):
    for cell in nbformat.read(path, as_version=4).cells:
        assert cell.cell_type != "code" or (not cell.outputs and cell.execution_count is None)
