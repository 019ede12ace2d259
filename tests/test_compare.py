import json
import shutil

import pytest

from kerasseg.errors import InputError
from kerasseg.files import write_text
from kerasseg.reports import comparison, joining
from tests.conftest import assert_one_line, kerasseg, looked_at

pytestmark = pytest.mark.slow


def _copy(run, path, **settings):
    """A copy of a run directory that says it was trained with other settings."""
    shutil.copytree(run, path)
    stored = json.loads((path / "config.json").read_text())
    stored["config"] |= settings
    (path / "config.json").write_text(json.dumps(stored))
    return path


@pytest.fixture(scope="module")
def runs(short_run, short_int8, tmp_path_factory):
    """Three runs: two seeds of one row, of which the first has an int8 file, and another learning rate."""
    folder = tmp_path_factory.mktemp("compare")
    first = _copy(short_run, folder / "a")
    for path in (short_int8, short_int8.with_name("int8.tflite.json")):
        shutil.copy(path, first)
    return [first, _copy(short_run, folder / "b", seed=1), _copy(short_run, folder / "c", learning_rate=0.5)]


def _command(runs, *flags):
    return kerasseg("compare", f"--workdirs={','.join(map(str, runs))}", *flags)


def test_runs_become_rows_with_everything_that_is_known_of_them(runs, browser, tmp_path):
    result = _command(runs, f"--output_dir={tmp_path}", "--runs=2", "--pictures=2", "--pair=short,short")
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "compare.json").read_text())
    first, second = report["rows"]
    scored = json.loads((runs[0] / "report.json").read_text())["scores"]["miou"]
    assert [seed["seed"] for seed in first["seeds"]] == [0, 1]
    assert comparison.mious(first, "float") == [scored, scored]  # b is a copy of a
    assert len(comparison.mious(first, "int8")) == 1
    assert first["files"]["int8"]["latency"]["runs"] == 2
    assert first["files"]["int8"]["arena"]["total_bytes"] > 1000
    assert "files" not in second
    trained = json.loads((runs[0] / "report.json").read_text())["history"]
    one, two = (epoch["seconds"] for epoch in trained)
    last = trained[-1]["val_miou"]
    assert [seed["last_miou"] for seed in first["seeds"]] == [last, last]
    assert first["train_seconds"] == one + two > 0  # two epochs, whose median is their mean
    assert (first["parameters"], first["change"]) == (9_630, 0)
    assert "learning_rate" not in report["shared_settings"]
    assert "Float mIoU is over" not in comparison.markdown(report)  # every class is in the labels
    report["rows"][0]["seeds"][0]["float"]["miou_over"] = "5 of 6 classes; no pixel of ring in the labels"
    assert "Float mIoU is over 5 of 6 classes; no pixel of ring in the labels" in comparison.markdown(report)
    assert report["shared_settings"]["epochs"] == 2
    table = (tmp_path / "compare.md").read_text()
    assert table in result.stdout
    assert "Backbone weights: `none` for `short`." in table
    accuracy = f"{100 * scored:.2f} ± 0.00 % | {100 * last:.2f} ± 0.00 %"
    assert f"| `short`, learning_rate 0.001 | 96x96 | 9,630 | +0.00 % | 0.00 | {accuracy} |  | " in table
    header, *lines = (tmp_path / "compare.csv").read_text().splitlines()
    assert header.startswith("model,height,width,weights,parameters,macs,seeds,float_miou,float_miou_deviation,int8_miou")
    assert [line.split(",96,96,")[0] for line in lines] == ['"short, learning_rate 0.001"', '"short, learning_rate 0.5"']
    for name in ("tradeoffs.svg", "classes.svg", "pictures.png"):
        assert (tmp_path / name).stat().st_size > 1000
    for width in (390, 1400):
        tab = looked_at(browser, tmp_path / "compare.html", width=width, scheme="dark")
        assert tab.locator("table").first.locator("tr").count() == 3
        said = [tab.locator("svg title").nth(i).text_content() for i in range(tab.locator("svg title").count())]
        assert any(text.startswith("short, learning_rate 0.001: 0.00963 million parameters, ") for text in said)


