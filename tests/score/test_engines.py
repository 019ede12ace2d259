import numpy as np
import pytest

from kerasseg import int8
from kerasseg.int8 import calibration
from kerasseg.mcu import runtime
from kerasseg.models import build_model
from kerasseg.score import engines
from tests.int8.test_folding import lively

pytestmark = pytest.mark.slow

SIZE = (64, 64)
IMAGES = np.random.default_rng(0).integers(0, 256, (3, *SIZE, 3), np.uint8)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    model = lively(build_model("tiny", size=SIZE, num_classes=4, batch_size=1))
    path = tmp_path_factory.mktemp("lite") / "tiny.tflite"
    path.write_bytes(int8.quantize(int8.prepare_model(model, calibration.representative(IMAGES))))
    return path


def test_engines_give_the_same_logits(path):
    logits = {}
    for kernels in engines.available():
        record = []
        ids = engines.recording(engines.load(path, kernels=kernels), record)(IMAGES[:1])
        logits[kernels] = record[0].astype(int)
        np.testing.assert_array_equal(ids, logits[kernels].argmax(-1))
    np.testing.assert_array_equal(logits["micro"], logits["reference"])  # the same arithmetic, to the bit
    assert np.abs(logits["xnnpack"] - logits["reference"]).max() <= 6


def test_without_the_extra_the_command_is_told(path, monkeypatch):
    monkeypatch.setattr(runtime, "is_installed", lambda: False)
    assert "micro" not in engines.available()
    with pytest.raises(ValueError, match=r"TFLite Micro is not installed; run pip install 'kerasseg\[micro\]'"):
        engines.load(path, kernels="micro")
