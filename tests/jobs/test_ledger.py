import errno
from pathlib import Path

import pytest

from kerasseg import files
from kerasseg.data.formats import Export
from kerasseg.errors import InputError
from kerasseg.jobs import ledger
from kerasseg.jobs.ledger import Ledger


def test_what_was_noted_is_known_again_and_a_line_that_was_cut_short_is_not(tmp_path):
    written = Ledger(tmp_path)
    written.write(tmp_path / "images" / "a b.png", b"a")
    (tmp_path / "source").write_bytes(b"s")
    written.copy(tmp_path / "source", tmp_path / "copied")
    written.link(tmp_path / "source", tmp_path / "linked")
    with (tmp_path / ledger.NAME).open("a") as file:
        file.write("\n0123")  # killed in the middle of a line
    again = Ledger(tmp_path)
    assert list(again.listed) == ["images/a b.png", "copied", "linked"]
    again.write(tmp_path / "b.png", b"b")
    assert list(Ledger(tmp_path).listed) == ["images/a b.png", "copied", "linked", "b.png"]
    again.clear()
    assert [path.name for path in tmp_path.rglob("*")] == ["source"]


def test_where_there_are_no_links_files_are_copied_and_known_as_such(tmp_path, monkeypatch):
    monkeypatch.setattr("os.symlink", lambda *paths: (_ for _ in ()).throw(OSError(errno.EPERM, "not permitted")))
    (tmp_path / "source").write_bytes(b"s")
    written = Ledger(tmp_path)
    written.link(tmp_path / "source", tmp_path / "linked")
    assert (tmp_path / "linked").read_bytes() == b"s"
    written.clear()
    assert not (tmp_path / "linked").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_one_line(tmp_path):
    (tmp_path / ledger.NAME).symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"cannot write .*prepare\.sha256: No space left on device; free some space"):
        Ledger(tmp_path).write(tmp_path / "a", b"a")
    assert not (tmp_path / "a").exists()


def test_a_file_of_the_export_that_cannot_be_read_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "a.json").write_text("{}")
    monkeypatch.setattr(files, "sha256", lambda path: (_ for _ in ()).throw(PermissionError(errno.EACCES, "Permission denied")))
    with pytest.raises(InputError, match=r"a\.json cannot be read \(Permission denied\); make it readable"):
        ledger.content(tmp_path, Export((), (), True))
