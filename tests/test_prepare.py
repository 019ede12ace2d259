import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerasseg import files
from kerasseg.data import formats, load_dataset
from kerasseg.data.formats import annotated
from kerasseg.errors import InputError
from tests.conftest import assert_one_line, kerasseg, write_picture
from tests.data import exports


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Format -> its export."""
    root = tmp_path_factory.mktemp("exports")
    for name, write in exports.WRITERS.items():
        write(root / name)
    return {name: root / name for name in exports.WRITERS}


def _prepared(source, folder, *flags):
    result = kerasseg("prepare", f"--source={source}", f"--output_dir={folder}", *flags)
    assert result.returncode == 0, result.stderr
    return load_dataset("folder", data_dir=str(folder)), json.loads((folder / "prepare.json").read_text()), result.stdout


@pytest.mark.parametrize("name", exports.WRITERS)
def test_label_maps_are_the_truth_to_the_pixel(sources, tmp_path, name):
    dataset, report, printed = _prepared(sources[name], tmp_path / "data")
    assert report["format"] == name
    assert f"{name} export of 5 pictures" in printed
    assert report["found"]["pictures"] == {split: len(examples) for split, examples in dataset.splits.items()}
    assert " id  class" in printed
    ids = np.array(exports.IDS.get(name, (0, 1, 2)), np.uint8)
    found = {}
    for split in dataset.splits.values():
        for example in split.examples():
            found[int(re.search(r"(?:^|[-_])(\d)(?:_|$)", example.name)[1])] = example
    assert sorted(found) == [0, 1, 2, 3, 4]
    for i, (image, labels, _) in enumerate(exports.SCENES):
        np.testing.assert_array_equal(found[i].image, image)
        np.testing.assert_array_equal(found[i].labels, ids[labels])
    if name in ("voc", "roboflow", "colors", "cityscapes", "ade20k"):
        assert {split: len(examples) for split, examples in dataset.splits.items()} == {"train": 3, "val": 2}
        assert "the splits are the export's" in report["notes"]
    else:
        assert {split: len(examples) for split, examples in dataset.splits.items()} == {"train": 4, "val": 1}


def _write(path, text):
    return lambda at: (at / path).write_text(text)


def _change(path, old, new):
    def damage(at):
        text = (at / path).read_text()
        assert old in text
        (at / path).write_text(text.replace(old, new, 1))

    return damage


def _name_of_lid(name):
    return _change("annotations/instances.json", '"name": "lid"', f'"name": "{name}"')


def _one_shape_more(kind, points):
    shape = f'{{"label": "lid", "shape_type": "{kind}", "points": {points}}}'
    return _change("1.json", '"shapes": [', f'"shapes": [{shape}, ')


def _commas(at):
    for split in ("train", "valid"):
        _change(f"{split}/_classes.csv", "1, box", '1, "box, red"')(at)


def _two(at):
    (at / "class_dict.csv").write_text("name,r,g,b\na,0,0,0\nb,1,1,1\n")


def _two_names(at):
    for split in ("train", "valid"):
        (at / split / "_classes.csv").write_text("Pixel Value, Class\n0, a\n1, b\n")


# Format, what is done to its export, flags, words of the one line.
DAMAGED = [
    ("coco", _write("annotations/instances.json", '{"annotations": [], "categories": [}'), "", "is not a readable JSON file"),
    ("coco", _change("annotations/instances.json", '"image_id": 10', '"image_id": 99'), "", "images that are not listed: 0"),
    ("coco", _change("annotations/instances.json", '"category_id": 14', '"category_id": 5'), "", "that are not listed"),
    ("coco", _change("annotations/instances.json", '"counts": [', '"counts": [9, '), "", "its runs are 2249 pixels"),
    ("coco", _change("annotations/instances.json", '"size": [40, 56]', '"size": [56, 40]'), "", "its size is [56, 40]"),
    ("coco", _change("annotations/instances.json", '"segmentation": [[', '"segmentation": [], "x": [['), "",
     "1 annotations have no outline but at most a box"),
    ("coco", _change("annotations/instances.json", '"file_name": "0.png"', '"file_name": "gone.png"'), "",
     "is called gone.png, which the annotations name"),
    ("coco", _change("annotations/instances.json", '"height": 40', '"height": 30'), "", "labels of 0 are 30x56"),
    ("coco", _name_of_lid("lid, red"), "", "{at} has a class 'lid, red'; a name in classes.txt has no comma"),
    ("coco", _name_of_lid("1: lid"), "", "{at} has a class '1: lid'; a name in classes.txt begins neither with # nor"),
    ("coco", _name_of_lid("#lid"), "", "rename it in the tool that exported it, or give --merge='NAME:#lid'"),
    ("coco", _name_of_lid("  "), "", "{at} has a class without a name (''); name it in the tool"),
    ("coco", _name_of_lid("a\\nb"), "", "{at} has a class 'a\\nb'; a name in classes.txt has no comma, line break"),
    ("labelme", _change("0.json", '"label": "box"', '"label": " "'), "", "0.json has a shape without a label; name it"),
    ("cvat_xml", _change("annotations.xml", 'box label="box"', 'box label=" "'), "", "{at} has a class without a name"),
    ("roboflow", _commas, "", "{at} has a class 'box, red'; a name in classes.txt has no comma"),
    ("colors", _change("class_dict.csv", "box,", '"box, red",'), "", "{at} has a class 'box, red'"),
    ("coco", _change("annotations/instances.json", '"categories": [', '"categories": [{"id": "x", "name": "cup"}, '), "",
     "the category ids of {at} are numbers and texts, x, 14, 7; write one kind"),
    *[
        ("coco", _change("annotations/instances.json", '"segmentation": [[', f'"segmentation": [[{value}, 1, '), "",
         f"the outline of annotation 0 cannot be read (a point lies at {shown}, 1.0); export it again")
        for value, shown in (("NaN", "nan"), ("-Infinity", "-inf"), ("1e300", "1e+300"))
    ],
    ("coco", _change("annotations/instances.json", '"height": 40', '"height": Infinity'), "", "is no COCO file (OverflowError"),
    *[
        ("labelme", _one_shape_more(kind, points), "", f"1.json: the {kind} called 'lid' cannot be read ({words}); mend it in")
        for kind, points, words in (
            ("polygon", "[[NaN, 1], [2, 2], [1, 3]]", "a point lies at nan, 1"),
            ("rectangle", "[[1, 1], [2, Infinity]]", "a point lies at 2, inf"),
            ("circle", "[[5, 5], [5, 5]]", "its radius is 0"),
            ("circle", "[[5, NaN], [5, 5]]", "a point lies at 5, nan"),
        )
    ],
    ("cvat_xml", _change("annotations.xml", "<polygon ", '<ellipse label="lid" cx="9" cy="9" rx="0" ry="4"/><polygon '), "",
     "the shapes of 0.png cannot be read (its radius is 0)"),
    ("cvat_xml", _change("annotations.xml", 'points="', 'points="nan,1;'), "", "cannot be read (a point lies at nan, 1.0)"),
    ("coco", _two, "", "could be coco (annotations/instances.json), colors (class_dict.csv); say which with --format"),
    ("labelme", _write("1.json", '{"shapes": [], "imagePath": 3}'), "", "1.json is no file of Labelme"),
    ("labelme", lambda at: (at / "1.png").unlink(), "", "nothing below {at} is called 1.png"),
    ("labelme", _change("0.json", '"imageData": "', '"imageData": "?'), "", "the picture inside {at}/0.json cannot be read"),
    ("labelme", _write("labels.txt", "box\n"), "", "labels.txt does not name lid"),
    ("cvat_xml", _change("annotations.xml", "</annotations>", ""), "", "is no readable XML"),
    ("cvat_xml", _change("annotations.xml", "0, 81", "0, 80"), "", "the runs of a mask are 80 pixels, its box has 81"),
    ("cvat_xml", _change("annotations.xml", "<image ", "<track/><image "), "", "has the tracks of a video"),
    ("voc", _change("labelmap.txt", "lid:51,221,255::", "lid:51,221,254::"), "", "does not: 51,221,255"),
    ("voc", lambda at: (at / "labelmap.txt").unlink(), "", "nothing that names their classes"),
    ("voc", _change("ImageSets/Segmentation/train.txt", "0\n", "9\n"), "", "names 9, which have no mask"),
    ("roboflow", _write("train/_classes.csv", "Pixel Value, Class\n0, background\n1, box\n"), "", "name other classes"),
    ("roboflow", _two_names, "",
     "has values 2 that no class has; known are 0, 1"),
    ("labelstudio", lambda at: next((at / "images").iterdir()).unlink(), "", "5 tasks have masks and 4 pictures are there"),
    ("labelstudio", lambda at: shutil.copy(*[at / f"task-20-annotation-{i}-by-1-tag-box-0.png" for i in (0, 7)]), "",
     "the tasks 20 were annotated more than once"),
    ("colors", _change("class_dict.csv", "lid,51,221,255\n", ""), "", "not: 51,221,255 (81 pixels)"),
    ("colors", lambda at: (at / "train" / "0.png").unlink(), "", "no picture belongs to the masks"),
    ("cityscapes", lambda at: (at / "gtFine/train/ulm/ulm_0_gtFine_labelIds.png").write_text("x"), "", "cannot be decoded"),
    ("ade20k", lambda at: write_picture(at / "annotations/training/ADE_0.png", np.full((40, 56), 151, np.uint8)), "",
     "has values 151 that no class has"),
    ("binary", lambda at: write_picture(at / "0_mask.png", np.arange(40 * 56, dtype=np.uint8).reshape(40, 56) % 9), "",
     "have the values 0, 1, 2, 3, 4, 5, 6, 7, 8, 30, 200 and nothing names them"),
    ("binary", lambda at: write_picture(at / "0_mask.png", np.full((20, 28), 30, np.uint8)), "", "or give --resize_masks"),
    ("binary", lambda at: None, "--format=index", "have the values 30, 200 and nothing names them"),
    ("index", lambda at: write_picture(at / "masks/0_seg.png", np.full((40, 56), 3, np.uint8)), "", "3 that no class has"),
    ("index", lambda at: None, "--format=coco", "is no coco export: it has not a .json with images"),
    ("index", lambda at: None, "--format=yolo", "unknown format 'yolo'; known are coco, labelme"),
    ("index", lambda at: None, "--classes=box,car", "--classes names 'car', the export has background, box, lid"),
    ("index", lambda at: None, "--merge=box", "--merge=box is no group"),
    ("index", lambda at: None, "--merge=box:lid,thing:box", "--merge makes classes box and makes another class of what is"),
    ("index", lambda at: None, "--merge=thing:box,other:box", "--merge puts box into thing and into other; write it once"),
    ("index", lambda at: None, "--ignore=box --classes=box,lid", "box is in --classes and in --ignore"),
    ("index", lambda at: None, "--ignore=box,lid", "names 1 classes"),
    ("index", lambda at: None, "--val_fraction=1", "leave nothing to train on"),
    ("voc", lambda at: None, "--group_by=(", "is no regular expression"),
    ("voc", lambda at: None, "--group_by=^(.) --val_fraction=0.3",
     "{at} has splits of its own, so that --val_fraction=0.3 --group_by=^(.) would do nothing; leave that out"),
    ("voc", lambda at: None, "--seed=1", "so that --seed=1 would do nothing"),
    ("voc", _change("ImageSets/Segmentation/validation.txt", "3\n4\n", ""), "--group_by=^x", "does not match 5 names"),
    ("voc", lambda at: (at / "ImageSets/Segmentation/validation.txt").rename(at / "ImageSets/Segmentation/test.txt"),
     "--test_fraction=0.2", "the export has a test split, so that test_fraction=0.2 would do nothing"),
    ("index", lambda at: None, "--group_by=(", "is no regular expression"),
    ("index", lambda at: None, "--group_by=^x", "does not match 5 names: 0, 1, 2, 3, 4"),
    ("index", lambda at: None, "--val_fraction=0.9 --test_fraction=0.09", "5 pictures in 5 groups do not make train and val"),
    ("index", lambda at: None, "--val_fraction=0", "do not make train and val with val_fraction=0.0"),
    ("index", lambda at: None, "--group_by=()", "5 pictures in 1 groups do not make train and val"),
    ("index", lambda at: None, "--seed=-1", "seed=-1 is out of range"),
    ("index", lambda at: shutil.rmtree(at / "masks"), "", "holds no export that is known. Looked for were coco: a .json"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "damage", "flags", "words"), DAMAGED, ids=[f"{i:02}-{row[0]}" for i, row in enumerate(DAMAGED)]
)
def test_what_cannot_be_understood_is_one_line(sources, tmp_path, name, damage, flags, words):
    at = shutil.copytree(sources[name], tmp_path / "export")
    damage(at)
    result = kerasseg("prepare", f"--source={at}", f"--output_dir={tmp_path / 'data'}", *flags.split())
    assert_one_line(result, words.replace("{at}", str(at)))
    assert not (tmp_path / "data" / "classes.txt").exists()
    if "a class" in words:  # before anything is written
        assert not (tmp_path / "data").exists()


def test_classes_are_picked_merged_ordered_and_left_out(sources, tmp_path):
    def ids(folder, *flags):
        dataset, report, _ = _prepared(sources["coco"], tmp_path / folder, *flags)
        example = dataset.split("train")[0]
        truth = exports.SCENES[int(example.name)][1]
        return dataset.class_names, [int(example.labels[truth == i][0]) for i in range(3)], report["notes"]

    names, found, notes = ids("picked", "--classes=lid")
    assert (names, found) == (("background", "lid"), [0, 0, 1])
    assert "box became background, too" in notes
    assert ids("ordered", "--classes=lid,background,box")[:2] == (("lid", "background", "box"), [1, 2, 0])
    assert ids("merged", "--merge=thing:box+lid")[:2] == (("background", "thing"), [0, 1, 1])
    names, found, notes = ids("ignored", "--ignore=lid")
    assert (names, found) == (("background", "box"), [0, 1, 255])
    assert "lid is 255 and does not count" in notes


def test_names_are_stripped_and_odd_ones_can_be_merged(sources, tmp_path):
    for name, (file, old, new) in {
        "labelme": ("0.json", '"label": "box"', '"label": "box "'),
        "cvat_xml": ("annotations.xml", 'box label="box"', 'box label=" box"'),
    }.items():
        at = shutil.copytree(sources[name], tmp_path / name)
        _change(file, old, new)(at)
        _, export = formats.read(at)
        assert export.class_names == exports.NAMES
        np.testing.assert_array_equal(export.pictures[0].draw() == 1, exports.SCENES[0][1] == 1)
    at = shutil.copytree(sources["coco"], tmp_path / "coco")
    _name_of_lid("1: lid")(at)
    dataset, _, _ = _prepared(at, tmp_path / "data", "--merge=lid:1: lid")
    assert dataset.class_names == exports.NAMES


def test_scenes_stay_together_and_a_test_split_is_drawn(tmp_path):
    for i in range(20):
        write_picture(tmp_path / "in" / "images" / f"drive{i // 4}_{i}.png", exports.SCENES[0][0])
        write_picture(tmp_path / "in" / "masks" / f"drive{i // 4}_{i}.png", exports.SCENES[0][1] // 2)
    flags = ("--group_by=drive(.)", "--test_fraction=0.2", "--seed=3")
    dataset, report, _ = _prepared(tmp_path / "in", tmp_path / "out", *flags)
    assert {name: len(split) for name, split in dataset.splits.items()} == {"train": 12, "val": 4, "test": 4}
    assert report["notes"][-1].endswith("5 groups by 'drive(.)' kept together")
    drives = [{name.split("_")[0] for name in split.names} for split in dataset.splits.values()]
    assert sum(map(len, drives)) == len(set().union(*drives)) == 5


def test_it_resumes_and_refuses_what_it_did_not_begin(sources, tmp_path):
    folder = tmp_path / "data"
    _, first, _ = _prepared(sources["binary"], folder)
    (folder / "classes.txt").unlink()  # as if it had been stopped before the end
    (folder / "labels" / "train" / "0.png").unlink(missing_ok=True)
    before = {path: path.stat().st_mtime_ns for path in (folder / "labels").rglob("*.png")}
    _, second, _ = _prepared(sources["binary"], folder)
    assert first == second
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    flags = ("prepare", f"--source={sources['binary']}", f"--output_dir={folder}")
    assert_one_line(kerasseg(*flags, "--seed=1"), "was prepared from another export or with other settings")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x").write_text("x")
    assert_one_line(
        kerasseg(*flags[:2], f"--output_dir={tmp_path / 'mine'}"), "is not empty and was not begun by kerasseg prepare"
    )
    for inside in ("data", ".", "images/../data"):
        place = sources["binary"] / inside
        assert_one_line(kerasseg(*flags[:2], f"--output_dir={place}"), f"{place} lies inside {sources['binary']}, where it")
        assert inside == "." or not place.exists()
    assert_one_line(kerasseg("prepare"), "--source or --output_dir is missing")
    assert_one_line(kerasseg("prepare", "--source=/nowhere", flags[2]), "no folder /nowhere")


def _one_more(at):
    write_picture(at / "a.png", exports.SCENES[0][0])
    (at / "a.json").write_text((at / "1.json").read_text().replace("1.png", "a.png"))


def _test_split(at):
    for name, stems in (("train", "0\n1\n"), ("validation", "3\n"), ("test", "2\n4\n")):
        (at / "ImageSets" / "Segmentation" / f"{name}.txt").write_text(stems)


# Format, what is changed in its export: an outline, the order of the classes, the pictures, masks, splits, a copied picture.
CHANGES = [
    ("labelme", _change("1.json", '"points": [[', '"points": [[-')),
    ("labelme", _change("1.json", '"label": "box"', '"label": "axle"')),
    ("labelme", _one_more),
    ("binary", lambda at: write_picture(at / "0_mask.png", np.full((40, 56), 30, np.uint8))),
    ("voc", _test_split),
    ("voc", _change("labelmap.txt", "box:250,50,83::\nlid:51,221,255::", "lid:51,221,255::\nbox:250,50,83::")),
    ("voc", lambda at: write_picture(at / "JPEGImages" / "0.png", exports.SCENES[1][0])),
]


def _tree(folder):
    """Path -> a link's target or a file's content, without what prepare keeps for itself."""
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.is_file() and path.read_bytes()
        for path in folder.rglob("*")
        if not path.name.startswith("prepare.")
    }


def _stopped(owner, name, after, *flags):
    """prepare, until a function was called so many times, as if it were killed then."""
    with pytest.MonkeyPatch.context() as patch:
        calls, function = [], getattr(owner, name)

        def counted(*arguments, **named):
            if len(calls) == after:
                raise KeyboardInterrupt
            calls.append(function(*arguments, **named))

        patch.setattr(owner, name, counted)
        assert kerasseg("prepare", *flags).returncode == 130


@pytest.mark.parametrize(
    ("name", "change", "stopped"),
    [(*row, None) for row in CHANGES]
    + [
        (*row, stopped)
        for row in (CHANGES[2], CHANGES[4])
        for stopped in (("write_bytes", 2), ("write_bytes", 4), ("unlink", 3))
    ],
)
def test_a_changed_export_is_prepared_as_if_for_the_first_time(sources, tmp_path, name, change, stopped):
    """There and back: what is new the first time is gone the second."""
    at, data = shutil.copytree(sources[name], tmp_path / "export"), tmp_path / "data"
    copied = ("--copy",) if name == "voc" else ()
    _prepared(at, data, *copied)
    for i, step in enumerate((change, lambda at: (shutil.rmtree(at), shutil.copytree(sources[name], at)))):
        step(at)
        if stopped:
            owner = {"unlink": Path, "write_bytes": files}[stopped[0]]
            _stopped(owner, *stopped, f"--source={at}", f"--output_dir={data}", *copied)
        _, report, printed = _prepared(at, data, *copied)
        _, afresh, _ = _prepared(at, tmp_path / f"fresh{i}", *copied)
        assert _tree(data) == _tree(tmp_path / f"fresh{i}")
        assert report == afresh
        assert stopped or "the export has changed" in printed


def test_nothing_of_the_users_is_lost_where_an_export_has_changed(sources, tmp_path):
    at, data = shutil.copytree(sources["labelme"], tmp_path / "export"), tmp_path / "data"
    flags = ("prepare", f"--source={at}", f"--output_dir={data}")
    _prepared(at, data)
    label = next((data / "labels" / "train").iterdir())
    written, painted = label.read_bytes(), write_picture(tmp_path / "p.png", np.ones((40, 56), np.uint8)).read_bytes()
    label.write_bytes(painted)
    _prepared(at, data)  # the same export: what was painted since stays
    assert label.read_bytes() == painted
    CHANGES[0][1](at)
    before = _tree(data)
    assert_one_line(kerasseg(*flags), f"1 files there were changed since: labels/train/{label.name}; give another --output_dir")
    assert _tree(data) == before
    label.write_bytes(written)
    mended = (at / "1.json").read_text()
    (at / "1.json").write_text(mended.replace('"points": [[', '"points": [[NaN, 1], ['))
    before = _tree(data)
    assert_one_line(kerasseg(*flags), "has 3 points; mend it in Labelme")  # seen before anything is removed
    assert _tree(data) == before
    (at / "1.json").write_text(mended)
    (data / "shards").mkdir()
    assert_one_line(kerasseg(*flags), "shards was packed before the export changed; remove it")
    (data / "shards").rmdir()
    mine = [data / kind / split / "a.png" for kind in ("images", "labels") for split in ("train", "val")]
    for path in mine:
        path.write_bytes(painted)
    _prepared(at, data)
    _one_more(at)
    assert_one_line(kerasseg(*flags), "a.png was not written by kerasseg prepare, which would write there; move it elsewhere")
    assert {path.read_bytes() for path in mine} == {painted}


def test_pictures_are_links_or_copies(sources, tmp_path):
    _prepared(sources["binary"], tmp_path / "links")
    _prepared(sources["binary"], tmp_path / "copies", "--copy")
    linked, copied = (next((tmp_path / kind / "images" / "val").iterdir()) for kind in ("links", "copies"))
    assert os.path.realpath(linked).startswith(str(sources["binary"].resolve()))
    assert not copied.is_symlink()
    assert copied.read_bytes() == linked.read_bytes()


def _notes_of_copies(folder, image, labels):
    """Prepares FOLDER/in, whose pictures are all one picture, and returns what is said of them."""
    (folder / "in" / "classes.txt").write_text("background\nbox\nlid\n")
    dataset, report, _ = _prepared(folder / "in", folder / "out")
    for split in dataset.splits.values():
        for example in split.examples():
            np.testing.assert_array_equal(example.image, image)
            np.testing.assert_array_equal(example.labels, labels)
    return report["notes"]


def test_exif_turns_pictures_and_the_outlines_that_were_drawn_on_them_lying(tmp_path):
    """Two pictures that lie on their side: the outlines of one are as it is stored, of the other as it is seen."""
    image, labels, _ = exports.SCENES[0]
    exif = Image.Exif()
    exif[274] = 6
    for name, mask in (("lying", np.rot90(labels)), ("seen", labels), ("straight", labels)):
        stored = np.rot90(image) if name != "straight" else image
        write_picture(tmp_path / "in" / "images" / f"{name}.png", stored, **({"exif": exif} if name != "straight" else {}))
        write_picture(tmp_path / "in" / "masks" / f"{name}.png", mask)
    notes = _notes_of_copies(tmp_path, image, labels)
    assert "lying: EXIF turns the picture, and its labels with it" in notes
    assert "seen: EXIF turns the picture, its labels were drawn on it as it is seen" in notes


@pytest.mark.parametrize("tells", ["stored", "seen", ""])
def test_a_picture_upside_down_follows_one_that_lies_on_its_side(tmp_path, tells):
    """Half a turn changes no size: how its labels were drawn says another picture of the export, or nobody."""
    image, labels, _ = exports.SCENES[0]
    for name, turns, orientation in (("over", 2, 3), ("side", 1, 6), ("straight", 0, 1)):
        exif = Image.Exif()
        exif[274] = orientation
        drawn = np.rot90(labels, turns if tells == "stored" else 0)
        if name != "side" or tells:
            write_picture(tmp_path / "in" / "images" / f"{name}.png", np.rot90(image, turns), exif=exif)
            write_picture(tmp_path / "in" / "masks" / f"{name}.png", drawn)
    notes = _notes_of_copies(tmp_path, image, labels)
    how = {
        "stored": "EXIF turns the picture, and its labels with it",
        "seen": "EXIF turns the picture, its labels were drawn on it as it is seen",
        "": "EXIF turns the picture; nothing tells whether its labels were drawn on it so: look at it",
    }[tells]
    assert f"over: {how}" in notes


def test_masks_of_another_size_are_resized_where_that_is_asked(sources, tmp_path):
    at = shutil.copytree(sources["binary"], tmp_path / "export")
    write_picture(at / "0_mask.png", np.kron(np.array([[30, 200]], np.uint8), np.ones((20, 14), np.uint8)))
    dataset, report, _ = _prepared(at, tmp_path / "data", "--resize_masks")
    (labels,) = (e.labels for split in dataset.splits.values() for e in split.examples() if e.name == "0")
    np.testing.assert_array_equal(labels, np.repeat([0, 1], 28)[None].repeat(40, 0))
    assert "0: labels resized from 20x28 to 40x56" in report["notes"]


def _renamed(folder):
    for path in [path for path in folder.rglob("*") if path.suffix == ".png"]:
        path.rename(path.with_name(f"b{path.name}"))
    for path in folder.rglob("*.txt"):
        if path.parent.name == "Segmentation":
            path.write_text("".join(f"b{line}\n" for line in path.read_text().split()))


@pytest.mark.parametrize("rename", [_renamed, lambda folder: None])
@pytest.mark.parametrize("name", ["voc", "colors", "roboflow"])
def test_several_folders_of_one_format_are_all_read(sources, tmp_path, name, rename):
    for task in ("one", "two"):
        shutil.copytree(sources[name], tmp_path / "in" / task)
    rename(tmp_path / "in" / "two")
    _, export = formats.read(tmp_path / "in")
    assert len(export.pictures) == len({one.name for one in export.pictures}) == 10
    assert export.class_names == exports.NAMES
    for one in export.pictures:
        labels = exports.SCENES[int(re.search(r"\d", Path(one.image).name)[0])][1]
        np.testing.assert_array_equal(one.draw(), labels)
    assert [one.split for one in export.pictures].count("val") == 4
    table = next((tmp_path / "in" / "two").rglob("*class*" if name != "voc" else "labelmap.txt"))
    table.write_text(table.read_text().replace("lid", "cup"))
    with pytest.raises(InputError, match=r"two.* and .*one.* name other classes, or in another order; export them together"):
        formats.read(tmp_path / "in")


def test_voc_folders_called_train_and_val_are_those_splits(sources, tmp_path):
    for split in ("train", "val"):
        shutil.copytree(sources["voc"], tmp_path / split)
        shutil.rmtree(tmp_path / split / "ImageSets")
    _, export = formats.read(tmp_path)
    assert [(one.name, one.split) for one in export.pictures[4:6]] == [("train__4", "train"), ("val__0", "val")]


def _two_names_of(name, at, names):
    """Annotations of two pictures by name, as three tools write them."""
    size = {"height": 40, "width": 56}
    if name == "labelme":
        for i, one in enumerate(names):
            content = {"imagePath": one, "shapes": [], "imageHeight": 40, "imageWidth": 56}
            (at / f"{i}.json").write_text(json.dumps(content))
    elif name == "coco":
        images = [{"id": i, "file_name": one} | size for i, one in enumerate(names)]
        content = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "box"}]}
        (at / "a.json").write_text(json.dumps(content))
    else:
        images = "".join(f'<image name="{one}" height="40" width="56"/>' for one in names)
        (at / "annotations.xml").write_text(f"<annotations>{images}</annotations>")


# Pictures that are there, what two annotations name, and which they get, or words of the one line.
NAMED = [
    (["camA/3.png", "camB/3.png"], ["camA/3.png", "camB/3.png"], ["camA/3.png", "camB/3.png"]),
    (["x/3.png", "x/4.png"], [r"C:\cam\3.png", "/home/me/4.png"], ["x/3.png", "x/4.png"]),
    (["3.png", "4.png"], ["3.png", "camB/3.png"], "no camB/3.png below {at}, which the annotations name, and 3.png is the"),
    (["3.png", "4.png"], ["camA/3.png", "camB/3.png"], "no camA/3.png below {at}, which the annotations name, and 3.png is"),
    (["x/3.png", "y/3.png", "4.png"], ["z/3.png", "4.png"], "no z/3.png below {at}, which the annotations name, and 2 files"),
    (["a/3.png", "b/3.png"], ["{at}/a/3.png", "{at}/b/3.png"], ["a/3.png", "b/3.png"]),
    (["4.png"], ["3.png", "4.png"], "nothing below {at} is called 3.png"),
]


@pytest.mark.parametrize("name", ["coco", "cvat_xml", "labelme"])
@pytest.mark.parametrize(("there", "names", "expected"), NAMED)
def test_a_picture_that_is_not_where_annotations_say(tmp_path, name, there, names, expected):
    for path in there:
        write_picture(tmp_path / path, np.zeros((40, 56, 3), np.uint8))
    names = [one.replace("{at}", str(tmp_path)) for one in names]
    _two_names_of(name, tmp_path, names)
    if isinstance(expected, str):
        with pytest.raises(InputError, match=re.escape(expected.replace("{at}", str(tmp_path)))):
            formats.read(tmp_path)
        return
    _, export = formats.read(tmp_path)
    assert [one.image for one in export.pictures] == [tmp_path / path for path in expected]
    said = "2 pictures are not where the annotations say, and were found by their names: "
    assert any(note.startswith(said) for note in export.notes) == (there[0] == "x/3.png")


@pytest.mark.parametrize("relative", [False, True])
def test_coco_may_name_pictures_by_their_whole_paths(sources, tmp_path, monkeypatch, relative):
    """Inside the export and elsewhere, two of them called alike, as the folder is given from the root and from here."""
    at = shutil.copytree(sources["coco"], tmp_path / "export")
    shutil.copytree(at / "images", tmp_path / "other")
    path = at / "annotations" / "instances.json"
    content = json.loads(path.read_text())
    for i, image in enumerate(content["images"]):
        image["file_name"] = str((tmp_path / "other" if i else at / "images") / image["file_name"])
    content["images"].append(content["images"][1] | {"id": 1, "file_name": str(at / "images" / "1.png")})
    path.write_text(json.dumps(content))
    monkeypatch.chdir(tmp_path)
    dataset, report, _ = _prepared("export" if relative else at, tmp_path / "data")
    names = {name for split in dataset.splits.values() for name in split.names}
    elsewhere = "__".join((tmp_path / "other" / "1").parts[1:])
    assert len(names) == 6
    assert {"images__0", "images__1", elsewhere} <= names
    assert report["export_sha256"] == _prepared(at, tmp_path / "data")[1]["export_sha256"]


@pytest.mark.parametrize(
    ("values", "ids", "note"),
    [
        ((0, 0), (0, 0), "the masks are 0 throughout: nothing is foreground"),
        ((255, 255), (1, 1), "0 is background, 255 is foreground"),
        ((0, 1), (0, 1), "0 is background, 1 is foreground"),
    ],
)
def test_binary_masks_of_one_value(tmp_path, values, ids, note):
    for i, value in enumerate(values):
        write_picture(tmp_path / f"{i}.png", exports.SCENES[i][0])
        write_picture(tmp_path / f"{i}_mask.png", np.full((40, 56), value, np.uint8))
    name, export = formats.read(tmp_path)
    assert (name, export.notes) == ("binary", (note,))
    assert [np.unique(one.draw()).tolist() for one in export.pictures] == [[i] for i in ids]


def test_label_studios_json_says_which_picture_a_task_was(sources, tmp_path):
    at = shutil.copytree(sources["labelstudio"], tmp_path / "export")
    pictures = sorted((at / "images").iterdir())
    tasks = [{"id": 20 + i, "data": {"image": f"/data/upload/1/{path.name}"}} for i, path in enumerate(pictures)]
    (at / "export.json").write_text(json.dumps(tasks))
    _, export = formats.read(at)
    assert [one.image for one in export.pictures] == pictures
    assert not export.notes
    (at / "export.json").write_text(json.dumps(tasks[:3]))
    with pytest.raises(ValueError, match="gives the tasks 23, 24 no picture that is there"):
        formats.read(at)
    (at / "export.json").write_text(json.dumps(tasks))
    shutil.copy(pictures[0], at / pictures[0].name)
    with pytest.raises(ValueError, match=f"several tasks or pictures are called {pictures[0].name}, and nothing says"):
        formats.read(at)
    (at / "export.json").write_text(json.dumps([*tasks[:4], tasks[4] | {"data": tasks[3]["data"]}]))
    with pytest.raises(ValueError, match=f"several tasks or pictures are called {pictures[3].name}, and nothing says"):
        formats.read(at)


def test_labelmes_circles_masks_lines_and_pictures_without_labels(tmp_path):
    import base64
    import io

    write_picture(tmp_path / "a.png", np.zeros((20, 30, 3), np.uint8))
    write_picture(tmp_path / "bare.png", np.zeros((20, 30, 3), np.uint8))
    stamp = io.BytesIO()
    Image.fromarray(np.array([[0, 255], [255, 255]], np.uint8)).save(stamp, "PNG")
    shapes = [
        {"label": "disc", "points": [[10, 10], [14, 10]], "shape_type": "circle"},
        {
            "label": "stamp",
            "points": [[25, 3], [26, 4]],
            "shape_type": "mask",
            "mask": base64.b64encode(stamp.getvalue()).decode(),
        },
        {"label": "edge", "points": [[0, 0], [5, 5]], "shape_type": "line"},
        {"label": "__ignore__", "points": [[0, 15], [3, 20]], "shape_type": "rectangle"},
    ]
    (tmp_path / "a.json").write_text(
        json.dumps({"shapes": shapes, "imagePath": "a.png", "imageData": None, "imageHeight": 20, "imageWidth": 30})
    )
    _, export = formats.read(tmp_path)
    assert export.class_names == ("background", "disc", "stamp")
    labels = export.pictures[0].draw()
    # Pixels whose centre is within 4 of (10, 10).
    y, x = np.mgrid[:20, :30] + 0.5
    np.testing.assert_array_equal(labels == 1, np.hypot(x - 10, y - 10) <= 4)
    assert np.argwhere(labels == 2).tolist() == [[3, 26], [4, 25], [4, 26]]
    assert (labels[15:, :3] == formats.IGNORED).all()
    assert export.notes == (
        "1 shapes enclose no area and are left out: a (line)",
        f"1 pictures have no .json and are left out: {tmp_path / 'bare.png'}",
    )


def test_a_polygon_holds_the_pixels_whose_centre_it_holds():
    """Against the crossing test of each centre, for polygons in general position, concave ones too."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        points = rng.uniform(-3, 24, (7, 2)).tolist()
        expected = np.zeros((18, 21), bool)
        for row in range(18):
            for column in range(21):
                x, y, inside = column + 0.5, row + 0.5, False
                for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True):
                    if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
                        inside = not inside
                expected[row, column] = inside
        np.testing.assert_array_equal(annotated.polygon(points, (18, 21)), expected)


