import io
import json
import tarfile

import numpy as np
import pytest

from kerasseg.data import load_dataset, packing, shards, tars
from kerasseg.errors import InputError
from tests.conftest import assert_one_line, folder_dataset, kerasseg, write_picture


@pytest.fixture
def packed(tmp_path):
    """Five pictures for train in two tars, five for val in two."""
    folder = load_dataset("folder", data_dir=str(folder_dataset(tmp_path / "data", count=5)))
    pairs = {name: split.read.found for name, split in folder.splits.items()}
    assert packing.pack(tmp_path / "shards", pairs, count=2, class_names=folder.class_names) == {"train": 2, "val": 2}
    return tmp_path / "shards", pairs, folder


def _load(root):
    return load_dataset("shards", data_dir=str(root))


def _assert_same(dataset, folder):
    assert dataset.class_names == folder.class_names
    for name, split in dataset.splits.items():
        theirs = {example.name: example for example in folder.split(name).examples()}
        assert sorted(split.names) == sorted(theirs)
        for i, example in enumerate(split.examples()):
            np.testing.assert_array_equal(example.image, theirs[example.name].image)
            np.testing.assert_array_equal(example.labels, theirs[example.name].labels)
            assert split.size_of(i) == (40, 60)
            there = folder.split(name)
            assert split.read.ends(i) == there.read.ends(there.names.index(example.name))  # the very files


def test_shards_hold_what_the_folder_holds_with_and_without_an_index(packed):
    root, _, folder = packed
    _assert_same(_load(root), folder)
    for path in root.rglob("0*.json"):
        path.unlink()
    _assert_same(_load(root), folder)


def test_any_tar_reader_finds_webdatasets_names(packed):
    with tarfile.open(packed[0] / "train" / "00000.tar") as opened:
        # Every second picture: p0, p2 and p4.
        assert opened.getnames() == [f"p{i}{suffix}" for i in (0, 2, 4) for suffix in (".png", ".seg.png")]
        assert opened.getmembers()[0].mtime == 0


def test_the_same_again_leaves_tars_alone_and_mends_what_was_half_written(packed):
    root, pairs, folder = packed
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in root.rglob("*.tar")}
    (root / "val" / "00001.tar").write_bytes(before[root / "val" / "00001.tar"][0][:700])
    packing.pack(root, pairs, count=2, class_names=folder.class_names)
    for path, (content, written) in before.items():
        assert path.read_bytes() == content
        assert (path.stat().st_mtime_ns == written) == (path.parent.name == "train" or path.name == "00000.tar")
    with pytest.raises(InputError, match="holds train/00001.tar, more tars than are asked; give the same --shards"):
        packing.pack(root, pairs, count=1, class_names=folder.class_names)


def test_dots_become_underscores_and_never_two_names_one(tmp_path):
    image = write_picture(tmp_path / "a.1.png", np.zeros((4, 4, 3), np.uint8))
    labels = write_picture(tmp_path / "l.png", np.zeros((4, 4), np.uint8))
    names = [("a.1", image, labels)]
    packing.pack(tmp_path / "one", {"train": names, "val": names}, count=1, class_names=("a", "b"))
    assert _load(tmp_path / "one").split("val").names == ("a_1",)
    with pytest.raises(InputError, match="two pictures of train differ in a dot alone"):
        packing.pack(tmp_path / "two", {"train": [*names, ("a_1", image, labels)]}, count=1, class_names=("a", "b"))


def _tar(path, *names):
    """A tar of grey pictures of these names."""
    encoded = io.BytesIO()
    from PIL import Image

    Image.fromarray(np.zeros((4, 4), np.uint8)).save(encoded, "PNG")
    with tarfile.open(path, "w") as opened:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(encoded.getvalue())
            opened.addfile(member, io.BytesIO(encoded.getvalue()))


def _without_index(root):
    (root / "train" / "00000.json").unlink()
    return root / "train" / "00000.tar"


def _another_of_the_same_length(root):
    """A tar of the same length whose members lie elsewhere."""
    tar = root / "train" / "00000.tar"
    content = tar.read_bytes()
    tar.write_bytes(content[512:] + content[:512])


