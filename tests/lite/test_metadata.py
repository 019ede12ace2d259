import io
import os
import subprocess
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from flatbuffers import encode, number_types, packer
from flatbuffers.table import Table
from PIL import Image

from kerasseg import jobs
from kerasseg.errors import InputError
from kerasseg.jobs import ConversionSettings
from kerasseg.lite import flatbuffer, inspection, metadata, retyping
from kerasseg.mcu import runtime
from kerasseg.run import sidecar
from tests.conftest import REPOSITORY, write_picture
from tests.lite.nets import as_float, int8, network

NAMES = ("background", "Straße & <b>", "a|b")
# MediaPipe wants another absl-py than tensorflow-model-optimization: it has an environment of its own.
MEDIAPIPE = Path(os.environ.get("KERASSEG_MEDIAPIPE", REPOSITORY / ".venv" / "mediapipe" / "bin" / "python"))
SEGMENT = """
import sys
import mediapipe as mp, numpy as np
from mediapipe.tasks.python import BaseOptions, vision
from PIL import Image
model, *pictures = sys.argv[1:]
options = vision.ImageSegmenterOptions(
    base_options=BaseOptions(model_asset_path=model), output_category_mask=True, output_confidence_masks=True
)
with vision.ImageSegmenter.create_from_options(options) as segmenter:
    print("labels", *segmenter.labels, sep="\\t")
    for name in pictures:
        pixels = np.asarray(Image.open(name))
        found = segmenter.segment(mp.Image(image_format=mp.ImageFormat.SRGB, data=pixels))
        np.save(name + ".npy", found.category_mask.numpy_view().squeeze())
        total = sum(mask.numpy_view().astype(float) for mask in found.confidence_masks)
        assert abs(total - 1).max() < 1e-3, total
"""


def _described(content):
    return metadata.with_metadata(content, name="net", description="A net.", class_names=NAMES)


@pytest.mark.parametrize("make", [int8, as_float])
def test_the_same_operators_numbers_and_arena(make):
    content = make(network(keras.layers.Conv2D(4, 3, padding="same"), keras.layers.Conv2D(3, 1)))
    described = _described(content)
    before, after = (inspection.Reference(one) for one in (content, described))
    image = np.random.default_rng(0).integers(-128, 128, before.inputs[0].shape).astype(before.inputs[0].dtype)
    for one, other in zip(before.run([image]), after.run([image]), strict=True):
        np.testing.assert_array_equal(one, other)
    assert [o.name for o in flatbuffer.Graph(described).operators] == [o.name for o in flatbuffer.Graph(content).operators]
    if runtime.is_installed() and make is int8:
        assert runtime.measure_arena(described) == runtime.measure_arena(content)
    assert _described(content) == described  # nothing of the day or the machine is in it
    with zipfile.ZipFile(io.BytesIO(described)) as archive:
        assert archive.read("labels.txt").decode().splitlines() == list(NAMES)


@pytest.mark.parametrize(("channels", "space"), [(3, 1), (1, 2)])  # ColorSpaceType of metadata_schema.fbs: RGB, GRAYSCALE
def test_it_says_whether_the_picture_is_grey(channels, space):
    image = keras.Input((16, 16, channels), batch_size=1)
    graph = flatbuffer.Graph(_described(as_float(keras.Model(image, keras.layers.Conv2D(3, 1)(image)))))
    (entry,) = (one for one in graph.model.metadata if one.name == metadata.NAME.encode())
    buffer = bytes(graph.model.buffers[entry.buffer].data)
    table = Table(buffer, encode.Get(packer.uoffset, buffer, 0))
    for slot in (3, 2):  # subgraph, input
        (table,) = metadata._tables(table, slot)
    for slot in (3, 1):  # content, its properties
        table = Table(buffer, table.Indirect(table.Pos + table.Offset(4 + 2 * slot)))
    assert table.Get(number_types.Int8Flags, table.Pos + table.Offset(4)) == space


@pytest.mark.slow
def test_mediapipe_takes_our_files_as_they_are(short_run, short_int8, tmp_path):
    if not MEDIAPIPE.is_file():
        pytest.skip(f"no MediaPipe in {MEDIAPIPE}; `make .venv/.test` installs it, or set KERASSEG_MEDIAPIPE")
    rng = np.random.default_rng(0)
    pictures = []
    for i in range(3):
        small = Image.fromarray(rng.integers(0, 256, (12, 12, 3), np.uint8))
        pictures.append(write_picture(tmp_path / f"{i}.png", np.asarray(small.resize((96, 96), Image.Resampling.BILINEAR))))
    float32 = tmp_path / "float32.tflite"
    jobs.convert(short_run, output=float32, settings=ConversionSettings(recipe="float32"))
    names = sidecar.read(float32).class_names
    uint8 = tmp_path / "uint8.tflite"  # what --io_type=uint8 makes, without another calibration
    bare = retyping.with_uint8(short_int8.read_bytes())
    uint8.write_bytes(metadata.with_metadata(bare, name="short", description="uint8 ends", class_names=names))
    for file in (uint8, float32):
        command = [MEDIAPIPE, "-c", SEGMENT, file, *pictures]
        result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert result.returncode == 0, result.stderr
        predictor = jobs.load_predictor(tflite=file)
        assert f"labels\t{chr(9).join(names)}\n" in result.stdout
        for path in pictures:
            ids = predictor.predict(np.asarray(Image.open(path))[None])[0]
            np.testing.assert_array_equal(np.load(f"{path}.npy"), ids)


@pytest.mark.parametrize("names", [("a",), ("a", "b", "c", "d"), ("a", "b\nc", "d"), ("a", "", "b")])
def test_names_that_are_not_one_a_class_are_refused(names):
    content = as_float(network(keras.layers.Conv2D(3, 1)))
    with pytest.raises(InputError, match="class names were given for 3 classes; give each one, of one line"):
        metadata.with_metadata(content, name="net", description="A net.", class_names=names)
