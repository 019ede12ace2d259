from pathlib import Path

import pytest

from kerasseg.data import sources
from kerasseg.errors import InputError


def _touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return root


def _names(*arguments, **more):
    return [one.name for one in sources.find(arguments, **more)]


def test_a_videos_frames_lie_in_no_folder_of_pictures(tmp_path):
    _touch(tmp_path, "v.mp4", "v/000000.png", "w.mp4", "w.png", "x/deep/y.png", "x.avi", "z.mp4")
    assert sorted(_names(tmp_path)) == ["v.mp4", "v/000000", "w.mp4", "w.png", "x.avi", "x/deep/y", "z"]


def test_files_folders_patterns_and_a_camera(tmp_path, monkeypatch):
    _touch(tmp_path, "a/x.png", "a/deep/y.JPG", "a/film.mp4", "a/notes.txt", "b/x.png", "b/.hidden.png")
    monkeypatch.chdir(tmp_path)
    assert _names("a") == ["deep/y", "film", "x"]  # sorted, below the folder given
    assert _names("a", "b") == ["a/deep/y", "a/film", "a/x", "b/x"]
    assert _names("a/x.png", "b/x.png") == ["a/x", "b/x"]
    assert _names("a/x.png") == ["x"]
    assert _names("*/x.png", "a/*") == ["a/x", "b/x", "a/film"]
    assert _names("**/*.JPG") == ["y"]
    assert _names("a/x.png", "a", str(tmp_path / "a" / "x.png")) == ["x", "deep/y", "film"]  # once each
    (camera,) = sources.find(["0"])
    assert (camera.place, camera.name, camera.moves) == (0, "camera_0", True)
    assert [one.moves for one in sources.find(["a"])] == [False, True, False]


def test_files_that_differ_in_the_suffix_keep_it(tmp_path):
    _touch(tmp_path, "x.png", "x.jpg", "y.png")
    assert _names(tmp_path) == ["x.jpg", "x.png", "y"]
    _touch(tmp_path, "x.jpg.png", "y.jpg.png")  # would be called as x.jpg is
    assert _names(tmp_path) == ["x.jpg", "x.jpg.png", "x.png", "y.jpg", "y"]


def test_outputs_are_no_inputs(tmp_path):
    _touch(tmp_path, "a.png", "out/a_overlay.png")
    assert _names(tmp_path, without=tmp_path / "out") == ["a"]
    assert _names(tmp_path, without=tmp_path) == ["a", "out/a_overlay"]
    assert _names(tmp_path / "out" / "a_overlay.png", without=tmp_path / "out") == ["a_overlay"]  # asked by name


def test_a_file_called_like_a_number_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(_touch(tmp_path, "7"))
    assert sources.find(["7"])[0].place == Path("7")


def test_what_is_nothing_is_refused(tmp_path):
    _touch(tmp_path, "empty/notes.txt")
    for argument, words in (
        (tmp_path / "none.png", "no file, folder or camera"),
        (tmp_path / "empty", "holds no picture and no video, which are .png"),
        (f"{tmp_path}/*.png", "names no picture and no video, which are"),
    ):
        with pytest.raises(InputError, match=words):
            sources.find([argument])
    with pytest.raises(InputError, match="2 cameras are asked; give one"):
        sources.find(["0", "1"])
