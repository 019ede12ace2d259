import dataclasses

import numpy as np
import pytest
from PIL import Image

from kerasseg.int8 import noise
from kerasseg.mcu import memory
from kerasseg.reports import coloring, fonts, plots
from kerasseg.score import metrics
from tests.conftest import command, write_picture

NAMES = ("background", "disc", "box")


def test_colours_and_errors():
    labels = np.array([[0, 1, 255]], np.uint8)
    colors = coloring.colorize(labels, NAMES)
    assert tuple(colors[0, 0]) == (0, 0, 0)
    assert tuple(colors[0, 2]) == coloring.UNLABELLED
    shown = coloring.errors(labels, np.array([[0, 2, 1]], np.uint8))
    assert [tuple(pixel) for pixel in shown[0]] == [coloring.RIGHT, coloring.WRONG, coloring.UNLABELLED]
    half = coloring.overlay(np.full((1, 3, 3), 200, np.uint8), labels, NAMES)
    assert tuple(half[0, 0]) == (100, 100, 100)  # black and 200, half and half


def _grey(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("L"))


def test_figures_are_written(tmp_path):
    matrix = np.array([[5, 1, 0], [0, 3, 0], [0, 0, 0]])
    scores = metrics.scores(matrix, np.zeros((4, 4), int), class_names=NAMES, pictures=1)
    plots.confusion(scores, path=tmp_path / "confusion.png")
    rows = [(np.zeros((20, 30, 3), np.uint8), np.zeros((20, 30), np.uint8), np.ones((20, 30), np.uint8))] * 2
    plots.sheet(rows, class_names=NAMES, path=tmp_path / "sheet.png")
    plots.save_legend(NAMES, path=tmp_path / "legend.png")
    found = [dataclasses.asdict(noise.Noise(f"t{i}", f"layer{i}", "CONV_2D", 40.0 - i, 1.0 + i % 5)) for i in range(30)]
    plots.noise(found, path=tmp_path / "noise.png")
    for name in ("confusion", "sheet", "legend", "noise"):
        picture = _grey(tmp_path / f"{name}.png")
        assert picture.min() < 100 < picture.max()  # neither blank nor black


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """A function that lets these fonts, name -> letters, be the only ones beside Matplotlib's own."""

    def only(letters):
        own, read = fonts._own(), fonts._letters
        paths = {name: str(write_picture(tmp_path / f"{name}.png", np.zeros((1, 1), np.uint8))) for name in letters}
        there = {path: frozenset(letters[name]) for name, path in paths.items()}
        entries = [fonts.font_manager.FontEntry(fname=path, name=name) for name, path in paths.items()]
        monkeypatch.setattr(fonts, "_own", lambda: own)
        monkeypatch.setattr(fonts, "_letters", lambda path: there.get(path) or read(path))
        monkeypatch.setattr(fonts.font_manager.fontManager, "ttflist", entries)
        fonts._families.cache_clear()

    yield only
    fonts._families.cache_clear()


def test_letters_get_a_font_that_has_them(installed):
    installed({"Some": "道", "Most": "道路", "Last Resort": "道路도"})
    assert fonts._families(frozenset("도道路")) == (("Most",), frozenset("도"))


def test_letters_that_no_font_has_are_named(installed, tmp_path):
    plots.save_legend(("Straße", "✓"), path=tmp_path / "known.png")  # in Matplotlib's own font
    installed({})
    with pytest.warns(UserWarning, match="legend.png: no font here has 路道; install one, such as Noto Sans CJK"):
        plots.save_legend(("道路",), path=tmp_path / "legend.png")


def test_the_memory_figure_names_the_peak_and_is_the_same_each_time(tmp_path):
    found = [
        dataclasses.asdict(memory.Live("CONV_2D", name, size * 1024, ((name, (1, size, 32, 32), size * 1024),)))
        for name, size in (("stem", 20), ("block", 50), ("logits", 10))
    ]
    for name in ("one.svg", "two.svg"):
        plots.memory(found, path=tmp_path / name)
    text = (tmp_path / "one.svg").read_text()
    assert "block (CONV_2D): 50 KiB" in text
    assert text == (tmp_path / "two.svg").read_text()


def test_figures_of_a_comparison(tmp_path):
    panels = {"GMAC": [("small", 1.0, 0.5), ("large", 10.0, 0.7), ("worse", 12.0, 0.6)], "int8 latency, ms": []}
    plots.tradeoffs(panels, path=tmp_path / "tradeoffs.svg")
    text = (tmp_path / "tradeoffs.svg").read_text()
    assert all(f">{word}</text>" in text for word in ("small", "large", "worse", "GMAC", "Pareto front"))
    assert "<title>worse: 12 GMAC, 60.00 %</title>" in text  # said when pointed at
    assert all(f">{cost}</text>" in text for cost in (1, 5, 10))  # plain numbers, not powers of ten
    assert "latency" not in text  # a panel without points is left out
    scored = {"class_names": list(NAMES), "iou": [0.9, None, 0.25], "miou": 0.575}
    plots.class_iou([("full", scored), ("sliced", scored)], path=tmp_path / "classes.svg")
    text = (tmp_path / "classes.svg").read_text()
    assert all(f">{word}</text>" in text for word in ("full, mIoU 57.5 %", "90", "25", "disc"))
    labels = np.zeros((20, 30), np.uint8)
    row = (np.zeros((20, 30, 3), np.uint8), labels, [labels + 1, labels + 2, labels, labels])  # six panels: two lines
    plots.segmented([row, row], names=["a", "b", "c", "d"], class_names=NAMES, path=tmp_path / "segmented.png")
    picture = _grey(tmp_path / "segmented.png")
    assert picture.min() < 100 < picture.max()


def test_points_of_the_tradeoffs_are_told_apart():
    assert len({tuple(plots._look(i).values()) for i in range(40)}) == 40


def test_a_notebooks_own_plots_stay_its_own(tmp_path):
    """Importing and drawing change neither Matplotlib's settings nor where pyplot shows what it draws."""
    code = (
        "import sys; from pathlib import Path; import matplotlib; before = dict(matplotlib.rcParams)\n"
        "from kerasseg.reports import plots; plots.save_legend(('a$b$',), path=Path(sys.argv[1]))\n"
        "assert dict(matplotlib.rcParams) == before"
    )
    result = command("-c", code, tmp_path / "legend.svg")
    assert result.returncode == 0, result.stderr
    assert ">a$b$</text>" in (tmp_path / "legend.svg").read_text()
