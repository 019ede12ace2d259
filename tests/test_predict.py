import errno
import os
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from kerasseg import files
from kerasseg.data import pictures, video
from kerasseg.errors import InputError
from kerasseg.jobs import PredictSettings, predict
from kerasseg.jobs.loading import Predictor
from kerasseg.reports import coloring
from tests.conftest import WITH_SHORT, assert_one_line, command, kerasseg, write_picture, write_video

HALVES = Predictor(lambda x: x[..., 0] // 128, (64, 64), ("background", "high"))


def _noise(path, height, width=50, seed=0):
    return write_picture(path, np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def _relative(found, folder):
    return [str(path.relative_to(folder)) for path in found.written]


def test_pictures_of_any_size_keep_it(tmp_path):
    paths = [_noise(tmp_path / f"{h}.png", h) for h in (30, 200)]
    found = predict(paths, HALVES, output_dir=tmp_path / "out")
    assert [path.name for path in found.written] == [
        "30_overlay.png", "30_index.png", "200_overlay.png", "200_index.png", "legend.png",
    ]  # fmt: skip
    assert (found.pictures, found.refused) == (2, ())
    for height in (30, 200):
        assert pictures.read_image(tmp_path / "out" / f"{height}_overlay.png").shape == (height, 50, 3)
        ids = pictures.read_labels(tmp_path / "out" / f"{height}_index.png")
        assert ids.shape == (height, 50)
        assert set(np.unique(ids)) <= {0, 1}


def test_a_bad_picture_is_named_and_the_rest_goes_on(tmp_path):
    paths = [_noise(tmp_path / f"{name}.png", 8) for name in "ac"]
    bad = tmp_path / "b.png"
    bad.write_text("no picture")
    lines = []
    found = predict([paths[0], bad, paths[1]], HALVES, output_dir=tmp_path / "out", log=lines.append)
    assert found.refused == ((str(bad), lines[0].removeprefix("not read: ")),)
    assert "b.png cannot be decoded" in lines[0]
    assert _relative(found, tmp_path / "out") == [
        "a_overlay.png", "a_index.png", "c_overlay.png", "c_index.png", "legend.png",
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"b.png cannot be decoded"):
        predict([bad, paths[1]], HALVES, output_dir=tmp_path / "strict", settings=PredictSettings(strict=True))
    with pytest.raises(InputError, match=r"nothing could be read: .*b.png cannot be decoded"):
        predict([bad], HALVES, output_dir=tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("there", "save", "words"),
    [
        ("x_mask.png", ("mask",), "x_mask.png would be segmented and written over"),  # a picture among the inputs
        ("out/x_mask.png", ("mask",), "out/x_mask.png would be written over, and this version of kerasseg predict did not"),
        ("out/legend.png", ("index",), "out/legend.png would be written over"),
    ],
)
def test_pictures_of_others_are_not_written_over(tmp_path, there, save, words):
    _noise(tmp_path / "x.png", 8)
    before = _noise(tmp_path / there, 9).read_bytes()
    folder, settings = tmp_path / ("out" if there.startswith("out") else ""), PredictSettings(save=save)
    with pytest.raises(InputError, match=words):
        predict([tmp_path], HALVES, output_dir=folder, settings=settings)
    assert (tmp_path / there).read_bytes() == before
    (tmp_path / there).unlink()
    predict([tmp_path / "x.png"], HALVES, output_dir=tmp_path / "out", settings=settings)
    predict([tmp_path / "x.png"], HALVES, output_dir=tmp_path / "out", settings=settings)  # its own, it does


def test_a_full_disk_is_no_fault_of_a_picture(tmp_path, monkeypatch):
    paths, tried = [_noise(tmp_path / f"{name}.png", 8) for name in "ab"], []

    def full(source, target):
        tried.append(source)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("kerasseg.files.os.replace", full)
    with pytest.raises(InputError, match="cannot write .*a_overlay.png: No space left on device; free some space"):
        predict(paths, HALVES, output_dir=tmp_path / "out")
    assert len(tried) == 1


def test_two_folders_never_collide(tmp_path):
    for name in ("in/a/x.png", "in/b/x.png", "in/b/deep/x.jpg", "in/b/deep/x.png"):
        _noise(tmp_path / name, 8)
    found = predict([tmp_path / "in"], HALVES, output_dir=tmp_path / "in" / "out", settings=PredictSettings(save=("index",)))
    names = ["a/x_index.png", "b/deep/x.jpg_index.png", "b/deep/x.png_index.png", "b/x_index.png", "legend.png"]
    assert _relative(found, tmp_path / "in" / "out") == names
    again = predict([tmp_path / "in"], HALVES, output_dir=tmp_path / "in" / "out", settings=PredictSettings(save=("index",)))
    assert again.written == found.written  # its own outputs are no inputs


@pytest.mark.parametrize("form", ["labelme", "coco"])
def test_polygons_go_back_into_a_data_set(tmp_path, form):
    """What is predicted, saved as an annotation tool would, and prepared again, is the same to the pixel."""
    for i in range(3):
        _noise(tmp_path / "in" / f"p{i}.png", 40, seed=i)
    settings = PredictSettings(save=("index", "mask", "json"), polygons=form)
    predict([tmp_path / "in"], HALVES, output_dir=tmp_path / "out", settings=settings)
    for i in range(3):
        colors = np.asarray(Image.open(tmp_path / "out" / f"p{i}_mask.png"))
        ids = pictures.read_labels(tmp_path / "out" / f"p{i}_index.png")
        np.testing.assert_array_equal(colors, coloring.colorize(ids, HALVES.class_names))
    export = tmp_path / "export"
    export.mkdir()
    for path in tmp_path.glob("out/*.json"):
        (export / path.name).write_text(path.read_text())
    result = kerasseg("prepare", f"--source={export}", f"--output_dir={tmp_path / 'data'}", "--val_fraction=0.4")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "data" / "classes.txt").read_text() == "background\nhigh\n"
    labels = {path.stem: path for path in (tmp_path / "data" / "labels").rglob("*.png")}
    assert sorted(labels) == ["p0", "p1", "p2"]
    for name, path in labels.items():
        expected = pictures.read_labels(tmp_path / "out" / f"{name}_index.png")
        np.testing.assert_array_equal(pictures.read_labels(path), expected)
    predict([tmp_path / "in"], HALVES, output_dir=tmp_path / "out", settings=settings)  # nobody has changed anything
    corrected = next(tmp_path.glob("out/*.json"))
    told = files.read_json(corrected)
    told["shapes" if form == "labelme" else "annotations"].pop()
    files.write_json(corrected, told)
    with pytest.raises(InputError, match=f"{corrected.name} would be written over, and may have been corrected by hand"):
        predict([tmp_path / "in"], HALVES, output_dir=tmp_path / "out", settings=settings)
    assert files.read_json(corrected) == told


def test_pictures_of_other_kinds_in_a_folder_are_named(tmp_path):
    for name in ("a.png", "b.gif", "c.jfif"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    for name in ("notes.txt", "IMG_1.HEIC", ".hidden.dng"):
        (tmp_path / name).write_text("no picture")
    lines = []
    found = predict([tmp_path], HALVES, output_dir=tmp_path / "out", log=lines.append)
    assert found.pictures == 1
    told = "pictures of other kinds, which are read where they are named one by one: b.gif"
    closed = "pictures that cannot be read here; save them as JPEG or PNG: IMG_1.HEIC"
    assert lines == [f"{tmp_path} holds {told}, c.jfif, and {closed}"]
    with pytest.raises(InputError, match=rf"\*.gif names no picture and no video, which are .*, but {told}"):
        predict([f"{tmp_path}/*.gif"], HALVES, output_dir=tmp_path / "out")
    assert predict([tmp_path / "b.gif", tmp_path / "c.jfif"], HALVES, output_dir=tmp_path / "both").pictures == 2


def test_videos_frame_by_frame(tmp_path):
    pytest.importorskip("av", reason="no PyAV; pip install 'kerasseg[video]'")
    frames = [np.full((48, 64, 3), value, np.uint8) for value in (0, 250, 0, 250, 0)]
    path = write_video(tmp_path / "film.mp4", frames)
    settings = PredictSettings(save=("overlay", "index", "json"), every=2, frames=2)
    found = predict([path], HALVES, output_dir=tmp_path / "out", settings=settings)
    assert found.pictures == 2
    assert _relative(found, tmp_path / "out") == [
        "film/000000.png", "film/000000_index.png", "film/000000.json", "film/000002.png", "film/000002_index.png",
        "film/000002.json", "film_overlay.mp4", "labels.txt", "legend.png",
    ]  # fmt: skip
    overlay = video.Reader(tmp_path / "out" / "film_overlay.mp4")
    assert overlay.rate == 5
    assert len(list(overlay)) == 2
    overlay.close()
    predict([path], HALVES, output_dir=tmp_path / "out", settings=settings)  # over its own
    for foreign in (path.read_bytes(), b"no video"):
        (tmp_path / "out" / "film_overlay.mp4").write_bytes(foreign)
        with pytest.raises(InputError, match="film_overlay.mp4 would be written over, and this version of kerasseg"):
            predict([path], HALVES, output_dir=tmp_path / "out", settings=settings)
        assert (tmp_path / "out" / "film_overlay.mp4").read_bytes() == foreign
    (tmp_path / "bad.mp4").write_text("no video")
    found = predict([tmp_path / "bad.mp4", path], HALVES, output_dir=tmp_path / "both")
    assert found.pictures == 5
    assert "bad.mp4 cannot be opened as video" in found.refused[0][1]
    assert pictures.read_labels(tmp_path / "both" / "film" / "000001_index.png").min() == 1


def test_a_video_without_a_frame_is_not_read_and_the_next_one_is(tmp_path):
    av = pytest.importorskip("av", reason="no PyAV; pip install 'kerasseg[video]'")
    good = write_video(tmp_path / "good.mp4", [np.full((48, 64, 3), 90, np.uint8)] * 2)
    with av.open(str(tmp_path / "whole.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
        for packet in [*stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")), *stream.encode()]:
            container.mux(packet)
    content = (tmp_path / "whole.mkv").read_bytes()
    cluster = content.index(b"\x1f\x43\xb6\x75")
    (tmp_path / "empty.mkv").write_bytes(content[: cluster + 40])  # its head, and no whole frame
    for saved in (("overlay",), ("index",)):
        out = tmp_path / saved[0]
        found = predict([tmp_path / "empty.mkv", good], HALVES, output_dir=out, settings=PredictSettings(save=saved))
        assert found.pictures == 2
        ((name, why),) = found.refused
        assert name.endswith("empty.mkv")
        assert "empty.mkv holds no frame that can be decoded; save it again" in why
        assert not any("empty" in path.name for path in [*found.written, *out.iterdir()])
    with pytest.raises(InputError, match="nothing could be read: .*holds no frame"):
        predict([tmp_path / "empty.mkv"], HALVES, output_dir=tmp_path / "alone")


def test_an_overlay_lasts_as_long_as_its_video(tmp_path):
    """Frames at 0, 0.1 and 3 seconds stay there; a video that changes its size has no overlay, and says so."""
    av = pytest.importorskip("av", reason="no PyAV; pip install 'kerasseg[video]'")
    times = [Fraction(0), Fraction(1, 10), Fraction(3)]
    with video.Writer(tmp_path / "slow.mp4", rate=Fraction(10), comment="") as writer:
        for at in times:
            writer.add(np.full((48, 64, 3), 90, np.uint8), at=at)
    predict([tmp_path / "slow.mp4"], HALVES, output_dir=tmp_path / "out", settings=PredictSettings(save=("overlay",)))
    reader = video.Reader(tmp_path / "out" / "slow_overlay.mp4")
    assert [at for at, _ in reader] == times
    reader.close()
    with av.open(str(tmp_path / "two.mkv"), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)  # every frame of which has a head of its own
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuvj420p"
        for side in (48, 96):
            codec = av.CodecContext.create("mjpeg", "w")
            codec.height, codec.width, codec.pix_fmt, codec.time_base = side, 64, "yuvj420p", Fraction(1, 10)
            frame = av.VideoFrame.from_ndarray(np.full((side, 64, 3), 90, np.uint8), format="rgb24").reformat(format="yuvj420p")
            frame.pts, frame.time_base = side // 48 - 1, Fraction(1, 10)
            for packet in [*codec.encode(frame), *codec.encode(None)]:
                packet.stream = stream
                container.mux(packet)
    found = predict(
        [tmp_path / "two.mkv", tmp_path / "slow.mp4"],
        HALVES,
        output_dir=tmp_path / "two",
        settings=PredictSettings(save=("overlay",)),
    )
    assert "a frame is 96x64 pixels and the first is 48x64: one overlay cannot hold both" in found.refused[0][1]


@pytest.mark.parametrize("where", ["reading", "showing progress", "the first"])
def test_a_camera_that_is_interrupted_leaves_a_video(tmp_path, monkeypatch, where):
    pytest.importorskip("av", reason="no PyAV; pip install 'kerasseg[video]'")

    class Camera:
        name, rate, frames = "camera 0", Fraction(10), 0

        def __init__(self, source):
            assert source == 0

        def __iter__(self):
            for i in range(10):
                if (i, where) in ((3, "reading"), (0, "the first")):
                    raise KeyboardInterrupt
                yield Fraction(i, 10), np.full((32, 48, 3), 20 * i, np.uint8)

        def close(self):
            pass

    def progress(done, total):
        assert total == 0  # nobody knows how many
        if done == 3 and where == "showing progress":
            raise KeyboardInterrupt

    monkeypatch.setattr("kerasseg.jobs.prediction.Reader", Camera)
    settings = PredictSettings(save=("overlay",))
    if where == "the first":
        with pytest.raises(InputError, match="camera 0 was interrupted before its first frame"):
            predict(["0"], HALVES, output_dir=tmp_path, settings=settings)
        assert not list(tmp_path.iterdir())
        return
    found = predict(["0"], HALVES, output_dir=tmp_path, settings=settings, progress=progress)
    assert found.pictures == 3
    overlay = video.Reader(tmp_path / "camera_0_overlay.mp4")
    assert len(list(overlay)) == 3
    overlay.close()


def test_one_picture_is_in_memory_at_a_time(tmp_path):
    """What a picture takes is let go of before the next is read."""
    paths = [_noise(tmp_path / f"{i}.png", 600, 800) for i in range(12)]
    one = 600 * 800 * 3
    peaks = []
    for count in (2, 12):
        tracemalloc.start()
        predict(paths[:count], HALVES, output_dir=tmp_path / "out")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < one  # ten more pictures and not one more in memory


def test_all_eight_orientations_are_written_upright(short_run, tmp_path):
    """One upright picture, stored in the eight ways of EXIF: overlays and index maps are those of the first."""
    upright = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[274] = orientation
        turn = pictures._UPRIGHT.get(orientation)
        undone = {Image.Transpose.ROTATE_90: Image.Transpose.ROTATE_270, Image.Transpose.ROTATE_270: Image.Transpose.ROTATE_90}
        stored = upright if turn is None else upright.transpose(undone.get(turn, turn))
        stored.save(tmp_path / f"p{orientation}.png", exif=exif)
    paths = sorted(tmp_path.glob("p*.png"))
    result = kerasseg("predict", f"--workdir={short_run}", *paths, f"--output_dir={tmp_path / 'out'}")
    assert result.returncode == 0, result.stderr
    for kind in ("overlay", "index"):
        first, *others = (np.asarray(Image.open(tmp_path / "out" / f"p{i}_{kind}.png")) for i in range(1, 9))
        assert first.shape[:2] == (40, 60)
        for other in others:
            np.testing.assert_array_equal(other, first)


def test_the_command(short_run, tmp_path):
    picture = write_picture(tmp_path / "street.jpg", np.random.default_rng(0).integers(0, 256, (70, 100, 3), np.uint8))
    result = command(
        "-c", WITH_SHORT, "predict", f"--workdir={short_run}", picture, f"--output_dir={tmp_path / 'out'}", HOME="/proc/no"
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""  # Matplotlib would say where it keeps its caches without a HOME
    assert sorted(os.listdir(tmp_path / "out")) == ["legend.png", "street_index.png", "street_overlay.png"]
    assert_one_line(kerasseg("predict", f"--workdir={short_run}", picture), "--output_dir is missing")
    assert_one_line(kerasseg("predict", picture, "--output_dir=x"), "give --workdir of a run, --tflite=FILE")
    assert_one_line(
        kerasseg("predict", f"--workdir={short_run}", "--save=nothing", picture, "--output_dir=x"), "give some of overlay"
    )
    assert "1 picture in " in result.stdout
    (tmp_path / "bad.jpg").write_text("no picture")
    result = kerasseg("predict", f"--workdir={short_run}", tmp_path / "bad.jpg", picture, f"--output_dir={tmp_path / 'out'}")
    assert result.returncode == 1
    assert f"NOT MET: 1 could not be read: {tmp_path / 'bad.jpg'}" in result.stdout
