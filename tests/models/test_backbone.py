import dataclasses

import keras
import numpy as np
import pytest

from kerasseg.models import ModelSpec, backbone, build_model, get_spec

SIZE = (64, 96)


def _features(spec, output_stride):
    image, _, high = backbone.features(
        dataclasses.replace(spec, output_stride=output_stride), size=SIZE, batch_size=None, bn_momentum=0.95
    )
    return keras.Model(image, high)


@pytest.mark.parametrize("name", ["v3large_sliced", "v3small_sliced", "edge_mini"])
def test_output_strides_share_weights_and_agree_where_both_look(name):
    """Atrous consistency: features at stride 8 and 16, subsampled, are those at stride 32.

    A strided convolution of an even side pads at the end, so output i looks at input 2i + 1: hence [1::2]. Squeeze-excite
    averages over all positions, which differ in number; with its second kernel at 0 it scales by a constant.
    """
    models = {stride: _features(get_spec(name), stride) for stride in (32, 16, 8)}
    rng = np.random.default_rng(0)
    weights = [rng.normal(0, 0.3, w.shape) if "kernel" in w.path else rng.uniform(0.5, 1, w.shape) for w in models[32].weights]
    for i, variable in enumerate(models[32].weights):
        if variable.path.endswith("squeeze_excite_conv_1/kernel"):
            weights[i] = np.zeros(variable.shape)
    for model in models.values():
        model.set_weights(weights)
    image = rng.uniform(0, 255, (1, *SIZE, 3)).astype(np.float32)
    coarse, middle, fine = (keras.ops.convert_to_numpy(models[stride](image)) for stride in (32, 16, 8))
    assert [out.shape[1:3] for out in (coarse, middle, fine)] == [(2, 3), (4, 6), (8, 12)]
    assert np.abs(coarse).max() > 0
    np.testing.assert_allclose(middle[:, 1::2, 1::2], coarse, rtol=1e-3, atol=1e-4 * np.abs(coarse).max())
    np.testing.assert_allclose(fine[:, 3::4, 3::4], coarse, rtol=1e-3, atol=1e-4 * np.abs(coarse).max())


def test_the_skip_is_taken_at_stride_4():
    for name, channels in (("v3large_sliced", 24), ("v3small_sliced", 16)):
        _, low, _ = backbone.features(get_spec(name), size=SIZE, batch_size=None, bn_momentum=0.95)
        assert low.shape[1:] == (16, 24, channels)


def test_batch_norm_momentum_is_a_setting():
    model = build_model("tiny", size=(64, 64), bn_momentum=0.9)
    momenta = {layer.momentum for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)}
    assert momenta == {0.9}


def test_what_was_built_before_changes_nothing_that_a_seed_gives():
    weights, spec = [], dataclasses.replace(get_spec("tiny"), last_block=3)
    backbone._reference.cache_clear()
    for _ in range(2):
        keras.utils.set_random_seed(5)
        weights.append(build_model(spec, size=(64, 64)).get_weights())
    for first, second in zip(*weights, strict=True):
        np.testing.assert_array_equal(first, second)


MINIMALISTIC = ModelSpec(tail="full", output_stride=32, activation="relu", minimalistic=True)


@pytest.mark.parametrize("backbone_name", ["large", "small"])
def test_a_minimalistic_backbone_is_keras_applications_own_layer_by_layer(backbone_name):
    spec = dataclasses.replace(MINIMALISTIC, backbone=backbone_name)
    image, _, high = backbone.features(spec, size=(64, 64), batch_size=1, bn_momentum=0.95)
    ours = keras.Model(image, high)
    reference = backbone.BACKBONES[backbone_name].build(
        input_shape=(64, 64, 3), minimalistic=True, include_top=False, weights=None
    )
    assert [type(layer) for layer in ours.layers] == [type(layer) for layer in reference.layers]
    kinds = {type(layer).__name__ for layer in ours.layers} - {"InputLayer", "Rescaling", "BatchNormalization", "ZeroPadding2D"}
    assert kinds == {"Conv2D", "DepthwiseConv2D", "ReLU", "Add"}
    rng = np.random.default_rng(0)
    for layer, theirs in zip(ours.layers, reference.layers, strict=True):
        assert layer.name == theirs.name or not theirs.weights  # what has weights has the name that weights come under
        values = [rng.normal(0, 0.3, w.shape) if w.name == "kernel" else rng.uniform(0.5, 1, w.shape) for w in layer.weights]
        layer.set_weights(values)
        theirs.set_weights(values)
    picture = rng.uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
    everything = [keras.Model(model.input, [layer.output for layer in model.layers]) for model in (ours, reference)]
    for out, theirs in zip(*(model(picture) for model in everything), strict=True):
        np.testing.assert_array_equal(out, theirs)
