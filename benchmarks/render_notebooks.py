"""python benchmarks/render_notebooks.py: runs the notebooks and writes docs/notebooks/*.md with their outputs and pictures."""

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import MarkdownExporter

from kerasseg import cli, files
from kerasseg.config import setting

ROOT = Path(__file__).resolve().parent.parent
COLORS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class RenderOptions:
    """Runs every notebook in an empty folder, one after another, and keeps what it shows."""

    notebooks: tuple[str, ...] = setting((), "stems of those to run, in order; empty runs all")
    output: str = setting(str(ROOT / "docs" / "notebooks"), "folder to write", path=True)


def main(options: RenderOptions) -> None:
    folder = Path(options.output)
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    with tempfile.TemporaryDirectory() as empty:
        for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
            if options.notebooks and path.stem not in options.notebooks:
                continue
            notebook = nbformat.read(path, as_version=4)
            NotebookClient(notebook, timeout=3600, resources={"metadata": {"path": empty}}).execute()
            for cell in notebook.cells:
                for output in cell.get("outputs", ()):
                    if "text" in output:
                        output["text"] = _settled(output["text"]).replace(empty, "")
                if "outputs" in cell:
                    cell.outputs = [one for one in cell.outputs if one.get("name") != "stderr" and one.get("text", "-")]
            text, resources = MarkdownExporter().from_notebook_node(notebook, {"unique_key": path.stem})
            files.write_text(folder / f"{path.stem}.md", re.sub(r"\n{3,}", "\n\n", text))
            for name, content in resources["outputs"].items():
                files.write_bytes(folder / name, content)
            cli.say(f"wrote {path.stem}.md with {len(resources['outputs'])} pictures")


def _settled(text: str) -> str:
    """What a terminal shows at the end: a line that was written over and over, once; nothing of TensorFlow's own."""
    lines = (line.split("\r")[-1] for line in COLORS.sub("", text).splitlines())
    return "".join(f"{line}\n" for line in lines if line.strip() and "━" not in line and not line.startswith("INFO:"))


if __name__ == "__main__":
    cli.run(main)