def test_a_further_seed_joins_an_earlier_comparison(runs, tmp_path):
    flags = ("--runs=2", "--pictures=1")
    for name in ("first", "both"):  # with no pair of models to show, nothing is drawn there
        write_text(tmp_path / name / "classes.svg", "<svg>another's</svg>")
    before = {"shared_settings": {}, "rows": [], "files": ["compare.json", "classes.svg"]}
    write_text(tmp_path / "both" / "compare.json", json.dumps(before))  # so that classes.svg there is of a comparison before
    for result in (
        _command([runs[0]], f"--output_dir={tmp_path / 'first'}", *flags),
        _command([runs[1]], f"--output_dir={tmp_path / 'both'}", f"--earlier={tmp_path / 'first' / 'compare.json'}", *flags),
    ):
        assert result.returncode == 0, result.stderr
    first, both = (json.loads((tmp_path / name / "compare.json").read_text()) for name in ("first", "both"))
    (joined,) = both.pop("joined")
    assert (joined["model"], joined["seed"]) == ("short", 1)
    assert joined["commit"] == both["commit"]
    scores = json.loads((runs[1] / "report.json").read_text())["scores"]
    added = both["rows"][0]["seeds"].pop()
    assert (added["seed"], added["float"]) == (1, scores)
    assert both == first  # with its times
    assert (tmp_path / "first" / "classes.svg").is_file()
    assert not (tmp_path / "both" / "classes.svg").exists()
    assert "another's" not in (tmp_path / "first" / "compare.html").read_text()
    assert "Joined later, scored and not timed: seed 1 of `short` (float32, " in (tmp_path / "both" / "compare.md").read_text()


def _report(seed, *, settings, **row):
    row = {"model": "a", "size": [96, 96], "output_stride": 16, "weights": "none", "epochs": 2, "parameters": 7} | row
    return {
        "dataset": "shapes", "split": "val", "pictures": 4, "shared_settings": settings | {"seed": seed}, "commit": "c",
        "versions": {}, "cpu": "x", "rows": [row | {"backend": "torch", "seeds": [{"seed": seed}]}],
    }  # fmt: skip


def test_only_other_seeds_of_the_same_row_join():
    first = _report(0, settings={"learning_rate": 0.1, "precision": "mixed_bfloat16"})
    with pytest.raises(InputError, match="have learning_rate 0.5, the earlier comparison has 0.1"):
        joining.join(first, _report(1, settings={"learning_rate": 0.5}))
    with pytest.raises(InputError, match="the earlier comparison has 9"):
        joining.join(first | {"pictures": 9}, _report(1, settings={"learning_rate": 0.1}))
    with pytest.raises(InputError, match="has 0 rows a with size .*, output_stride 32"):
        joining.join(first, _report(1, settings={"learning_rate": 0.1}, output_stride=32))
    with pytest.raises(InputError, match="has seed 0 of a already"):
        joining.join(first, _report(0, settings={"learning_rate": 0.1}))
    for other in ([], {}, {"rows": []}):
        with pytest.raises(InputError, match=r"give a compare\.json"):
            joining.join(other, first)
    held = _report(1, settings={"learning_rate": 0.1, "holdout": "^a"})
    for earlier, later, words in (
        (first, held, r"have holdout \^a, the earlier comparison has none; "),
        (held, first, r"have holdout none, the earlier comparison has \^a; "),
    ):
        with pytest.raises(InputError, match=words):
            joining.join(earlier, later)
    both = joining.join(first, _report(1, settings={"learning_rate": 0.1, "precision": "float32"}))
    assert [[seed["seed"] for seed in row["seeds"]] for row in both["rows"]] == [[0, 1]]
    assert both["joined"][0]["precision"] == "float32"
    assert first["rows"][0]["seeds"] == [{"seed": 0}]  # the reports given stay as they are


