import dataclasses

import keras
import numpy as np
import pytest

from kerasseg.int8 import calibration, equalization, folding, matching, quantization, ranges
from kerasseg.int8 import twin as qat
from kerasseg.int8.twin import quantizers
from kerasseg.lite import converter
from kerasseg.lite.flatbuffer import Graph
from kerasseg.models import build_model, get_spec, list_models
from tests.int8.test_folding import lively
from tests.lite.nets import real_output

pytestmark = pytest.mark.slow

SIZE = (64, 64)
IMAGES = np.random.default_rng(0).integers(0, 256, (3, *SIZE, 3), np.uint8)


def _prepared(name, *, pooled=False):
    keras.utils.set_random_seed(0)
    model = folding.fold(lively(build_model(name, size=SIZE, num_classes=4, batch_size=1)))
    model = equalization.equalize(model, calibration.representative(iter(IMAGES)))
    if pooled:
        model = folding.pool_means(model)
    content = converter.convert(model, recipe="float32")
    found = ranges.measure(content, calibration.representative(iter(IMAGES)))
    tensors = matching.tensors_of_layers(model, content, [image[None] for image in IMAGES[:2].astype(np.float32)])
    return (model, content, found, {layer: qat.Grid.of(*found[tensor]) for layer, tensor in tensors.items()})


@pytest.fixture(scope="module")
def prepared(short):
    return _prepared(short.model)


def _structures():
    """A row of the table of models for each way in which they are put together, whatever their widths and how far they go."""
    counts = {"alpha": 1.0, "filters": 0, "skip_filters": 0, "decoder_filters": 0, "rates": (), "channels": 3}
    specs = {name: get_spec(name) for name in list_models()}
    return {
        dataclasses.replace(spec, **counts, last_block=min(spec.last_block, 0)): name for name, spec in specs.items()
    }.values()  # fmt: skip


def test_the_twin_computes_what_the_file_computes(prepared):
    model, content, found, by_layer = prepared
    twin = qat.build(model, by_layer, size=SIZE, batch_size=1)
    image = IMAGES[:1].astype(np.float32)
    logits, step = real_output(quantization.with_ranges(content, found), image)
    steps = np.abs(np.asarray(twin(image)) - logits) / step
    assert steps.max() < 1e-3
    plain = np.abs(model.predict_on_batch(image) - logits) / step
    assert plain.mean() > 0.1


def test_an_average_pooling_rounds_as_the_file_does(short):
    model, content, found, by_layer = _prepared(short.model, pooled=True)
    twin, file = qat.build(model, by_layer, size=SIZE, batch_size=1), quantization.with_ranges(content, found)
    assert "AVERAGE_POOL_2D" in {one.name for one in Graph(file).operators}
    for image in IMAGES.astype(np.float32):
        logits, step = real_output(file, image[None])
        assert np.abs(np.asarray(twin(image[None])) - logits).max() / step < 1e-3


def test_a_pooled_half_goes_away_from_the_stored_zero():
    pool = quantizers.Pool(quantizers.Grid(np.float32(0.5), 0, 255))  # stored -128..127
    found = pool(np.array([2.5, 3.5, 127.5, 128.5, 130.4]), training=False, weights={})
    np.testing.assert_array_equal(found, np.array([2, 3, 127, 129, 130]) * 0.5)


def test_every_activation_of_the_file_is_quantized_in_the_twin(prepared):
    model, content, _, _ = prepared
    graph = Graph(content)
    intermediate = 1  # the Rescaling at the input is MUL and ADD; the product's steps are the input's own
    outputs = {operator.outputs[0] for operator in graph.operators}
    tensors = set(matching.tensors_of_layers(model, content, [image[None] for image in IMAGES[:2].astype(np.float32)]).values())
    assert len(outputs - tensors) == intermediate


