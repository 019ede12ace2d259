import keras
import numpy as np
import pytest

from kerasseg.int8 import calibration, quantization, ranges
from kerasseg.lite import converter, interpreter
from kerasseg.lite.flatbuffer import Graph
from tests.lite.nets import int8, real_output

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), np.uint8)


def _representative():
    return calibration.representative(iter(IMAGES))


def _by_operator(content):
    graph = Graph(content)
    found = ranges.measure(content, _representative())
    return {operator.name: found[operator.outputs[0]] for operator in graph.operators}


def test_a_gate_keeps_its_own_range_though_the_product_overwrites_it():
    # TensorFlow's calibrator reads the gate after MUL has overwritten it in place, and gives it the product's range.
    image = keras.Input((16, 16, 3), batch_size=1)
    gate = keras.layers.ReLU(6.0)(keras.layers.Rescaling(1.0, 3.0)(image))
    x = keras.layers.Multiply()([image, gate])
    model = keras.Model(image, keras.layers.Conv2D(2, 1)(x))
    found = _by_operator(converter.convert(model, recipe="float32"))
    assert found["ADD"] == (0.0, 6.0)
    assert found["MUL"][1] > 1000  # 255 * 6


def test_a_range_is_the_mean_of_the_pictures():
    image = keras.Input((4, 4, 3), batch_size=1)
    model = keras.Model(image, keras.layers.GlobalMaxPooling2D(keepdims=True)(image))
    pictures = np.stack([np.full((4, 4, 3), top, np.uint8) for top in (10, 20, 60)])
    content = converter.convert(model, recipe="float32")
    found = ranges.measure(content, calibration.representative(iter(pictures)))
    # 30 = (10 + 20 + 60) / 3; 0 is always inside. The input has the range of pictures.
    assert found == {0: (0.0, 255.0)} | dict.fromkeys(set(found) - {0}, (0.0, 30.0))
    assert len(found) > 1


def test_of_a_large_tensor_single_pixels_do_not_count():
    """3e-5 of 200 * 500 numbers are 3: the next ones are the ends, whatever the three reach."""
    image = keras.Input((200, 500, 1), batch_size=1)
    shift = keras.layers.DepthwiseConv2D(1, use_bias=True)
    model = keras.Model(image, shift(image))
    shift.set_weights([np.ones((1, 1, 1, 1)), np.full(1, -100.0)])
    picture = np.full((200, 500, 1), 100, np.uint8)
    picture[0, :5, 0] = 255, 254, 253, 150, 120
    picture[1, :4, 0] = 0, 1, 2, 60
    content = converter.convert(model, recipe="float32")
    found = ranges.measure(content, calibration.representative(iter(picture[None])))
    output = int(Graph(content).model.subgraphs[0].outputs[0])
    np.testing.assert_allclose(found[output], (-40, 50), atol=1e-4)


def test_the_rescaling_of_a_picture_is_known_and_exact():
    image = keras.Input((4, 4, 3), batch_size=1)
    model = keras.Model(image, keras.layers.Rescaling(1 / 127.5, -1.0)(image))
    dark = np.full((1, 4, 4, 3), 40, np.uint8)
    content = converter.convert(model, recipe="float32")
    found = ranges.measure(content, calibration.representative(iter(dark)))
    product, total = (found[operator.outputs[0]] for operator in Graph(content).operators)
    assert product == pytest.approx((0, 2))
    # -1..1 with 0 on a step: 127 steps above it, 128 below.
    assert total == pytest.approx((-128 / 127, 1))
    loaded = interpreter.ImageModel(quantization.with_ranges(content, found))
    ramp = np.arange(48, dtype=np.float32).reshape(1, 4, 4, 3) * 5
    loaded.set_image(ramp)
    loaded.invoke()
    np.testing.assert_array_equal(loaded.raw_output(), np.round((ramp / 127.5 - 1) * 127))


def _hard_swish(x, channel_scales=None):
    if channel_scales is None:
        gate = keras.layers.Rescaling(1.0, 3.0)(x)
    else:
        affine = keras.layers.DepthwiseConv2D(1)
        gate = affine(x)
        affine.set_weights([np.array(channel_scales, np.float32)[None, None, :, None], np.full(len(channel_scales), 3.0)])
    return keras.layers.Multiply()([x, keras.layers.ReLU(6.0)(gate)])


