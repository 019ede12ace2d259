import os

import numpy as np
import pytest

from kerasseg.errors import InputError
from kerasseg.lite.flatbuffer import Graph
from kerasseg.lite.isolation import isolated
from kerasseg.mcu import runtime
from kerasseg.run import sidecar
from tests.conftest import assert_one_line, kerasseg
from tests.lite import nets

pytestmark = pytest.mark.slow

LAYERS = (
    nets.keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
    nets.keras.layers.DepthwiseConv2D(3, padding="same", activation="relu"),
    nets.keras.layers.Resizing(16, 16),
    nets.keras.layers.Conv2D(3, 1),
)


def _mutations(content, count):
    """Files with one to four bytes changed that belong to no weights."""
    spots = np.ones(len(content), bool)
    for buffer in Graph(content).model.buffers:
        if buffer.data is not None and len(buffer.data) >= 64:
            start = content.find(bytes(buffer.data))
            spots[start : start + len(buffer.data)] = False
    rng = np.random.default_rng(0)
    for _ in range(count):
        changed = bytearray(content)
        for spot in rng.choice(np.flatnonzero(spots), rng.integers(1, 5)):
            changed[spot] ^= int(rng.integers(1, 256))
        yield bytes(changed)


def test_what_comes_back_and_what_does_not():
    assert isolated(lambda: {"a": np.arange(3)}, file="a.tflite")["a"].tolist() == [0, 1, 2]
    with pytest.raises(InputError, match=r"^a.tflite is damaged, or no file of this kind \(IndexError: list index"):
        isolated(lambda: [][1], file="a.tflite")
    with pytest.raises(InputError, match="^as it is$"):
        isolated(lambda: (_ for _ in ()).throw(InputError("as it is")), file="a.tflite")
    with pytest.raises(InputError, match="^a.tflite is damaged: running it ended a process with SIGABRT; convert it again$"):
        isolated(os.abort, file="a.tflite")


def test_each_of_200_damaged_files_is_one_line_or_runs(tmp_path):
    """What a changed byte makes of a name or of padding does no harm; the JSON of `convert` shows those, too."""
    if not runtime.is_installed():
        pytest.skip("TFLite Micro is not installed")
    nets.keras.utils.set_random_seed(0)
    sound = nets.int8(nets.network(*LAYERS))
    path, refused = tmp_path / "m.tflite", 0
    for content in _mutations(sound, 200):
        path.write_bytes(content)
        result = kerasseg("micro", f"--tflite={path}", "--pictures=1", f"--output_dir={tmp_path / 'out'}")
        if result.returncode == 1:  # it runs, and TFLite Micro computes something else: the report says so
            assert "NOT MET" in result.stdout
        elif result.returncode:
            refused += 1
            assert_one_line(result)
    assert 80 < refused < 200


def test_each_of_200_is_refused_where_the_json_lies_beside_it(short_int8, tmp_path):
    path = tmp_path / "int8.tflite"
    sidecar.path_of(path).write_bytes(sidecar.path_of(short_int8).read_bytes())
    for content in _mutations(short_int8.read_bytes(), 200):
        path.write_bytes(content)
        result = kerasseg("micro", f"--tflite={path}", f"--output_dir={tmp_path / 'out'}")
        assert_one_line(result, "is not the file that int8.tflite.json speaks of")
    assert not (tmp_path / "out").exists()