WRONG = {
    "no tar": (lambda root: _without_index(root).write_bytes(b"x" * 2000), "00000.tar cannot be read as a tar"),
    "cut off": (lambda root: (tar := _without_index(root)).write_bytes(tar.read_bytes()[:900]), "cannot be read as a tar"),
    "another tar": (lambda root: _tar(root / "train" / "00000.tar", "a.png", "a.seg.png"), "00000.json was made of one with"),
    "moved": (_another_of_the_same_length, "00000.tar is not the tar that 00000.json was made of"),
    "no index": (lambda root: (root / "train" / "00000.json").write_text("[]"), "00000.json is no index of 00000.tar"),
    "no labels": (lambda root: _tar(_without_index(root), "a.png", "b.png", "b.seg.png"), "holds a.png of a; it must be one"),
    "no picture": (lambda root: _tar(_without_index(root), "a.seg.png"), "holds a.seg.png of a; it must be one picture"),
    "two pictures": (lambda root: _tar(_without_index(root), "a.jpg", "a.png", "a.seg.png"), "holds a.jpg, a.png, a.seg.png"),
    "a dot": (lambda root: _tar(_without_index(root), "a.1.png", "a.seg.png"), "holds a.1.png, a.seg.png of a"),
    "twice": (lambda root: _tar(_without_index(root), "a.png", "a.png", "a.seg.png"), "holds a.png twice"),
    "empty": (lambda root: _tar(_without_index(root)), "00000.tar holds no pictures"),
    "alike": (lambda root: _tar(_without_index(root), "p1.png", "p1.seg.png"), "are called alike; give each a name"),
    "packed": (lambda root: (root / "train" / "x.tar.gz").write_bytes(b""), "x.tar.gz is compressed"),
    "no val": (lambda root: (root / "val").rename(root / "valid"), "has no folder val; --data_dir must hold classes.json"),
    "no tars": (lambda root: [path.unlink() for path in (root / "val").iterdir()], "val holds no .tar"),
    "no classes": (lambda root: (root / "classes.json").unlink(), "has no classes.json; --data_dir must hold"),
    "other classes": (lambda root: (root / "classes.json").write_text('["a", "b"]'), "classes.json is not of the form"),
    "few classes": (lambda root: (root / "classes.json").write_text(json.dumps({"class_names": ["a", "b"]})), "class ids 2"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_one_line(packed, what):
    root, _, _ = packed
    spoil, words = WRONG[what]
    spoil(root)
    with pytest.raises(InputError, match=".") as caught:
        for split in _load(root).splits.values():
            list(split.examples())
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_prepare_packs_and_the_same_command_may_ask_for_it_later(tmp_path):
    for i in range(6):
        write_picture(tmp_path / "export" / "images" / f"p{i}.jpg", np.full((16, 16, 3), 40 * i, np.uint8))
        labels = np.zeros((16, 16), np.uint8)
        labels[:8] = 255
        write_picture(tmp_path / "export" / "masks" / f"p{i}.png", labels)
    flags = ["prepare", f"--source={tmp_path / 'export'}", f"--output_dir={tmp_path / 'data'}"]
    first = kerasseg(*flags)
    assert first.returncode == 0, first.stderr
    assert not (tmp_path / "data" / "shards").exists()
    result = kerasseg(*flags, "--shards=2")
    assert result.returncode == 0, result.stderr
    # 6 pictures, a fifth of them for val: 5 in two tars, 1 in one.
    assert "tars: 2 for train, 1 for val; train with --dataset=shards" in result.stdout
    assert json.loads((tmp_path / "data" / "prepare.json").read_text())["shards"] == {"train": 2, "val": 1}
    _assert_equal(_load(tmp_path / "data" / "shards"), load_dataset("folder", data_dir=str(tmp_path / "data")))
    assert_one_line(kerasseg(*flags, "--shards=1"), "more tars than are asked; give the same --shards")
    assert_one_line(kerasseg(*flags, "--shards=-1"), "--shards=-1 is too small")
    result = kerasseg("inspect", "--dataset=shards", f"--data_dir={tmp_path / 'data' / 'shards'}")
    assert "pictures, height x width: 16x16 (6)" in result.stdout


def _assert_equal(ours, theirs):
    assert ours.class_names == theirs.class_names
    for name, split in ours.splits.items():
        assert sorted(split.names) == sorted(theirs.split(name).names)


def test_shards_are_read_by_other_processes(packed):
    from kerasseg.config import TrainConfig
    from kerasseg.data.workers import Workers, crop

    split, config = _load(packed[0]).split("train"), TrainConfig(size=(16, 16))
    with Workers(split, config, count=1) as workers:
        ((image, labels),) = workers.crops([3], epoch=0)
    expected = crop(split, config, epoch=0, position=3)
    np.testing.assert_array_equal(image, expected[0])
    np.testing.assert_array_equal(labels, expected[1])
    assert isinstance(split.read, shards.ShardReader)


def test_a_tar_that_is_not_there_any_more_is_missed(packed):
    root, *_ = packed
    (root / "train" / "00000_stats.json").write_text('{"successes": 3}')  # as img2dataset leaves them
    _load(root)
    tar = root / "train" / "00001.tar"
    content = tar.read_bytes()
    tar.unlink()
    with pytest.raises(InputError, match="train holds 00001.json and not the tar beside it; fetch that again"):
        _load(root)
    tars.index_of(tar).unlink()
    with pytest.raises(InputError, match="train holds 1 tars, and classes.json says that 2 were written; fetch them again"):
        _load(root)
    # Cut between two examples: what is left would be a tar to every reader.
    tar.write_bytes(content)
    with tarfile.open(tar) as opened:
        tar_end = opened.getmembers()[2].offset
    tar.write_bytes(content[:tar_end])
    with pytest.raises(InputError, match="00001.tar cannot be read as a tar .no end mark: it was cut"):
        _load(root)
