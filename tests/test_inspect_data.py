import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from kerasseg.data import findings, health, load_dataset, tally
from tests.conftest import assert_one_line, folder_dataset, kerasseg, write_picture

COLORS = np.array([(30, 30, 30), (200, 60, 60), (60, 60, 220)])


def _scene(seed, *, exchanged=False):
    """Three bars whose colours tell their classes; `exchanged` labels two of them as each other."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3, dtype=np.uint8), 16)[None].repeat(40, 0)
    image = np.clip(COLORS[labels] + rng.integers(-15, 15, (*labels.shape, 3)), 0, 255).astype(np.uint8)
    return image, np.array([0, 2, 1], np.uint8)[labels] if exchanged else labels


def _bars(root, *, train=8, val=3):
    for split, count in (("train", train), ("val", val)):
        for i in range(count):
            image, labels = _scene(i + 100 * (split == "val"))
            write_picture(root / "images" / split / f"p{i}.png", image)
            write_picture(root / "labels" / split / f"p{i}.png", labels)
    (root / "classes.txt").write_text("floor\nbox\nlid\n")
    return root


def _inspect(root, *flags):
    result = kerasseg("inspect", "--dataset=folder", f"--data_dir={root}", *flags)
    return result, result.stdout


def _relabel(path, change):
    write_picture(path, change(np.asarray(Image.open(path))))


def test_the_table_counts_every_class_in_every_split(tmp_path):
    root = _bars(tmp_path / "data")
    _relabel(root / "labels" / "val" / "p0.png", lambda ids: np.where(ids == 2, 255, ids).astype(np.uint8))
    result, printed = _inspect(root)
    assert result.returncode == 0, result.stderr
    rows = [line.split() for line in printed.splitlines()]
    # 8 pictures of 40 x 48 in train, a third a class; 3 in val, of which one has no lid: 2 of 3 * 640 - 640.
    assert ["0", "floor", "5,120", "33.33%", "1,920", "37.50%", "11", "640"] in rows
    assert ["2", "lid", "5,120", "33.33%", "1,280", "25.00%", "10", "640"] in rows
    assert "pictures, height x width: 40x48 (11)" in printed
    assert "unlabelled: 0.00 % of train, 11.11 % of val" in printed
    assert printed.endswith("nothing is wrong that could be seen\n")


def _empty_split(root):
    for path in (root / "labels" / "val").iterdir():
        _relabel(path, lambda ids: np.full_like(ids, 255))


def _without(split, number):
    def spoil(root):
        for path in (root / "labels" / split).iterdir():
            _relabel(path, lambda ids: np.where(ids == number, 0, ids).astype(np.uint8))

    return spoil


def _two_values(root):
    (root / "classes.txt").write_text("floor\nbox\n")
    for path in (root / "labels").rglob("*.png"):
        _relabel(path, lambda ids: np.where(ids > 0, 255, 0).astype(np.uint8))


def _from_one(root):
    (root / "classes.txt").write_text("floor\nbox\nlid\nlamp\n")
    for path in (root / "labels").rglob("*.png"):
        _relabel(path, lambda ids: ids + np.uint8(1))


def _shared(root):
    for kind in ("images", "labels"):
        shutil.copy(root / kind / "train" / "p2.png", root / kind / "val" / "p1.png")


def _twice(root):
    for kind in ("images", "labels"):
        shutil.copy(root / kind / "train" / "p2.png", root / kind / "train" / "p5.png")


def _near(root):
    """A picture of val is one of train, resized, and another one of train, made brighter; what else there is are shapes."""
    shapes = load_dataset("shapes").split("train")
    for split, count, start in (("train", 8, 0), ("val", 3, 8)):
        for i in range(count):
            example = shapes[start + i]
            for kind, pixels in (("images", example.image), ("labels", example.labels % 3)):
                write_picture(root / kind / split / f"p{i}.png", pixels)
    for name, pixels in (
        ("p1", np.asarray(Image.fromarray(shapes[2].image).resize((160, 128)))),
        ("p2", np.clip(shapes[5].image * 1.2 + 10, 0, 255).astype(np.uint8)),
    ):
        write_picture(root / "images" / "val" / f"{name}.png", pixels)
        write_picture(root / "labels" / "val" / f"{name}.png", np.resize(np.arange(3, dtype=np.uint8), pixels.shape[:2]))


def _exchanged(root):
    write_picture(root / "labels" / "train" / "p4.png", _scene(4, exchanged=True)[1])


def _rare(root):
    (root / "classes.txt").write_text("floor\nbox\nlid\ndot\n")
    labels = _scene(0)[1].copy()
    labels[0, 0] = 3
    write_picture(root / "labels" / "train" / "p0.png", labels)


def _elsewhere(root):
    write_picture(root / "images" / "train" / "more" / "p.png", _scene(0)[0])
    write_picture(root / "images" / "loose.png", _scene(0)[0])


def _unread(root):
    (root / "images" / "train" / "p9.heic").write_bytes(b"x")
    (root / "train.txt").write_text("p0\n")


# What is done to a sound data set, whether it is an error, its name, words of its line.
SPOILED = [
    (_empty_split, True, "unlabelled", "every pixel of val is 255"),
    (_without("train", 2), True, "absent", "a class with no pixel in train, which cannot be learned: lid"),
    (_two_values, True, "two_values", "the labels hold 0 and 255 alone, and 255 means unlabelled here; kerasseg prepare makes"),
    (lambda r: _relabel(r / "labels/train/p1.png", lambda ids: ids[:20]), True, "sizes", "labels of another size than their"),
    (lambda r: _relabel(r / "labels/train/p1.png", lambda ids: ids + np.uint8(7)), True, "ids", "class ids 7 (640 pixels)"),
    (lambda r: (r / "images/val/p1.png").write_text("x"), True, "unreadable", "files that cannot be read, 1 of them"),
    (_without("val", 1), False, "absent_in_val", "no pixel in val, so that no score there speaks of them: box"),
    (_from_one, False, "from_one", "no pixel is of id 0, floor: do the ids begin at 1?"),
    (_shared, False, "shared", "1 pictures that are in two splits, so that a score there flatters: train/p2 = val/p1"),
    (_near, False, "near", "2 of 3 pictures of val show nearly what one in train shows"),
    (_twice, False, "twice", "1 pictures that are in one split more than once: train/p2 = train/p5"),
    (lambda r: _relabel(r / "labels/train/p3.png", lambda ids: np.full_like(ids, 255)), False, "unlabelled_pictures",
     "1 pictures of train are 255 throughout: p3"),
    (_exchanged, False, "exchanged", "1 label maps in which two classes have each other's colours: train/p4 (ids 1 and 2)"),
    (_rare, False, "rare", "less than 0.01 % of the labelled pixels: dot"),
    (_elsewhere, False, "elsewhere", "2 pictures lie where none are read: images/train/more/p.png, images/loose.png"),
    (_unread, False, "unread", "1 files have suffixes that are not read: images/train/p9.heic"),
    (_unread, False, "list_beside", "lists that are not read, since there are folders of the same splits: train.txt"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "is_error", "kind", "words"), SPOILED, ids=[row[2] for row in SPOILED])
def test_what_is_wrong_is_said(tmp_path, spoil, is_error, kind, words):
    root = _bars(tmp_path / "data")
    spoil(root)
    result, printed = _inspect(root)
    (line,) = (line for line in printed.splitlines() if line.startswith(("error (", "warning (")) and f"({kind})" in line)
    assert line.startswith("error" if is_error else "warning")
    assert words in line
    assert is_error == (kind in findings.ERRORS)
    if is_error or kind == "from_one":  # there, the first class has no pixel either
        assert_one_line(result, "of errors in folder", kind if is_error else "absent")
    else:
        assert result.returncode == 0, result.stderr


def test_all_problems_are_said_at_once_errors_first(tmp_path):
    root = _bars(tmp_path / "data")
    for spoil in (_shared, _unread, _without("val", 1)):
        spoil(root)
    for i in range(7):
        (root / "images" / "train" / f"p{i}.png").write_text("x")
    result, printed = _inspect(root)
    lines = [line for line in printed.splitlines() if line.startswith(("error (", "warning ("))]
    assert lines[0].startswith("error (unreadable): files that cannot be read, 7 of them; the first: ")
    assert lines[0].endswith(": p0, p1, p2, p3, p4 and 2 more")
    assert [line.split(" ")[0] for line in lines[1:]] == ["warning"] * (len(lines) - 1)
    assert len(lines) >= 4
    assert_one_line(result, "one kind of errors in folder, the first: unreadable")


def test_a_data_set_of_other_classes_in_vocs_layout_is_known(tmp_path):
    for i in range(4):
        image, labels = _scene(i)
        write_picture(tmp_path / "JPEGImages" / f"{i}.jpg", image)
        write_picture(tmp_path / "SegmentationClass" / f"{i}.png", labels)
    for split, names in (("train", "0\n1\n"), ("val", "2\n3\n")):
        (tmp_path / "ImageSets" / "Segmentation").mkdir(parents=True, exist_ok=True)
        (tmp_path / "ImageSets" / "Segmentation" / f"{split}.txt").write_text(names)
    result = kerasseg("inspect", "--dataset=voc2012", f"--data_dir={tmp_path}")
    assert "3 of PASCAL VOC's 21 classes occur: these seem to be other" in result.stdout
    assert "kerasseg prepare reads this layout with classes of your own" in result.stdout
    assert_one_line(result, "other_classes")


def test_report_and_page(tmp_path):
    root = _bars(tmp_path / "data")
    _exchanged(root)
    result, _ = _inspect(root, f"--output_dir={tmp_path / 'out'}", "--size=32,32")
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "out" / "inspect.json").read_text())
    assert report["pictures"] == {"train": 8, "val": 3}
    assert report["classes"][1] == {
        "id": 1, "class": "box", "pixels": {"train": 5120, "val": 1920}, "share": {"train": 1 / 3, "val": 1 / 3},
        "pictures": 11, "mean_area": 640.0,
    }  # fmt: skip
    assert report["findings"][0]["kind"] == "exchanged"
    page = (tmp_path / "out" / "inspect.html").read_text()
    assert page.count("<figure>") == 11 + 11 + 1  # every picture, its crop, and the suspicious one
    assert "train/p4 (ids 1 and 2)" in page
    assert "$" not in page.split("base64")[0]


def test_the_page_shows_every_class_that_occurs(tmp_path):
    """Of 60 pictures 24 are shown; two of the classes are in one picture each."""
    root = _bars(tmp_path / "data", train=57, val=3)
    (root / "classes.txt").write_text("floor\nbox\nlid\nlamp\nkey\n")
    for name, number in (("p41", 3), ("p17", 4)):
        _relabel(root / "labels" / "train" / f"{name}.png", lambda ids, n=number: np.where(ids == 2, n, ids).astype(np.uint8))
    _inspect(root, f"--output_dir={tmp_path / 'out'}")
    page = (tmp_path / "out" / "inspect.html").read_text()
    assert page.count("<figure>") == 24 + 24
    assert "train/p41<" in page
    assert "train/p17<" in page


def test_near_copies_are_counted_named_worst_first_and_shown(tmp_path):
    root = _bars(tmp_path / "data")
    _near(root)
    _, printed = _inspect(root, f"--output_dir={tmp_path / 'out'}", "--size=32,32")
    (line,) = (line for line in printed.splitlines() if line.startswith("warning (near)"))
    assert "kerasseg prepare --group_by=EXPRESSION or train --holdout=EXPRESSION: val/p" in line
    assert set(line.split("EXPRESSION: ")[1].split(", ")) == {"val/p1 ~ train/p2", "val/p2 ~ train/p5"}
    (found,) = (one for one in json.loads((tmp_path / "out" / "inspect.json").read_text())["findings"] if one["kind"] == "near")
    assert not found["error"]
    assert float(re.search(r"likeness (\d\.\d\d) at most", found["text"])[1]) > 0.95
    page = (tmp_path / "out" / "inspect.html").read_text()
    for name in ("val/p1", "train/p2", "val/p2", "train/p5"):
        assert f"near: {name}<" in page
    shutil.copy(root / "images" / "train" / "p5.png", root / "images" / "val" / "p2.png")  # the same to the pixel: `shared`
    _, printed = _inspect(root)
    assert "warning (shared): 1 pictures that are in two splits" in printed
    assert "warning (near): 1 of 3 pictures of val" in printed
    shutil.copy(root / "images" / "val" / "p0.png", root / "images" / "val" / "p1.png")
    assert "(near)" not in _inspect(root)[1]


def test_bad_usage_is_one_line(tmp_path):
    assert_one_line(kerasseg("inspect"), "--dataset is missing")
    assert_one_line(kerasseg("inspect", "--dataset=nothing"), "unknown dataset 'nothing'")
    assert_one_line(kerasseg("inspect", "--dataset=folder", f"--data_dir={tmp_path}"), "kerasseg prepare makes that of other")


def test_real_pictures_have_nothing_wrong(shared):
    dataset = load_dataset("camvid", data_dir=str(shared / "data" / "camvid"))
    found = health.examine(dataset, {name: tally.count(split) for name, split in dataset.splits.items()})
    (near,) = found.findings  # val is of a drive that train has, too
    assert near.kind == "near"
    assert len(near.files) > 10
    assert all(re.fullmatch(r"val/0016E5_\d+ ~ train/0016E5_\d+", pair) for pair in near.files)
    assert found.sizes() == [((360, 480), 468)]


def test_drawn_pictures_have_nothing_wrong():
    result = kerasseg("inspect", "--dataset=shapes")
    assert result.stdout.endswith("nothing is wrong that could be seen\n")


@pytest.mark.slow
def test_train_says_it_stops_on_errors_and_lets_pass_what_is_accepted(short, tmp_path):
    root = _bars(tmp_path / "data")
    flags = ["train", "--model=short", "--dataset=folder", f"--data_dir={root}", "--size=32,32", "--backbone_weights=none",
        "--epochs=1", f"--workdir={tmp_path / 'run'}"]  # fmt: skip
    _without("train", 2)(root)
    result = kerasseg(*flags)
    assert_one_line(result, "(absent): a class with no pixel in train", "--accept=absent")
    assert " id  class" in result.stdout
    assert not (tmp_path / "run").exists()
    assert_one_line(kerasseg(*flags, "--accept=lid"), "--accept=lid is unknown; give one of unlabelled, two_values, absent")
    assert_one_line(kerasseg(*flags, "--accept=ids"), "--accept=ids is unknown")
    assert kerasseg(*flags, "--accept=absent").returncode == 0
    with np.load(tmp_path / "run" / "labels.npz") as stored:
        assert stored["pixels"].shape == (8, 256)
        assert stored["pixels"].sum(0)[:4].tolist() == [10240, 5120, 0, 0]
    _without("val", 1)(root)
    result = kerasseg("evaluate", f"--workdir={tmp_path / 'run'}", "--other_data")
    assert "classes; no pixel of box in the labels" in result.stdout


@pytest.mark.slow
def test_fewer_pictures_than_a_batch_are_a_batch(short, tmp_path):
    root = folder_dataset(tmp_path / "data", count=5)
    flags = ["train", "--model=short", "--dataset=folder", f"--data_dir={root}", "--size=32,32", "--backbone_weights=none",
        "--epochs=1", f"--workdir={tmp_path / 'run'}"]  # fmt: skip
    assert_one_line(kerasseg(*flags, "--batch_size=8"), "5 training examples do not fill a batch of 8")
    result = kerasseg(*flags)
    assert result.returncode == 0, result.stderr
    assert "a batch is 5 images, as many as there are" in result.stdout
    assert json.loads((tmp_path / "run" / "config.json").read_text())["config"]["batch_size"] == 5
    result = kerasseg("convert", f"--workdir={tmp_path / 'run'}")
    assert "calibrating on 5 training pictures of folder, all there are" in result.stdout
