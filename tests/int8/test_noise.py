import keras
import numpy as np
import pytest

from kerasseg.int8 import matching, noise, quantization, ranges
from kerasseg.lite import converter
from kerasseg.lite.flatbuffer import Graph

IMAGES = [np.random.default_rng(i).integers(0, 256, (1, 16, 16, 3)).astype(np.float32) for i in range(2)]


@pytest.fixture(scope="module")
def model():
    """Two convolutions; the second one's range will be far too wide."""
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 3), batch_size=1)
    x = keras.layers.Conv2D(8, 3, padding="same", name="good")(image)
    x = keras.layers.ReLU(name="good_act")(x)
    return keras.Model(image, keras.layers.Conv2D(4, 3, padding="same", name="bad")(x))


@pytest.fixture(scope="module")
def files(model):
    content = converter.convert(model, recipe="float32")
    found = ranges.measure(content, lambda: ([image] for image in IMAGES))
    output = Graph(content).operators[-1].outputs[0]
    low, high = found[output]
    return content, quantization.with_ranges(content, found | {output: (50 * low, 50 * high)})


def test_layers_are_found_by_their_values(model, files):
    graph = Graph(files[0])
    tensors = matching.tensors_of_layers(model, files[0], IMAGES[:2])
    assert tensors["good_act"] == graph.operators[0].outputs[0]
    assert tensors["bad"] == graph.operators[1].outputs[0]
    assert "good" not in tensors  # fused with its ReLU
    assert matching.fused_into(model, "good", tensors) == tensors["good_act"]
    assert matching.fused_into(model, "nothing", tensors) is None


def test_the_worst_layer_is_the_one_with_the_worst_range(files):
    good, bad = noise.compare(files[1], files[0], IMAGES)
    assert good.operator == bad.operator == "CONV_2D"
    assert good.snr_db > 35  # 8 bits, a uniform input and no clipping
    # 50 times the step is 20 log10(50) = 34 dB more noise.
    assert bad.lost_db == pytest.approx(34, abs=6)
    assert bad.snr_db == pytest.approx(good.snr_db - bad.lost_db)


def test_a_file_has_no_noise_against_itself(files):
    found = noise.compare(files[0], files[0], IMAGES)
    assert {one.snr_db for one in found} == {noise.LARGEST_DB}
    assert max(one.lost_db for one in found) < 0