def test_a_step_moves_weights_and_the_state_comes_back(prepared):
    model, _, _, by_layer = prepared
    labels = np.random.default_rng(1).integers(0, 4, (2, *SIZE))

    def loss(labels, logits):
        return keras.ops.mean(keras.ops.sparse_categorical_crossentropy(labels, logits, from_logits=True))

    def trainer():
        twin = qat.build(model, by_layer, size=SIZE, batch_size=None)
        return qat.Trainer(
            twin,
            loss,
            build_model("short", size=SIZE, num_classes=4),
            learning_rate=1e-3,
            steps=10,
            clip_norm=5.0,
            ema_decay=0.9,
        )

    batch = [(IMAGES[:2].astype(np.float32), labels)]
    first = trainer()
    before = first.state()
    losses = [first.epoch(batch) for _ in range(4)]
    assert losses[-1] < losses[0]
    after = first.state()
    moved = [name for name, values in after.items() if name.startswith("model/") and (values != before[name]).any()]
    assert len(moved) > 0.9 * len([name for name in before if name.startswith("model/")])
    second = trainer()
    second.restore(after)
    restored = second.state()
    for name, values in after.items():
        np.testing.assert_array_equal(restored[name], values)
    clone = keras.models.clone_model(model)
    second.give_average(clone)
    np.testing.assert_array_equal(clone.get_layer("logits").get_weights()[0], first.average["logits/kernel"].numpy())


@pytest.mark.parametrize("name", _structures())
def test_every_model_can_be_mapped(name):
    model = folding.fold(build_model(name, size=SIZE, num_classes=4, batch_size=1))
    model = equalization.equalize(model, calibration.representative(iter(IMAGES[:1, ..., : get_spec(name).channels])))
    twin = qat.build(model, {}, size=(96, 64), batch_size=None)
    stride = get_spec(name).logits_stride
    assert twin.output.shape == (None, 96 // stride, 64 // stride, 4)


def test_a_depthwise_kernel_has_a_step_a_channel():
    kernel = np.zeros((1, 1, 2, 1), np.float32)
    kernel[0, 0, :, 0] = 127.0, 0.5
    np.testing.assert_allclose(quantizers.kernel_step(kernel), [1.0, 0.5 / 127])
    np.testing.assert_allclose(quantizers.Kernel()(kernel, training=False, weights={}).numpy().ravel(), [127, 127])


def test_a_grid_is_what_tflite_makes_of_a_range():
    import tensorflow as tf

    # Steps of 4 / 255; -128 stands for -1, so the zero point is round(-128 + 255 / 4) = -64.
    grid = quantizers.Grid.of(-1.0, 3.0)
    assert grid.step == np.float32(4 / 255)
    assert (grid.lowest, grid.highest) == (-64, 191)
    snapped = quantizers.Snap(grid)(tf.constant([-5.0, 0.0, 1.0, 9.0]), training=False, weights={})
    np.testing.assert_allclose(snapped, np.array([-64, 0, 64, 191]) * 4 / 255, rtol=1e-6)  # 1 / (4 / 255) = 63.75


def test_the_gradient_passes_rounding_and_stops_at_the_ends():
    import tensorflow as tf

    values = tf.constant([-5.0, 0.3, 9.0])
    with tf.GradientTape() as tape:
        tape.watch(values)
        snapped = quantizers.Snap(quantizers.Grid.of(-1.0, 3.0))(values, training=True, weights={})
    np.testing.assert_allclose(tape.gradient(snapped, values), [0, 1, 0], rtol=1e-6)


def test_a_layer_without_counterpart_is_named():
    image = keras.Input((8, 8, 3), batch_size=1)
    x = keras.layers.Conv2D(2, 1, name="fine")(image)
    model = keras.Model(image, keras.layers.LayerNormalization(name="odd")(x))
    with pytest.raises(ValueError, match=r"QAT cannot map odd \(LayerNormalization\); it knows Conv2D"):
        qat.build(model, {}, size=(8, 8), batch_size=1)