def test_turned_boxes_and_ellipses():
    # A box of 4 x 2 around (5, 5), turned by 90 degrees, is one of 2 x 4.
    turned = annotated.polygon(annotated.rectangle([(3, 4), (7, 6)], turn=90), (10, 10))
    assert np.argwhere(turned).min(0).tolist() == [3, 4]
    assert np.argwhere(turned).max(0).tolist() == [6, 5]
    lying, standing = (annotated.ellipse((5, 5), (4, 2), (10, 10), turn=turn) for turn in (0, 90))
    np.testing.assert_array_equal(lying.T, standing)
    assert lying.sum() == pytest.approx(np.pi * 4 * 2, abs=3)


@pytest.mark.parametrize(
    ("name", "split"),
    [("train", "train"), ("valid", "val"), ("validation", "val"), ("train2017", "train"), ("val_labels", "val"),
     ("testannot", "test"), ("trainer", ""), ("images", ""), ("Training", "train")],
)  # fmt: skip
def test_folders_that_say_a_split(name, split):
    assert annotated.split_of(name) == split


def test_camvid_in_colours_comes_back_as_it_was(shared, tmp_path):
    """Real pictures, as colour masks with a class_dict.csv: the label maps equal SegNet's."""
    from kerasseg.data import labels

    source = shared / "data" / "camvid"
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(labels.CAMVID)] = labels.CAMVID_COLORS
    rows = [f"{name},{','.join(map(str, color))}" for name, color in zip(labels.CAMVID, labels.CAMVID_COLORS, strict=True)]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "class_dict.csv").write_text("\n".join(["name,r,g,b", *rows, "Void,0,0,0"]) + "\n")
    counts = {"train": 60, "val": 20}
    for split, count in counts.items():
        (tmp_path / "in" / split).mkdir()
        for path in sorted((source / f"{split}annot").iterdir())[:count]:
            (tmp_path / "in" / split / path.name).symlink_to(source / split / path.name)
            write_picture(
                tmp_path / "in" / f"{split}_labels" / path.name, palette[np.asarray(Image.open(path))], compress_level=1
            )
    dataset, report, _ = _prepared(tmp_path / "in", tmp_path / "out", "--ignore=Void")
    assert report["pictures"] == counts
    original = load_dataset("camvid", data_dir=str(source))
    assert dataset.class_names == original.class_names
    for split, count in counts.items():
        first = original.split(split).first(count)
        assert dataset.split(split).names == first.names
        for ours, theirs in zip(dataset.split(split).examples(), first.examples(), strict=True):
            np.testing.assert_array_equal(ours.labels, theirs.labels)
