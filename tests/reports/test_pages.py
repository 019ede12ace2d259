import numpy as np
import pytest

from kerasseg.data import load_dataset, tally
from kerasseg.data.health import examine
from kerasseg.reports import coloring, pages
from kerasseg.reports.story import RunStory, Sample, Shown
from kerasseg.score import metrics
from tests.conftest import looked_at

# Names that HTML, a URL, Jinja, Matplotlib or JavaScript would take for something else.
NAMES = ("<b>bold</b>", "a$b$c", "{{ 7 * 7 }}", "</script><script>alert(1)</script>", 'quote" onload="x', "Straße & <i>")


def _scores(confusion, names=NAMES):
    matrix = np.array(confusion)
    boundary = np.zeros((len(names) + 1,) * 2, np.int64)
    return metrics.scores(matrix, boundary, class_names=names, pictures=12).to_json()


def _story(**more):
    rng = np.random.default_rng(0)
    samples = []
    for i in range(12):
        image = rng.integers(0, 256, (360, 480, 3), np.uint8)
        labels, preds = (np.repeat(np.arange(6, dtype=np.uint8), 60)[:, None].repeat(480, 1) for _ in range(2))
        colors = (coloring.colorize(ids, NAMES) for ids in (labels, preds))
        rank = ("worst", "median", "best")[i // 4]
        samples.append(Sample(rank, f"<p{i}>", i / 12, image, *colors, coloring.errors(labels, preds)))
    history = [{"epoch": e + 1.0, "loss": 1 / (e + 1), "learning_rate": 1e-3, "val_miou": e / 60 if e % 2 else None}
               for e in range(60)]  # fmt: skip
    confusion = 10 * np.eye(6, dtype=int)
    confusion[1, 3] = 30  # 30 of 40 pixels
    return RunStory(
        title="<a> on & 'b'", class_names=NAMES, commands=["kerasseg train --workdir='<x>'"], made_with="v <1>",
        history=history, scores=_scores(confusion), best_epoch=60, shown=samples, rule="Some.", **more,
    )  # fmt: skip


def test_a_story_reads_off_its_numbers():
    story = _story()
    assert story.curve("val_miou", 100)[:2] == [(2, 100 / 60), (4, pytest.approx(5.0))]
    assert story.confused() == [("a$b$c", NAMES[3], 0.75)]
    assert story.shares()[1] == [0, 0.25, 0, 0.75, 0, 0]
    many = RunStory("t", tuple(map(str, range(31))), [], "", scores=_scores(np.eye(31, dtype=int), tuple("x" * 31)))
    assert many.shares() == []


@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_a_run_in_a_browser(browser, tmp_path, width, scheme):
    page = tmp_path / "page.html"
    page.write_text(pages.run(_story()), encoding="utf-8")
    assert page.stat().st_size < 6e6
    tab = looked_at(browser, page, width=width, scheme=scheme)
    assert tab.evaluate("document.images.length") == 48
    assert tab.title() == "<a> on & 'b'"
    shown = tab.evaluate("[...document.querySelectorAll('.matrix th.up')].map(e => e.textContent)")
    assert shown == list(NAMES)  # as they are called, and nothing of them was taken for markup
    assert tab.evaluate("document.querySelectorAll('script, b > b, td i').length") == 0
    lightness = "getComputedStyle(document.body).backgroundColor"
    assert tab.evaluate(lightness) == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 24, 31)"}[scheme]
    point = tab.locator("svg.chart circle").first
    assert point.locator("title").text_content() == "epoch 1: 1"


def test_the_page_of_a_data_set_in_a_browser(browser, tmp_path):
    shapes = load_dataset("shapes").split("val").first(4)
    dataset = load_dataset("shapes")
    found = examine(dataset, {"train": tally.count(shapes), "val": tally.count(shapes)})
    shown = [Shown("<i>", shapes[0].image)]
    page = tmp_path / "page.html"
    page.write_text(pages.health(found, overlays=shown, crops=shown, suspicious=shown, size=(64, 64)), encoding="utf-8")
    for width in (390, 1400):
        tab = looked_at(browser, page, width=width, scheme="dark")
        assert "pictures that are in two splits" in tab.inner_text("body")
