from fractions import Fraction

import numpy as np
import pytest

from kerasseg.data import video
from kerasseg.errors import InputError
from tests.conftest import write_video

av = pytest.importorskip("av", reason="no PyAV; pip install 'kerasseg[video]'")


def test_what_is_written_is_read(tmp_path):
    frames = [np.full((33, 47, 3), value, np.uint8) for value in (0, 60, 120, 240)]  # odd sides
    reader = video.Reader(write_video(tmp_path / "a.mp4", frames))
    assert reader.rate == 10
    assert reader.frames == 4
    times, found = zip(*reader, strict=True)
    reader.close()
    assert times == tuple(Fraction(i, 10) for i in range(4))
    assert [frame.shape for frame in found] == [(34, 48, 3)] * 4
    for before, after in zip(frames, found, strict=True):
        assert abs(float(after.mean()) - before.mean()) < 3


def test_a_turned_video_is_read_upright(tmp_path):
    """As phones write it: pixels as the sensor lies, and a matrix that turns them."""
    upright = np.zeros((64, 32, 3), np.uint8)
    upright[:32] = 250  # light above, dark below
    path = tmp_path / "turned.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        stored = np.ascontiguousarray(np.rot90(upright))
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(stored, format="rgb24")))
        container.mux(stream.encode())
    _turn_clockwise(path)
    reader = video.Reader(path)
    _, first = next(iter(reader))
    reader.close()
    assert first.shape == (64, 32, 3)
    assert first[:28].mean() > 230
    assert first[36:].mean() < 20


def _turn_clockwise(path):
    """Writes a quarter turn into the matrix of an MP4 file's track header (ISO 14496-12, 8.3.2), where PyAV writes none."""
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40  # version and flags, times, id, reserved, duration, reserved, layer to volume
    for i, value in enumerate((0, 1, 0, -1, 0, 0, 0, 0, 0x4000)):
        content[at + 4 * i : at + 4 * i + 4] = (value * 65536 & 0xFFFFFFFF).to_bytes(4, "big")
    path.write_bytes(content)


def test_what_is_no_video_is_refused(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(InputError, match=r"a.mp4 cannot be opened as video .*; check it, or give pictures"):
        video.Reader(tmp_path / "a.mp4")
    with pytest.raises(InputError, match="camera 77 cannot be opened as video"):
        video.Reader(77)
    path = write_video(
        tmp_path / "cut.mp4", [np.random.default_rng(i).integers(0, 256, (64, 64, 3), np.uint8) for i in range(9)]
    )
    content = bytearray(path.read_bytes())
    at = content.index(b"mdat") + 4
    content[at + 60 : at + 4000] = bytes(3940)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"cut.mp4 cannot be decoded to its end"):
        list(video.Reader(path))
