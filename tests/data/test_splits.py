import numpy as np
import pytest

from kerasseg.data import cache, splits, tally
from kerasseg.errors import InputError
from tests.conftest import write_picture


def _split(count=20):
    def read(i):
        reads.append(i)
        return splits.Example(str(i), np.full((2, 2, 3), i, np.uint8), np.zeros((2, 2), np.uint8))

    reads = []
    return splits.Split(tuple(map(str, range(count))), read), reads


def test_examples_come_in_the_order_asked():
    split, _ = _split()
    assert [example.name for example in split.examples([5, 3, 19])] == ["5", "3", "19"]
    assert [int(example.name) for example in split.examples()] == list(range(20))


def test_a_count_reads_all_once_and_holds_what_fits():
    split, reads = _split()
    cache.plan([split], limit_bytes=10 * 16)  # an example is 2 * 2 * 3 + 2 * 2 = 16 bytes
    del reads[:]  # its sizes were looked at
    assert tally.count(split).names == list(split.names)
    assert sorted(reads) == list(range(20))
    assert split.cache.kept() == (10, 0)
    list(split.examples())
    assert len(reads) == 30


def test_a_count_of_some_knows_where_they_are():
    split, _ = _split(count=5)
    found = tally.count(split, positions=[0, 3])
    assert (found.names, found.positions, found.examples, found.whole) == (["0", "3"], [0, 3], 5, False)
    assert found.of_all()[:, 0].tolist() == [4, 0, 0, 4, 0]  # 2x2 pixels of id 0 in each that was read


def test_a_fingerprint_of_some_sizes_knows_all_names_and_opens_only_those():
    def size_of(i):
        opened.append(i)
        return sizes[i]

    sizes, opened = {i: (4, 4) for i in range(9)}, []
    split = splits.Split(tuple("abcdefghi"), lambda i: None, size_of)
    whole, some = split.fingerprint(), split.fingerprint(sizes=3)
    assert opened == [*range(9)]  # each once
    del opened[:]
    names = tuple("abcdefghi")
    assert splits.Split(names, lambda i: None, size_of).fingerprint(sizes=3) == some
    assert opened == [0, 4, 8]
    assert splits.Split(tuple("abcdefghj"), lambda i: None, size_of).fingerprint(sizes=3) != some
    sizes[5] = (4, 5)
    other = splits.Split(names, lambda i: None, size_of)
    assert (other.fingerprint(sizes=3), other.fingerprint() == whole) == (some, False)
    sizes[4] = (4, 5)
    assert splits.Split(names, lambda i: None, size_of).fingerprint(sizes=3) != some


def test_contents_know_a_changed_label_of_the_same_size_and_name(tmp_path):
    def read():
        found = [(str(i), tmp_path / f"{i}.png", tmp_path / f"{i}_labels.png") for i in range(5)]
        return splits.from_pairs(found, num_classes=3)

    for i in range(5):
        write_picture(tmp_path / f"{i}.png", np.full((8, 8, 3), i, np.uint8))
        write_picture(tmp_path / f"{i}_labels.png", np.full((8, 8), i % 3, np.uint8))
    before = [read().fingerprint(), read().contents(), read().contents(sizes=3)]
    assert before[1] == read().contents() != ""
    write_picture(tmp_path / "1_labels.png", np.full((8, 8), 2, np.uint8))
    after = [read().fingerprint(), read().contents(), read().contents(sizes=3)]  # the last of pictures 0, 2 and 4
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, True]
    assert splits.Split(("a",), lambda i: None).contents() == ""  # drawn ones, and those of a library, are no files
    (tmp_path / "4.png").unlink()
    with pytest.raises(InputError, match=r"no file .*4.png"):
        read().contents()


def test_several_that_cannot_be_read_are_counted_and_named():
    def read(i):
        if i % 3 == 1:
            raise InputError(f"bad {i}")
        return splits.Example(str(i), np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2), np.uint8))

    split = splits.Split(tuple(f"p{i}" for i in range(20)), read)
    with pytest.raises(
        ValueError, match="^7 of 20 pictures cannot be read: p1, p4, p7, p10, p13 and 2 more; the first: bad 1$"
    ):
        list(split.examples())
    with pytest.raises(ValueError, match="^bad 4$"):
        list(split.examples([3, 4, 5]))


def test_first_takes_no_more_than_there_are():
    split, _ = _split()
    assert len(split.first(3)) == 3
    assert len(split.first(0)) == 20
    with pytest.raises(ValueError, match="21 examples asked, the split has 20; ask for fewer"):
        split.first(21)


def test_a_choice_of_positions_is_a_split():
    split, _ = _split()
    assert split.evenly(3) == [0, 9, 19]
    assert split.evenly(50) == list(range(20))
    chosen = split.choose([7, 2])
    assert chosen.names == ("7", "2")
    assert [int(example.image[0, 0, 0]) for example in chosen.examples()] == [7, 2]


def test_image_and_labels_of_different_sizes_are_refused(tmp_path):
    image = write_picture(tmp_path / "i.png", np.zeros((4, 5, 3), np.uint8))
    labels = write_picture(tmp_path / "l.png", np.zeros((4, 6), np.uint8))
    split = splits.from_pairs([("a", image, labels)], num_classes=2)
    with pytest.raises(ValueError, match=r"i.png is 4x5 and .*l.png is 4x6 \(height x width\); .* must be of one size"):
        split[0]


def test_labels_are_counted_over_the_split():
    split, _ = _split(count=3)
    counts = split.count_labels()
    assert counts.shape == (3, 256)
    assert counts[:, 0].tolist() == [4, 4, 4]
    assert counts.sum() == 12