def _with_convolution(after):
    image = keras.Input((16, 16, 3), batch_size=1)
    convolution = keras.layers.Conv2D(2, 1)
    model = keras.Model(image, after(convolution(image)))
    convolution.set_weights([np.array([[-0.2, 0.1]] * 3)[None, None], np.zeros(2)])
    return _by_operator(converter.convert(model, recipe="float32"))["CONV_2D"]


def test_no_steps_are_spent_below_where_hard_swish_is_zero():
    low, high = _with_convolution(_hard_swish)
    assert low == -3
    assert high > 20
    low, _ = _with_convolution(lambda x: _hard_swish(x, [0.5, 0.25]))
    assert low == -12  # of the channel that is 0 from there down, the other from -6


def test_what_something_else_takes_too_keeps_its_range():
    low, _ = _with_convolution(lambda x: keras.layers.Concatenate()([_hard_swish(x), keras.layers.ReLU()(x)]))
    assert low < -100
    low, _ = _with_convolution(lambda x: keras.layers.Multiply()([x, keras.layers.ReLU(6.0)(x)]))
    assert low < -100


def test_joined_tensors_share_a_range():
    image = keras.Input((16, 16, 3), batch_size=1)
    both = keras.layers.Concatenate()([keras.layers.Rescaling(2.0)(image), keras.layers.Rescaling(-1.0)(image)])
    content = converter.convert(keras.Model(image, keras.layers.Resizing(32, 32)(both)), recipe="float32")
    graph, found = Graph(content), ranges.measure(content, _representative())
    shared = {found[o.outputs[0]] for o in graph.operators}
    assert len(shared) == 1
    low, high = shared.pop()
    assert low < -200
    assert high > 400


def _squeeze_excite(bias):
    """A squeeze-excite block whose reducing convolution never fires when its bias is very negative."""
    image = keras.Input((16, 16, 3), batch_size=1)
    x = keras.layers.GlobalAveragePooling2D(keepdims=True)(image)
    x = keras.layers.Conv2D(4, 1, name="reduce")(x)
    x = keras.layers.ReLU(name="relu")(x)
    x = keras.layers.Conv2D(3, 1, activation="sigmoid", name="expand")(x)
    model = keras.Model(image, keras.layers.Multiply()([image, x]))
    model.get_layer("reduce").set_weights([np.full((1, 1, 3, 4), 0.5), np.full(4, bias)])
    model.get_layer("expand").set_weights([np.full((1, 1, 4, 3), 0.1), np.array([2.0, -1.0, 0.5])])
    return model


@pytest.mark.parametrize("bias", [-5000.0, 1.0])
def test_a_dead_layer_loads_under_xnnpack_and_changes_nothing(bias):
    model = _squeeze_excite(bias)
    image = IMAGES[:1].astype(np.float32)
    expected = model.predict_on_batch(image)
    assert np.abs(real_output(int8(model, images=IMAGES), image)[0] - expected).max() < 4  # of 255


def test_without_the_width_it_would_not_load():
    content = converter.convert(_squeeze_excite(-5000.0), recipe="float32")
    found = ranges.measure(content, _representative())
    relu = next(o.outputs[0] for o in Graph(content).operators if o.name == "CONV_2D")
    narrow = quantization.with_ranges(content, found | {relu: (0.0, 1e-6)})
    with pytest.raises(ValueError, match="does not load under LiteRT with xnnpack kernels"):
        interpreter.LoadedModel(narrow)


def test_ranges_are_carried_to_other_weights():
    model = _squeeze_excite(1.0)
    old = converter.convert(model, recipe="float32")
    found = ranges.measure(old, _representative())
    model.get_layer("reduce").set_weights([np.full((1, 1, 3, 4), 0.3), np.full(4, 2.0)])
    assert sorted(ranges.carry(old, converter.convert(model, recipe="float32"), found).values()) == sorted(found.values())


def test_ranges_are_not_carried_to_another_network():
    old = converter.convert(_squeeze_excite(1.0), recipe="float32")
    found = ranges.measure(old, _representative())
    image = keras.Input((16, 16, 3), batch_size=1)
    shorter = keras.Model(image, keras.layers.GlobalAveragePooling2D(keepdims=True)(image))
    wider = keras.Model(image, keras.layers.Conv2D(3, 3)(image))
    for other, said in ((shorter, "it has nothing where CONV_2D"), (wider, "it has CONV_2D .* where MEAN")):
        with pytest.raises(ValueError, match=f"do not fit the other: {said}"):
            ranges.carry(old, converter.convert(other, recipe="float32"), found)
