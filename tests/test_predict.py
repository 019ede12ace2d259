import os

import numpy as np
import pytest
from PIL import Image

from kerasseg.data import pictures
from kerasseg.jobs import predict
from kerasseg.jobs.prediction import Predictor
from tests.conftest import WITH_SHORT, assert_one_line, command, kerasseg, write_picture


def test_pictures_of_any_size_keep_it(tmp_path):
    rng = np.random.default_rng(0)
    paths = [write_picture(tmp_path / f"{h}.png", rng.integers(0, 256, (h, 50, 3), np.uint8)) for h in (30, 200)]
    predictor = Predictor(lambda x: x[..., 0] // 128, (64, 64), ("low", "high"))
    written = predict(paths, predictor, output_dir=tmp_path / "out")
    assert [path.name for path in written] == [
        "30_overlay.png", "30_index.png", "200_overlay.png", "200_index.png", "legend.png",
    ]  # fmt: skip
    for height in (30, 200):
        assert pictures.read_image(tmp_path / "out" / f"{height}_overlay.png").shape == (height, 50, 3)
        ids = pictures.read_labels(tmp_path / "out" / f"{height}_index.png")
        assert ids.shape == (height, 50)
        assert set(np.unique(ids)) <= {0, 1}


def test_a_bad_picture_among_good_ones_leaves_nothing(tmp_path):
    good = write_picture(tmp_path / "a.png", np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "b.png").write_text("no picture")
    nothing = Predictor(lambda images: pytest.fail("no picture should come so far"), (8, 8), ("a",))
    with pytest.raises(ValueError, match=r"b.png cannot be decoded"):
        predict([good, tmp_path / "b.png"], nothing, output_dir=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match="2 pictures are called a"):
        predict([good, good], nothing, output_dir=tmp_path / "out")


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