def test_runs_of_other_data_or_settings_are_no_seeds_of_a_row():
    def scored(report, **more):
        row = report["rows"][0]
        return (
            report | {"rows": [row | {"seeds": [row["seeds"][0] | {"float": {"class_names": ["a", "b"], "miou": 0.5}}]}]} | more
        )

    first, second = (_report(seed, settings={"learning_rate": 0.1}) for seed in (0, 1))
    assert joining.join(scored(first, data={"fingerprint": "x"}), scored(second))  # one of before there were any
    other = scored(second)
    other["rows"][0]["seeds"][0]["float"]["class_names"] = ["b", "a"]
    for later, words in (
        (other, "have classes b, a, the earlier comparison has a, b"),
        (
            scored(second, data={"fingerprint": "y"}),
            "have validation pictures fingerprint y, the earlier .* fingerprint x",
        ),
        (scored(second, other_data=["val has 9 examples"]), "have other data val has 9 examples, .* has no other data"),
    ):
        with pytest.raises(InputError, match=words):
            joining.join(scored(first, data={"fingerprint": "x"}), later)
    # Settings in which the earlier rows differ stand in the rows.
    rows = [first["rows"][0] | {"settings": {"color": color}} for color in (0.2, 0.0)]
    both = joining.join(first | {"rows": rows}, _report(1, settings={"learning_rate": 0.1, "color": 0.0}))
    assert [len(row["seeds"]) for row in both["rows"]] == [1, 2]
    assert comparison.labels(both["rows"]) == ["a, color 0.2", "a, color 0.0"]
    with pytest.raises(InputError, match="have color 0.5, the earlier comparison has 0.2"):
        joining.join(first | {"rows": rows}, _report(1, settings={"learning_rate": 0.1, "color": 0.5}))


def test_on_other_data_float_is_scored_there_too(runs, tmp_path):
    """A run whose report and whose data are of another day."""
    run = _copy(runs[0], tmp_path / "run")
    report = json.loads((run / "report.json").read_text())
    expected = report["scores"]["miou"]
    report["scores"]["miou"] = 0.987
    write_text(run / "report.json", json.dumps(report))
    stored = json.loads((run / "config.json").read_text())
    stored["data"]["val"]["fingerprint"] = "0"
    write_text(run / "config.json", json.dumps(stored))
    flags = (f"--output_dir={tmp_path / 'out'}", "--runs=2", "--pictures=1")
    assert_one_line(_command([run], *flags), "give the --data_dir of that data, or --other_data")
    result = _command([run], *flags, "--other_data")
    assert result.returncode == 0, result.stderr
    found = json.loads((tmp_path / "out" / "compare.json").read_text())["rows"][0]["seeds"][0]
    assert found["float"]["miou"] == expected
    assert "last_miou" not in found
    for name in ("compare.md", "compare.html"):
        text = (tmp_path / "out" / name).read_text()
        assert "Scored on other data than the runs were trained on: val has pictures of other names or sizes." in text


def test_somebody_elses_files_stay(runs, tmp_path):
    for name in ("compare.json", "pictures.png", "compare.csv"):
        folder = tmp_path / name
        write_text(folder / name, "{}")
        assert_one_line(
            _command([runs[0]], f"--output_dir={folder}"), f"{name} would be written over, and kerasseg compare did not"
        )
        assert [path.name for path in folder.iterdir()] == [name]


def test_what_cannot_be_compared_is_one_line(runs, short_run, tmp_path):
    output = f"--output_dir={tmp_path / 'out'}"
    assert_one_line(kerasseg("compare", output), "--workdirs or --output_dir is missing")
    assert_one_line(_command([tmp_path], output), "is no run directory")
    unfinished = _copy(short_run, tmp_path / "unfinished")
    (unfinished / "report.json").unlink()
    assert_one_line(_command([unfinished], output), "is not finished (no report.json)")
    other = _copy(short_run, tmp_path / "other", dataset="camvid")
    assert_one_line(_command([runs[0], other], output), "has data set camvid", "has shapes; compare runs on the same data")
    held = _copy(short_run, tmp_path / "held", holdout="^a", seed=5)
    assert_one_line(_command([runs[0], held], output), "has holdout ^a", "has none; compare runs on the same data")
    elsewhere = {"backbone_weights": "/elsewhere/small.npz"}
    twice = [
        _copy(short_run, tmp_path / "here", backbone_weights="/here/small.npz"),
        _copy(short_run, tmp_path / "e", **elsewhere),
    ]
    assert_one_line(_command(twice, output), "have the same settings and seed; give one of them")
    bare = _copy(runs[0], tmp_path / "bare")
    (bare / "best.weights.h5").unlink()
    assert_one_line(_command([bare], output), "has no trained weights (best.weights.h5); finish")
    stale = _copy(runs[0], tmp_path / "stale")
    shutil.copy(stale / "int8.tflite.json", stale / "best.weights.h5")
    assert_one_line(_command([stale], output), "int8.tflite was made from other weights than the best of")
    assert_one_line(_command([runs[0], runs[0]], output), "have the same settings and seed; give one of them")
    assert not (tmp_path / "out").exists()


