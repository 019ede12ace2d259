import keras
import numpy as np
import pytest

from kerasseg.int8 import calibration, folding, quantization, ranges, rounding
from kerasseg.lite import converter
from kerasseg.lite.flatbuffer import Graph


def _smooth(count, size, seed=0):
    """Pictures whose neighbouring pixels are nearly alike, as those of the world are."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 216, (count, size // 8, size // 8, 3)).repeat(8, 1).repeat(8, 2)
    return (coarse + rng.integers(-4, 5, coarse.shape)).astype(np.uint8)


def _model(size=32):
    image = keras.Input((size, size, 3), batch_size=1)
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="plain")(image)
    x = keras.layers.DepthwiseConv2D(5, padding="same", dilation_rate=2, name="depthwise")(x)
    x = keras.layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
    x = keras.layers.DepthwiseConv2D(3, strides=2, name="strided")(x)
    model = keras.Model(image, keras.layers.Conv2D(4, 1, name="pointwise")(x))
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if layer.weights:
            layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])
    return model


def _nearest(model):
    def emit(layer, inputs):
        if not isinstance(layer, folding.CONVOLUTIONS):
            return folding.copy(layer, inputs)
        kernel, bias = layer.get_weights()
        axes = (0, 1, 3) if isinstance(layer, keras.layers.DepthwiseConv2D) else (0, 1, 2)
        scale = np.abs(kernel).max(axes, keepdims=True) / rounding.STEPS
        return folding.copy(layer, inputs, weights=(np.round(kernel / scale) * scale, bias))

    return folding.rebuild(model, emit)


def _apart(model, other, images):
    expected, found = (one.predict(images.astype(np.float32), batch_size=1, verbose=0) for one in (model, other))
    return float(np.square(expected - found).mean())


def test_errors_of_kernels_cancel_on_what_they_see():
    model, calibrating, others = _model(), _smooth(6, 32), _smooth(4, 32, seed=9)
    together = rounding.round_kernels(model, calibration.representative(iter(calibrating)))
    assert _apart(model, together, others) < _apart(model, _nearest(model), others) / 4


def test_tflite_takes_the_steps_as_they_are():
    model = _model()
    images = calibration.representative(iter(_smooth(3, 32)))
    together = rounding.round_kernels(model, images)
    content = converter.convert(together, recipe="float32")
    floating = Graph(content)
    quantized = Graph(quantization.with_ranges(content, ranges.measure(content, images)))
    seen = 0
    for one, other in zip(floating.operators, quantized.operators, strict=True):
        if "CONV" in one.name:
            kernel, steps = floating.constant(one.inputs[1]), quantized.constant(other.inputs[1])
            axis = 3 if one.name == "DEPTHWISE_CONV_2D" else 0
            scales = quantized.scales(other.inputs[1]).reshape([-1 if i == axis else 1 for i in range(4)])
            np.testing.assert_allclose(steps * scales, kernel, rtol=1e-6)
            assert np.abs(steps).max() == rounding.STEPS
            seen += 1
    assert seen == 4


def test_what_a_kernel_sees_is_what_the_layer_computes_with():
    model = _model()
    image = _smooth(1, 32).astype(np.float32)
    for name in ("plain", "depthwise", "strided", "pointwise"):
        layer = model.get_layer(name)
        before, after = (keras.Model(model.input, one)(image) for one in (layer.input, layer.output))
        rng = np.random.default_rng(3)
        seen = rounding._seen(layer, np.asarray(before), rng)
        rows, columns = after.shape[1:3]
        places = np.random.default_rng(3).choice(rows * columns, len(seen), replace=False)
        kernel, bias = layer.get_weights()
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            computed = (seen * kernel[..., 0].reshape(-1, kernel.shape[2])).sum(1) + bias
        else:
            computed = layer.activation(seen.reshape(len(seen), -1) @ kernel.reshape(-1, kernel.shape[-1]) + bias)
        expected = np.asarray(after)[0].reshape(rows * columns, -1)[places]
        np.testing.assert_allclose(np.asarray(computed), expected, rtol=1e-3, atol=1e-2)


def test_an_output_of_zeros_stays_one():
    model = _model()
    kernel, bias = model.get_layer("plain").get_weights()
    kernel[..., 2] = 0
    model.get_layer("plain").set_weights([kernel, bias])
    together = rounding.round_kernels(model, calibration.representative(iter(_smooth(2, 32))))
    rounded, _ = together.get_layer("plain").get_weights()
    assert not rounded[..., 2].any()
    assert np.isfinite(rounded).all()


@pytest.mark.parametrize("together", [2, 7])
def test_long_kernels_are_rounded_in_blocks(monkeypatch, together):
    monkeypatch.setattr(rounding, "TOGETHER", together)
    model, others = _model(), _smooth(4, 32, seed=9)
    blocks = rounding.round_kernels(model, calibration.representative(iter(_smooth(4, 32))))
    assert _apart(model, blocks, others) < _apart(model, _nearest(model), others)
