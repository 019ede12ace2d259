import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kerasseg.errors import InputError
from kerasseg.run.lock import locked

HOLDER = (
    "import sys, time; from pathlib import Path; from kerasseg.run.lock import locked\n"
    "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)\n"
)


def test_a_dead_process_lets_go(tmp_path):
    folder = tmp_path / "new" / "run"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, folder], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(InputError, match=f"process {holder.pid} is at work in"), locked(folder):
        pass
    holder.kill()
    holder.wait()
    holder.stdout.close()
    with locked(folder):
        assert (folder / "lock").read_text() == f"{os.getpid()}\n"
    assert list(folder.iterdir()) == []


def test_without_posix_locks_no_open_file_is_removed(tmp_path, monkeypatch):
    """As Windows wants it."""
    opened = []

    def opens(path, mode):
        opened.append(open(path, mode))  # noqa: SIM115
        return opened[0]

    def unlink(path, **_):
        assert opened[0].closed
        os.unlink(path)

    monkeypatch.setattr("kerasseg.run.lock.fcntl", None)
    monkeypatch.setattr(Path, "open", opens)
    monkeypatch.setattr(Path, "unlink", unlink)
    with locked(tmp_path / "run"):
        assert (tmp_path / "run" / "lock").exists()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_line_and_leaves_no_lock(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("kerasseg.run.lock.os.write", full)
    with pytest.raises(InputError, match="cannot write .*: No space left on device; free some space"), locked(tmp_path / "run"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_which_nothing_was_put_is_gone_again(tmp_path):
    with pytest.raises(RuntimeError, match="refused"), locked(tmp_path / "a" / "b"):
        raise RuntimeError("refused")
    assert list(tmp_path.iterdir()) == []