def test_what_two_backends_trained_has_a_row_each(short_run, tmp_path):
    """Seed by seed as everywhere, beside those of the same backend."""
    found = []
    for name, backend, seed in (("a", "tensorflow", 0), ("b", "torch", 0), ("c", "torch", 1)):
        run = _copy(short_run, tmp_path / name, seed=seed)
        write_text(run / "report.json", json.dumps(json.loads((run / "report.json").read_text()) | {"backend": backend}))
        found.append(run)
    result = _command(found, f"--output_dir={tmp_path / 'out'}", "--runs=2", "--pictures=1")
    assert result.returncode == 0, result.stderr
    rows = json.loads((tmp_path / "out" / "compare.json").read_text())["rows"]
    assert [[seed["seed"] for seed in row["seeds"]] for row in rows] == [[0], [0, 1]]
    assert comparison.labels(rows) == ["short, backend tensorflow", "short, backend torch"]


def test_splits_are_told_apart_by_what_both_know():
    one = {"examples": 7, "fingerprint": "x", "contents": "y"}
    for other, alike in (
        (one, True), ({"examples": 7, "fingerprint": "x"}, True), (None, True), (one | {"contents": "z"}, False),
        (one | {"examples": 8}, False),
    ):  # fmt: skip
        first, second = joining.told_apart(one, other)
        assert (first == second) == alike
    assert joining.told_apart(one, one | {"contents": "z"})[1] == "examples 7, fingerprint x, contents z"


def test_the_pareto_front_by_hand():
    # Cost and score: 1 at cost 1 is the cheapest; 3 at 2 is better; 2 at 3 costs more and is worse; of the equal two at 4 the
    # first stays; 3 at 1.5 costs less than 3 at 2, which therefore goes.
    points = [(2, 3), (1, 1), (3, 2), (4, 5), (4, 5), (1.5, 3)]
    assert comparison.pareto(points) == [1, 5, 3]
    assert comparison.pareto([]) == []


def test_latency_stands_beside_the_score_of_its_own_file():
    def scores(**mious):
        return {recipe: {"miou": miou} for recipe, miou in mious.items()}

    row = {
        "model": "a", "parameters": 2_000_000, "macs": {"total": 3e9},
        "seeds": [scores(float=0.5, int8=0.4), scores(float=0.7)],
        "files": {"float32": {"latency": {"median_ms": 9.0}}, "int8": {"latency": {"median_ms": 4.0}}},
    }  # fmt: skip
    found = comparison.tradeoffs({"rows": [row]})
    # Means over seeds: float (0.5 + 0.7) / 2, int8 of the one seed that has it.
    assert found == {
        "million parameters": [("a", 2.0, 0.6)], "GMAC": [("a", 3.0, 0.6)], "int8 latency, ms": [("a", 4.0, 0.4)],
    }  # fmt: skip


def test_the_classes_of_a_row_are_means_over_its_seeds():
    names = ["sky", "car", "pole"]
    one = {"class_names": names, "iou": [0.9, 0.5, None], "miou": 0.7}
    other = {"class_names": names, "iou": [0.8, 0.1, 0.3], "miou": 0.4}
    found = comparison.class_means({"seeds": [{"float": one}, {"float": other}]})
    assert found["class_names"] == names
    assert found["iou"][:2] == pytest.approx([0.85, 0.3])
    assert found["iou"][2] is None  # a class one seed has no pixel of has no mean over both
    assert found["miou"] == pytest.approx(0.55)
    assert comparison.class_means({"seeds": [{"float": one}]}) == one
