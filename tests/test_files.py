import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kerasseg import files
from kerasseg.errors import InputError


def test_a_folder_that_nothing_can_be_made_in_is_told_before_the_work(tmp_path, monkeypatch):
    files.refuse_unwritable(tmp_path / "a" / "b", instead="--output_dir")
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)  # root may write everywhere
    with pytest.raises(InputError, match=f"cannot write {tmp_path}: Permission denied; give another --output_dir"):
        files.refuse_unwritable(tmp_path / "a" / "b", instead="--output_dir")
    assert not (tmp_path / "a").exists()


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "sub" / "a.json"
    files.write_json(path, {"a": 1})
    assert files.read_json(path) == {"a": 1}
    with pytest.raises(RuntimeError, match="half-way"), files.replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("half-way")
    assert files.read_json(path) == {"a": 1}
    assert os.listdir(path.parent) == ["a.json"]


def test_a_name_may_be_as_long_as_the_system_allows_and_no_longer(tmp_path):
    for name in ("a" * 251 + ".txt", "\u00e9" * 125 + "a.txt"):
        files.write_text(tmp_path / name, "kept")
        assert (tmp_path / name).read_text() == "kept"
    with pytest.raises(InputError, match="cannot write .*: File name too long; choose another place"):
        files.write_text(tmp_path / ("a" * 300), "lost")
    assert len(os.listdir(tmp_path)) == 2


def test_a_full_device_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    files.write_text(path, "old")

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ValueError, match=r"cannot write .*a.txt: No space left on device; free some space or choose"):
        files.write_text(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_write_the_system_refuses_leaves_the_old_file(tmp_path):
    """The kernel itself says no: the process may write files of 1000 bytes at most."""
    program = (
        "import resource, signal, sys; from kerasseg import files\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "files.write_text(sys.argv[1], 'old')\n"
        "try: files.write_text(sys.argv[1], 'x' * 5000)\n"
        "except files.InputError as error: print(error)\n"
    )
    result = subprocess.run([sys.executable, "-c", program, tmp_path / "a"], capture_output=True, text=True, check=True)
    assert "cannot write" in result.stdout
    assert "File too large" in result.stdout
    assert (tmp_path / "a").read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_byte_order_mark_is_no_part_of_json(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf{}")
    assert files.read_json(tmp_path / "a.json") == {}


def test_missing_json_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"no file .*gone.json; check the path"):
        files.read_json(tmp_path / "gone.json")


def test_a_link_stays_one_and_what_it_points_to_is_replaced(tmp_path):
    target, link = tmp_path / "disk" / "a.txt", tmp_path / "link.txt"
    target.parent.mkdir()
    target.write_text("old")
    link.symlink_to(target)
    files.write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    target.unlink()
    files.write_text(link, "dangling, and written through")
    assert target.read_text() == "dangling, and written through"


def test_only_a_write_error_is_called_one(tmp_path):
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere" / "x")
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot make the folder .*file: .*; choose another place") as caught:
        files.write_text(tmp_path / "file" / "a.txt", "x")
    assert "space" not in str(caught.value)
    with pytest.raises(FileNotFoundError), files.replacing(tmp_path / "a.txt"):
        (tmp_path / "no such file").read_text()  # the body's own, no fault of the disk


def test_only_what_dead_processes_of_this_machine_left_is_removed(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    with files.replacing(tmp_path / "a.npz") as mine:
        mine.write_text("half")
        theirs = mine.with_name(mine.name.replace(str(os.getpid()), str(dead.pid)))
        elsewhere = theirs.with_name(theirs.name.replace("partial-", "partial-other"))
        for path in (theirs, elsewhere):
            path.write_text("half")
        files.remove_leftovers(tmp_path)
        assert mine.exists()
        assert elsewhere.exists()
        assert not theirs.exists()


def test_lines_of_a_text(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffroad\r\n\r\n  side walk \n".encode())
    assert files.read_lines(tmp_path / "a.txt") == ["road", "side walk"]
