import numpy as np
import pytest

from kerasseg.data.partition import partition
from kerasseg.errors import InputError


def _split(sizes, *, val=0.2, test=0.0, seed=0, splits=None):
    names = [f"{group}_{i:03}" for group, size in sizes.items() for i in range(size)]
    splits = splits or [""] * len(names)
    found, said = partition(names, splits, val_fraction=val, test_fraction=test, seed=seed, group_by="^([^_]+)_")
    return found, said, names


@pytest.mark.parametrize("seed", range(6))
def test_a_group_that_is_most_of_the_data_is_not_drawn_for_val(seed):
    found, said, _ = _split({"x": 80, "y": 10, "z": 10}, seed=seed)
    assert found == ["train"] * 80 + ["val"] * 20
    assert said.endswith("kept together")


def test_shares_are_what_was_asked_on_average():
    random, val, test = np.random.default_rng(0), [], []
    for seed in range(200):
        sizes = {f"g{i}": int(size) for i, size in enumerate(random.integers(1, 15, 12))}
        found, _, names = _split(sizes, val=0.2, test=0.1, seed=seed)
        val.append(found.count("val") / len(found))
        test.append(found.count("test") / len(found))
        by_group = {}
        for name, split in zip(names, found, strict=True):
            assert by_group.setdefault(name.split("_")[0], split) == split
    assert np.mean(val) == pytest.approx(0.2, abs=0.01)
    assert max(val) < 0.25
    assert np.mean(test) == pytest.approx(0.1, abs=0.02)


def test_a_share_that_groups_cannot_make_is_said():
    found, said, _ = _split({"x": 50, "y": 50})
    assert found.count("val") == 50
    assert said.endswith("kept together; 20 were asked for val: groups are kept whole")


def test_groups_that_the_export_has_in_test_are_said():
    sizes = {"a": 10, "b": 10, "c": 10, "d": 10}
    found, said, _ = _split(sizes, splits=["test"] * 3 + ["train"] * 37)
    assert found[:10] == ["test"] * 3 + ["train"] * 7
    assert "kept together but for 7 pictures for train whose groups have others in the export's test split" in said
    with pytest.raises(InputError, match="in 2 groups, of which 2 have pictures in the export's test split, do not make train"):
        _split({"a": 2, "b": 2}, splits=["test", "train"] * 2)


def test_single_pictures_are_drawn_as_ever():
    names = [f"p{i}" for i in range(10)]
    found, _ = partition(names, [""] * 10, val_fraction=0.2, test_fraction=0.1, seed=3, group_by="")
    order = np.random.default_rng(3).permutation(10)
    assert [found[i] for i in order] == ["val"] * 2 + ["test"] + ["train"] * 7
