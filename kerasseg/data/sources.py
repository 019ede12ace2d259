"""What a person names to be segmented: pictures, folders, patterns, videos, a camera; and what the outputs are called."""

import glob
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kerasseg.data import pairing, video
from kerasseg.errors import InputError


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


def find(arguments: Sequence[str | Path], *, without: Path | None = None) -> list[Source]:
    """Pictures and videos, each once, in the order given; those of a folder, with its subfolders, sorted.

    Outputs are called like the files, with the folders below the one that all have in common; where two would be called the
    same, with the suffix.

    Args:
        arguments: Paths of pictures, videos and folders, patterns such as "in/*.jpg", and numbers of cameras.
        without: A folder that is not looked into when one around it is.

    Raises:
        InputError: nothing is called so, a folder or pattern holds neither picture nor video, or there are two cameras.
    """
    paths: dict[Path, None] = {}
    cameras: dict[int, None] = {}
    for argument in map(str, arguments):
        path = Path(argument)
        if path.is_dir():
            paths |= dict.fromkeys(_inside(path, without))
        elif path.exists():
            paths[path] = None
        elif argument.isdigit():
            cameras[int(argument)] = None
        elif glob.has_magic(argument):
            found = [Path(one) for one in sorted(glob.glob(argument, recursive=True))]
            found = [one for one in found if one.is_file() and _is_either(one)]
            if not found:
                raise InputError(f"no picture or video is called {argument}; check the pattern")
            paths |= dict.fromkeys(found)
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


def _inside(folder: Path, without: Path | None) -> list[Path]:
    hidden = without.resolve() if without and without.resolve() != folder.resolve() else None
    found = sorted(path for path in folder.rglob("*") if path.is_file() and _is_either(path))
    found = [path for path in found if hidden is None or hidden not in path.resolve().parents]
    if not found:
        raise InputError(f"{folder} holds no picture and no video; those are {', '.join(pairing.SUFFIXES + video.SUFFIXES)}")
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
