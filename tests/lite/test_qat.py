import keras
import numpy as np
import pytest

from kerasseg.lite import calibration, converter, equalization, folding, interpreter, matching, qat, ranges
from kerasseg.models import build_model, list_models
from tests.lite.test_folding import lively

SIZE = (64, 64)
IMAGES = np.random.default_rng(0).integers(0, 256, (3, *SIZE, 3), np.uint8)


def _prepared(name):
    model = folding.fold(lively(build_model(name, size=SIZE, num_classes=4, batch_size=1)))
    model = equalization.equalize(model, calibration.representative(iter(IMAGES)))
    content = converter.convert(model, recipe="float32")
    found = ranges.measure(content, calibration.representative(iter(IMAGES)))
    tensors = matching.tensors_of_layers(model, content, IMAGES[:1].astype(np.float32))
    return model, content, found, {layer: found[tensor] for layer, tensor in tensors.items()}


@pytest.fixture(scope="module")
def tiny():
    return _prepared("tiny")


def test_the_twin_computes_what_the_file_computes(tiny):
    model, content, found, by_layer = tiny
    twin = qat.build(model, by_layer, size=SIZE, batch_size=1)
    loaded = interpreter.LoadedModel(converter.quantize(content, found), kernels="reference")
    image = IMAGES[:1].astype(np.float32)
    loaded.set_image(image)
    loaded.invoke()
    steps = np.abs(np.asarray(twin(image)) - loaded.logits()) / loaded.output.scale
    assert steps.mean() < 1.5  # rounding is TFLite's own; without fake quantization it is several times that
    plain = np.abs(model.predict_on_batch(image) - loaded.logits()) / loaded.output.scale
    assert plain.mean() > 1.5 * steps.mean()


def test_every_activation_of_the_file_is_quantized_in_the_twin(tiny):
    model, content, _, _ = tiny
    graph = converter.Graph(content)
    intermediate = 1  # the Rescaling at the input is MUL and ADD; the product's steps are the input's own
    outputs = {operator.outputs[0] for operator in graph.operators}
    tensors = set(matching.tensors_of_layers(model, content, IMAGES[:1].astype(np.float32)).values())
    assert len(outputs - tensors) == intermediate


def test_a_step_moves_weights_and_the_state_comes_back(tiny):
    model, _, _, by_layer = tiny
    labels = np.random.default_rng(1).integers(0, 4, (2, *SIZE))

    def loss(labels, logits):
        return keras.ops.mean(keras.ops.sparse_categorical_crossentropy(labels, logits, from_logits=True))

    def trainer():
        twin = qat.build(model, by_layer, size=SIZE, batch_size=None)
        return qat.Trainer(
            twin,
            loss,
            build_model("tiny", size=SIZE, num_classes=4),
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
    moved = [name for name, values in first.state().items() if name.startswith("model/") and (values != before[name]).any()]
    assert len(moved) > 0.9 * len([name for name in before if name.startswith("model/")])
    second = trainer()
    second.restore(first.state())
    for name, values in first.state().items():
        np.testing.assert_array_equal(second.state()[name], values)
    clone = keras.models.clone_model(model)
    second.give_average(clone)
    np.testing.assert_array_equal(clone.get_layer("logits").get_weights()[0], first.average["logits/kernel"].numpy())


@pytest.mark.parametrize("name", [name for name in list_models() if name != "tiny"])
def test_every_model_can_be_mapped(name):
    model = folding.fold(build_model(name, size=SIZE, num_classes=4, batch_size=1))
    model = equalization.equalize(model, calibration.representative(iter(IMAGES[:1])))
    twin = qat.build(model, {}, size=(96, 64), batch_size=None)
    assert twin.output.shape == (None, 96, 64, 4)


def test_a_depthwise_kernel_has_a_scale_a_channel():
    kernel = np.zeros((1, 1, 2, 1), np.float32)
    kernel[..., 0, 0], kernel[..., 1, 0] = 127.0, 1.27
    np.testing.assert_allclose(qat.PerChannel()(kernel, training=False, weights={}), kernel)  # whole steps of each
    kernel[..., 1, 0] = 0.5  # one scale for both would make this 1 or 0
    np.testing.assert_allclose(qat.PerChannel()(kernel, training=False, weights={}), kernel, rtol=1e-5)


def test_a_layer_without_counterpart_is_named():
    image = keras.Input((8, 8, 3), batch_size=1)
    x = keras.layers.Conv2D(2, 1, name="fine")(image)
    model = keras.Model(image, keras.layers.LayerNormalization(name="odd")(x))
    with pytest.raises(ValueError, match=r"QAT cannot map odd \(LayerNormalization\); it knows Conv2D"):
        qat.build(model, {}, size=(8, 8), batch_size=1)
