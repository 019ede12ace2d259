import pickle

import numpy as np
import pytest

from kerasseg.config import TrainConfig
from kerasseg.data import cache, holdout, load_dataset, load_for_run, packing
from kerasseg.errors import InputError
from tests.conftest import write_picture

NAMES = {"train": ("a_1", "a_2", "b_1", "b_2", "b_3", "c_1"), "val": ("b_8", "b_9", "c_9"), "test": ("b_7", "d_1")}


@pytest.fixture
def drives(tmp_path):
    """A `folder` data set whose pictures are called after scenes; each is one colour, by which it is known."""
    for split, names in NAMES.items():
        for name in names:
            number = 10 * (ord(name[0]) - ord("a")) + int(name[2])
            write_picture(tmp_path / "images" / split / f"{name}.png", np.full((8, 10, 3), number, np.uint8))
            write_picture(tmp_path / "labels" / split / f"{name}.png", np.arange(80, dtype=np.uint8).reshape(8, 10) % 2)
    (tmp_path / "classes.txt").write_text("floor\nbox\n")
    return tmp_path


def _loaded(root, expression, **more):
    return load_for_run(TrainConfig(dataset="folder", data_dir=str(root), holdout=expression, **more))


# Expression -> names of train and of val, and what is said.
HELD = [
    ("^b", ("a_1", "a_2", "c_1"), ("b_1", "b_2", "b_3", "b_8", "b_9"), "5 pictures, 3 of train and 2 of val, are val now"),
    ("^a_", ("b_1", "b_2", "b_3", "c_1"), ("a_1", "a_2"), "2 pictures, 2 of train and 0 of val, are val now"),
    ("_[89]$", NAMES["train"], NAMES["val"], "6 are left to train on, and 0 of val are unused"),
    ("a_1|c_9", ("a_2", "b_1", "b_2", "b_3", "c_1"), ("a_1", "c_9"), "and 2 of val are unused"),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "train", "val", "words"), HELD, ids=[row[0] for row in HELD])
def test_what_is_in_which_split(drives, expression, train, val, words):
    dataset = _loaded(drives, expression)
    assert {name: split.names for name, split in dataset.splits.items()} == {"train": train, "val": val, "test": NAMES["test"]}
    assert f"held out by {expression!r}: " in dataset.held
    assert words in dataset.held
    for split in dataset.splits.values():
        for i, example in enumerate(split.examples()):
            assert example.name == split.names[i]
            assert example.image[0, 0, 0] == 10 * (ord(example.name[0]) - ord("a")) + int(example.name[2])
            assert split.size(i) == (8, 10)


def test_nothing_is_held_out_unless_it_is_asked(drives):
    dataset = _loaded(drives, "")
    assert (dataset.split("train").names, dataset.split("val").names, dataset.held) == (NAMES["train"], NAMES["val"], "")


def test_limits_are_of_what_is_held_out_and_left(drives):
    dataset = _loaded(drives, "^b", train_examples=2, val_examples=4)
    assert dataset.split("train").names == ("a_1", "a_2")
    assert dataset.split("val").names == ("b_1", "b_2", "b_3", "b_8")


def test_what_is_held_out_can_be_kept_as_files_and_read_by_other_processes(drives):
    plain, held = _loaded(drives, ""), _loaded(drives, "^b")
    assert held.split("val").fingerprint() != plain.split("val").fingerprint()
    assert held.split("val").fingerprint() == _loaded(drives, "^b").split("val").fingerprint()
    split = held.split("val")
    cache.plan([split], limit_bytes=5 * 8 * 10 * 4 - 1)  # the files are as large as the pixels, or larger
    assert split.read.file_bytes(3) == sum((drives / kind / "val" / "b_8.png").stat().st_size for kind in ("images", "labels"))
    np.testing.assert_array_equal(split.read.decode(3, split.read.encoded(3)).image, split[3].image)
    read = pickle.loads(pickle.dumps(split.read))
    np.testing.assert_array_equal(read(4).image, plain.split("val")[1].image)


def test_shards_and_drawn_pictures_hold_out_alike(drives):
    folder = load_dataset("folder", data_dir=str(drives))
    pairs = {name: split.read.found for name, split in folder.splits.items()}
    packing.pack(drives / "shards", pairs, count=2, class_names=folder.class_names)
    config = TrainConfig(dataset="shards", data_dir=str(drives / "shards"), holdout="^b")
    dataset = load_for_run(config)
    assert sorted(dataset.split("val").names) == ["b_1", "b_2", "b_3", "b_8", "b_9"]
    assert sorted(dataset.split("train").names) == ["a_1", "a_2", "c_1"]
    drawn = load_for_run(TrainConfig(holdout="_0_000"))
    assert drawn.split("val").names == tuple(f"shapes_0_{i:04d}" for i in range(10))
    assert not hasattr(drawn.split("val").read, "encoded")
    np.testing.assert_array_equal(drawn.split("val")[3].image, load_dataset("shapes").split("train")[3].image)


REFUSED = [
    ("b_(", r"--holdout=b_\( is no regular expression \(.*\); write one such as '\^0001TP'"),
    ("^e", r"--holdout=\^e matches no name; there are a_1, a_2, b_1, b_2, b_3 and 1 more in train, b_8, b_9, c_9 in val"),
    ("d_1", "matches no name"),  # it is a name of test, which stays what it is
    ("_", "--holdout=_ matches all 6 pictures of train, so that none is left to train on"),
    ("x*", "matches all 6 pictures of train"),
]


@pytest.mark.parametrize(("expression", "words"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_cannot_be_held_out_is_refused(drives, expression, words):
    with pytest.raises(InputError, match=words):
        _loaded(drives, expression)


def test_two_pictures_of_one_name_are_not_held_out_together(drives):
    for kind in ("images", "labels"):
        (drives / kind / "val" / "b_8.png").rename(drives / kind / "val" / "b_1.png")
    with pytest.raises(InputError, match="--holdout=b_ matches b_1, and train and val have a picture of that name each; give"):
        _loaded(drives, "b_")
    assert _loaded(drives, "^a_").split("val").names == ("a_1", "a_2")


@pytest.mark.parametrize("name", ["oxford_iiit_pet", "cityscapes", "ade20k"])
def test_pictures_without_names_are_refused_before_anything_is_loaded(name):
    with pytest.raises(
        InputError, match=f"--holdout needs names, and the pictures of {name} have numbers alone; it takes shapes"
    ):
        load_for_run(TrainConfig(dataset=name, data_dir="/nowhere", holdout="1"))


def test_camvids_drives(shared):
    config = TrainConfig(dataset="camvid", data_dir=str(shared / "data" / "camvid"))
    whole = load_for_run(config)
    sizes = {}
    for drive in ("0001TP", "0006R0", "0016E5"):
        splits, _ = holdout.hold_out(whole.splits, f"^{drive}")
        train, val = splits["train"].names, splits["val"].names
        assert all(name.startswith(drive) for name in val)
        assert not any(name.startswith(drive) for name in train)
        assert set(train) < set(whole.split("train").names)
        sizes[drive] = (len(train), len(val))
    assert sizes == {"0001TP": (305, 62), "0006R0": (266, 101), "0016E5": (163, 305)}
