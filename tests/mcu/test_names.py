from pathlib import Path

import pytest

from kerasseg.mcu import names


def test_a_name_that_cpp_does_not_take():
    for name in ("my-model", "2nd", "Model", "a b", ""):
        with pytest.raises(ValueError, match=f"{name!r} is no C\\+\\+ namespace here"):
            names.check_name(name)
    for name in ("class", "int", "std", "tflite", "main", "map", "setup", "app_main"):
        with pytest.raises(ValueError, match=f"{name!r} is a word of C\\+\\+, .*; give a name such as {name}_model"):
            names.check_name(name)


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("runs/a/Street-2", "street_2"),
        ("components/seg/", "seg"),
        ("2026 01", "model_2026_01"),
        ("int", "int_model"),
        ("time", "time_model"),  # of time.h
        ("Straße", "stra_e"),
        ("模型", "model"),
        ("/", "model"),
    ],
)
def test_the_name_of_a_folder_is_one_that_cpp_takes(folder, name):
    assert names.of_folder(Path(folder)) == name
    names.check_name(name)
