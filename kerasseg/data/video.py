"""Videos and cameras, frame by frame, through PyAV (extra `video`)."""

import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from kerasseg.errors import InputError

SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".mts", ".3gp")
RATE = Fraction(25)  # frames a second, of a video that says none
CLOCK = 90_000  # a second, of what is written: what MPEG counts in


class Reader:
    """The frames of a video or camera, upright, in order.

    Attributes:
        name: For messages.
        rate: Frames a second.
        frames: How many there are; 0 where nobody knows.
    """

    def __init__(self, source: Path | int):
        """Opens it.

        Args:
            source: Path of a video, or number of a camera.

        Raises:
            InputError: PyAV is not installed, or it cannot be read.
        """
        av = _pyav()
        self.name = f"camera {source}" if isinstance(source, int) else str(source)
        place, kind = _camera(source) if isinstance(source, int) else (str(source), None)
        try:
            self._container = av.open(place, format=kind)
            self._stream = self._container.streams.video[0]
        except (OSError, ValueError, IndexError) as error:
            raise InputError(f"{self.name} cannot be opened as video ({error}); check it, or give pictures") from error
        self._stream.thread_type = "AUTO"
        self.rate = Fraction(self._stream.average_rate or RATE)
        self.frames = int(self._stream.frames)

    def __iter__(self) -> Iterator[tuple[Fraction, np.ndarray]]:
        """The seconds at which a frame is shown, from the first on, and the frame (H, W, 3) uint8.

        Raises:
            InputError: the file ends in the middle, is damaged, or holds no frame.
        """
        first, at, step = None, Fraction(0), 1 / self.rate
        try:
            for frame in self._container.decode(self._stream):
                pixels = frame.to_ndarray(format="rgb24")
                if frame.pts is None or frame.time_base is None:  # a raw stream knows no times
                    at = Fraction(0) if first is None else at + step
                    first = first or Fraction(0)
                else:
                    shown = frame.pts * frame.time_base
                    first = shown if first is None else first
                    at = shown - first
                yield at, np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90))) if frame.rotation else pixels
        except (OSError, ValueError) as error:  # PyAV's errors are one or the other
            raise InputError(f"{self.name} cannot be decoded to its end ({error}); save it again") from error
        if first is None:
            raise InputError(f"{self.name} holds no frame that can be decoded; save it again")

    def close(self) -> None:
        """Lets go of the file or camera."""
        self._container.close()


class Writer:
    """An H.264 video in an MP4 file, which says who made it.

    Odd sides are made even by doubling their last pixels, as the format asks.
    """

    def __init__(self, path: Path, *, rate: Fraction, comment: str):
        """Opens it.

        Args:
            path: Of the file; `files.replacing` gives one that is moved into place at the end.
            rate: Frames a second.
            comment: What `comment_of` gives of it.
        """
        self._container: Any = _pyav().open(str(path), "w", format="mp4")
        self._container.metadata["comment"] = comment
        self._stream: Any = None
        self._rate, self._last = rate, -1

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        if self._stream is not None and error is None:
            self._container.mux(self._stream.encode())
        self._container.close()

    def add(self, pixels: np.ndarray, *, at: Fraction) -> None:
        """Writes a frame.

        Args:
            pixels: (H, W, 3) uint8.
            at: Seconds from the first frame to this one.

        Raises:
            InputError: it is of another size than the first.
        """
        av = _pyav()
        height, width = pixels.shape[:2]
        pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        if self._stream is None:
            self._stream = self._container.add_stream("libx264", rate=self._rate, options={"crf": "18"})
            self._stream.height, self._stream.width = pixels.shape[:2]
            self._stream.pix_fmt = "yuv420p"
            self._stream.codec_context.time_base = Fraction(1, CLOCK)
        if pixels.shape[:2] != (self._stream.height, self._stream.width):
            raise InputError(
                f"a frame is {height}x{width} pixels and the first is {self._stream.height}x{self._stream.width}: one overlay "
                "cannot hold both; split the video there, or leave overlay out of --save"
            )
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        self._last = max(round(at * CLOCK), self._last + 1)
        frame.pts, frame.time_base = self._last, Fraction(1, CLOCK)
        self._container.mux(self._stream.encode(frame))


def comment_of(path: Path) -> str:
    """What a video says of itself; empty where it says nothing, or is none."""
    av = _pyav()
    try:
        with av.open(str(path)) as container:
            return str(container.metadata.get("comment", ""))
    except (OSError, ValueError):
        return ""


def is_video(path: Path) -> bool:
    """Whether a file is called as a video is."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _pyav() -> Any:
    try:
        import av
    except ImportError:
        raise InputError("videos and cameras need PyAV; run pip install 'kerasseg[video]'") from None
    av.logging.set_level(av.logging.PANIC)  # what matters comes as an exception
    return av


def _camera(number: int) -> tuple[str, str]:
    """What FFmpeg calls a camera here, and how it reads it."""
    if sys.platform.startswith("linux"):
        return f"/dev/video{number}", "v4l2"
    if sys.platform == "darwin":
        return str(number), "avfoundation"
    raise InputError(f"camera {number}: cameras are read on Linux and macOS; record a video and give its file")
