"""What a person names to be segmented: pictures, folders, patterns, videos, a camera; and what the outputs are called."""

import glob
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from kerasseg.data import pairing, video
from kerasseg.errors import InputError

_CAMERAS = {".heic", ".heif", ".avif", ".jxl", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"}


@dataclass(frozen=True)
class Source:
    """Something to be segmented.

    Attributes:
        place: Path of a picture or video, or number of a camera.
        name: What its outputs are called, a relative path without suffix; no two sources of a command have the same.
    """

    place: Path | int
    name: str

    @property
    def moves(self) -> bool:
        """Whether it is a video or a camera."""
        return isinstance(self.place, int) or video.is_video(self.place)


def find(
    arguments: Sequence[str | Path], *, without: Path | None = None, log: Callable[[str], None] = lambda line: None
) -> list[Source]:
    """Pictures and videos, each once, in the order given; those of a folder, with its subfolders, sorted.

    Outputs are called like the files, with the folders below the one that all have in common; where two would be called the
    same, with the suffix. Of folders and patterns only files are taken that are called as pictures and videos are here; others
    are read where they are named one by one.

    Args:
        arguments: Paths of pictures, videos and folders, patterns such as "in/*.jpg", and numbers of cameras.
        without: A folder that is not looked into when one around it is.
        log: Gets a line for pictures of other kinds that a folder or pattern holds.

    Raises:
        InputError: nothing is called so, a folder or pattern holds neither picture nor video, or there are two cameras.
    """
    paths: dict[Path, None] = {}
    cameras: dict[int, None] = {}
    for argument in map(str, arguments):
        path = Path(argument)
        if path.is_dir():
            paths |= dict.fromkeys(_inside(path, without, log))
        elif path.exists():
            paths[path] = None
        elif argument.isdigit():
            cameras[int(argument)] = None
        elif glob.has_magic(argument):
            named = [Path(one) for one in sorted(glob.glob(argument, recursive=True)) if Path(one).is_file()]
            paths |= dict.fromkeys(_taken(named, f"{argument} names", log))
        else:
            raise InputError(f"no file, folder or camera {argument}; check the path")
    if len(cameras) > 1:
        raise InputError(f"{len(cameras)} cameras are asked; give one")
    by_file = {os.path.realpath(path): path for path in reversed(paths)}
    kept = [path for path in paths if by_file[os.path.realpath(path)] == path]
    return [Source(path, name) for path, name in zip(kept, _names(kept), strict=True)] + [
        Source(number, f"camera_{number}") for number in cameras
    ]


def _is_either(path: Path) -> bool:
    return pairing.is_picture(path) or video.is_video(path)


def _inside(folder: Path, without: Path | None, log: Callable[[str], None]) -> list[Path]:
    hidden = without.resolve() if without and without.resolve() != folder.resolve() else None
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return _taken([path for path in found if hidden is None or hidden not in path.resolve().parents], f"{folder} holds", log)


def _taken(paths: Sequence[Path], place: str, log: Callable[[str], None]) -> list[Path]:
    """Those that are called as pictures and videos are; of other pictures a line says that they are not taken."""
    found, known = [path for path in paths if _is_either(path)], Image.registered_extensions()
    rest = [path for path in paths if not _is_either(path) and path.name[0] != "."]
    others = [path.name for path in rest if path.suffix.lower() in known]
    closed = [path.name for path in rest if path.suffix.lower() in _CAMERAS - known.keys()]
    said = []
    if others:
        said.append(f"pictures of other kinds, which are read where they are named one by one: {pairing.named(others)}")
    if closed:
        said.append(f"pictures that cannot be read here; save them as JPEG or PNG: {pairing.named(closed)}")
    left = ", and ".join(said)
    if not found:
        kinds = ", ".join(pairing.SUFFIXES + video.SUFFIXES)
        raise InputError(f"{place} no picture and no video, which are {kinds}{', but ' * bool(left)}{left}")
    if left:
        log(f"{place} {left}")
    return found


def _names(paths: Sequence[Path]) -> list[str]:
    """A name a path, none twice, and none of a video, whose frames get a folder so called, that others lie in."""
    whole = [path.absolute() for path in paths]
    try:
        common = os.path.commonpath([path.parent for path in whole]) if whole else ""
        relative = [path.relative_to(common) for path in whole]
    except ValueError:  # several drives
        relative = [Path(*path.parts[1:]) for path in whole]
    whole_names = [str(path) for path in relative]
    names = [str(path.with_suffix("")) for path in relative]
    folders = {str(parent) for path in relative for parent in path.parents}
    of_videos = {name for name, path in zip(names, paths, strict=True) if video.is_video(path)}
    while taken := (folders & of_videos) | {name for name, times in Counter(names).items() if times > 1}:
        names = [whole if name in taken else name for name, whole in zip(names, whole_names, strict=True)]
        of_videos = set()  # a.jpg and a.png meet, then a.jpg.png too
    return names
