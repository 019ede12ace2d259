"""What `kerasseg prepare` wrote into a folder, and of which export, so that it takes away its own and nothing else."""

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from kerasseg import files
from kerasseg.data import pairing
from kerasseg.data.formats import Export
from kerasseg.data.formats.annotated import below, within
from kerasseg.errors import InputError

STORY = "prepare.json"
NAME = "prepare.sha256"
SHARDS = "shards"
EXPORT = "export_sha256"
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


class Ledger:
    """Writes files into a folder, and the SHA-256 of each into a list there before it: who is killed has noted all he wrote."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.listed = _read(folder / NAME)

    def has(self, path: Path) -> bool:
        """Whether a file that was written here lies there, changed since or not.

        Raises:
            InputError: somebody else's does.
        """
        if not os.path.lexists(path):
            return False
        if self._name(path) not in self.listed:
            raise InputError(f"{path} was not written by kerasseg prepare, which would write there; move it elsewhere")
        return True

    def write(self, path: Path, content: bytes) -> None:
        """Writes a file."""
        self._note(path, hashlib.sha256(content).hexdigest())
        files.write_bytes(path, content)

    def copy(self, source: Path, path: Path) -> None:
        """Copies a file."""
        self._note(path, files.sha256(source))
        with files.replacing(path) as temporary:
            shutil.copyfile(source, temporary)

    def link(self, source: Path, path: Path) -> None:
        """Makes a link to a file; copies it on Windows without the right to, or on a disk that knows no links."""
        target = source.resolve()
        self._note(path, _of_link(target))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.symlink(target, path)
        except OSError:
            self.copy(source, path)

    def clear(self) -> None:
        """Removes what was written, the last first, and then the list.

        Raises:
            InputError: somebody has changed some of it; all of it is left.
        """
        there = [name for name in self.listed if os.path.lexists(self.folder / name)]
        changed = [name for name in there if _digest(self.folder / name) != self.listed[name]]
        if changed:
            raise InputError(
                f"the export is another one than {self.folder} was prepared from, and {len(changed)} files there were changed "
                f"since: {pairing.named(changed)}; give another --output_dir, or move those files elsewhere"
            )
        for name in reversed(there):
            (self.folder / name).unlink()
        for place in {(self.folder / name).parent for name in self.listed} - {self.folder}:
            if place.is_dir():
                files.remove_leftovers(place)
                if not any(place.iterdir()):
                    place.rmdir()
        (self.folder / NAME).unlink(missing_ok=True)
        self.listed = {}

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _note(self, path: Path, digest: str) -> None:
        name = self._name(path)
        self.listed[name] = digest
        try:
            with (self.folder / NAME).open("a", encoding="utf-8", errors="surrogateescape") as file:
                file.write(f"\n{digest}  {name}")  # the new line first: it ends one that was cut short
        except OSError as error:
            raise InputError(
                f"cannot write {self.folder / NAME}: {error.strerror}; free some space or choose another place"
            ) from error


def content(root: Path, export: Export) -> str:
    """The SHA-256 of every file of an export, with its place, and of the pictures that it names elsewhere.

    Raises:
        InputError: one cannot be read.
    """
    pictures = [one.image for one in export.pictures if isinstance(one.image, Path)]
    found = {str(within(path, root)): path for path in [*below(root), *pictures] if path.is_file()}
    digest = hashlib.sha256()
    for place, path in sorted(found.items()):
        try:
            digest.update(os.fsencode(f"{place}\0{files.sha256(path)}\n"))
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}); make it readable, or move it elsewhere") from error
    return digest.hexdigest()


def begin(folder: Path, begun: dict, *, try_all: Callable[[], None], log: Callable[[str], None]) -> Ledger:
    """The ledger of a folder. What was written there of the export before it changed is removed.

    Args:
        folder: New, empty, or begun so.
        begun: What prepare.json gets; all of it must be the same there but the export's hash.
        try_all: Called before something is removed, to raise an InputError where the export has what cannot be prepared.
        log: Gets a line where something is removed.

    Raises:
        InputError: the folder holds something else, or what is not to be removed.
    """
    ledger = Ledger(folder)
    if (folder / STORY).is_file():
        there = files.read_json(folder / STORY)
        known = {key: there.get(key) for key in begun} if isinstance(there, dict) else {}
        if not known.get(EXPORT) or known | {EXPORT: begun[EXPORT]} != begun:
            raise InputError(
                f"{folder} was prepared from another export or with other settings, or by an earlier version; "
                "give another --output_dir"
            )
        if known[EXPORT] != begun[EXPORT]:
            if (folder / SHARDS).exists():
                raise InputError(f"{folder / SHARDS} was packed before the export changed; remove it and prepare again")
            log(f"the export has changed since {folder} was prepared, which is made anew")
            try_all()
            ledger.clear()
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not empty and was not begun by kerasseg prepare; give another --output_dir")
    files.write_json(folder / STORY, begun)  # before the first file, and after the last of another export
    return ledger


def _read(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8", errors="surrogateescape").split("\n") if path.is_file() else []
    return {found[2]: found[1] for found in map(_LINE.fullmatch, lines) if found}


def _digest(path: Path) -> str:
    if path.is_symlink():
        return _of_link(Path(os.readlink(path)))
    return files.sha256(path) if path.is_file() else ""


def _of_link(target: Path) -> str:
    return hashlib.sha256(os.fsencode(target)).hexdigest()
