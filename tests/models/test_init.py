import dataclasses

import keras
import numpy as np
import pytest

import kerasseg
from kerasseg.errors import InputError
from kerasseg.models import MODELS, ModelSpec, backbone, build_model, get_spec
from kerasseg.models.variants import ACTIVATIONS

# Kim et al. 2025 claim "about 52 %"; the head that fits the claim exactly gives these counts at 21 classes.
PAPER = {"v3large": 11_756_245, "v3large_sliced": 5_659_605, "v3small": 6_847_813, "v3small_sliced": 3_226_693}


def outlined(*arguments, **settings):
    """A model whose weights have no values, which take most of the time of building one."""
    with keras.StatelessScope(initialize_variables=False):
        return build_model(*arguments, **settings)


@pytest.mark.parametrize("name", PAPER)
def test_paper_rows_have_the_papers_parameters(name):
    assert outlined(name).count_params() == PAPER[name]


def test_the_cut_saves_51_86_percent():
    change = outlined("v3large_sliced").count_params() / outlined("v3large").count_params() - 1
    assert round(100 * change, 2) == -51.86


def test_tuned_and_thin_rows_are_about_as_large_as_the_paper_says():
    assert outlined("v3large_tuned").count_params() == pytest.approx(6.0e6, rel=0.01)
    assert outlined("v3large_thin").count_params() == pytest.approx(PAPER["v3large_sliced"], rel=0.01)


@pytest.mark.parametrize(("tail", "channels"), [("full", 960), ("half", 480), ("sliced", 160)])
def test_the_tail_is_a_switch(tail, channels):
    model = outlined(dataclasses.replace(get_spec("v3large"), tail=tail), size=(64, 64))
    assert model.get_layer("aspp_1x1").input.shape[-1] == channels


def test_a_coarser_decoder_takes_the_features_of_its_stride():
    # V3-Small has 16 channels at stride 4 and 24 at stride 8 (Howard et al. 2019, table 2).
    for stride, channels in ((4, 16), (8, 24)):
        model = outlined(dataclasses.replace(get_spec("micro_128"), logits_stride=stride), size=(64, 64), num_classes=5)
        assert model.get_layer("decoder_skip").input.shape[1:] == (64 // stride, 64 // stride, channels)
        assert model.output.shape == (None, 64 // stride, 64 // stride, 5)


# Blocks of V3-Small: 0 to 10, channels as in Howard et al. 2019, table 2. Block 8 is the first of its width: no shortcut.
@pytest.mark.parametrize(("last", "layer", "channels"), [(5, "_5_add", 40), (8, "_8_project_bn", 96), (-1, "_10_add", 96)])
def test_the_backbone_is_cut_after_a_block(last, layer, channels):
    model = outlined(dataclasses.replace(get_spec("v3small_sliced"), last_block=last), size=(64, 64))
    head = model.get_layer("aspp_1x1").input
    assert head.shape[-1] == channels
    assert head._keras_history.operation.name == f"expanded_conv{layer}"
    assert ("expanded_conv_9_expand" in {one.name for one in model.layers}) == (last == -1)


def test_a_minimalistic_backbone_has_relu_alone():
    said = "activation 'swish' was asked of a minimalistic backbone, which has ReLU alone; leave it out, or give relu"
    with pytest.raises(ValueError, match=said):
        get_spec("edge_mini", activation="swish")
    assert get_spec("edge_mini", activation="relu") == get_spec("edge_mini")
    with pytest.raises(ValueError, match="activation 'hard_swish' was asked of a minimalistic backbone"):
        ModelSpec(minimalistic=True)


@pytest.mark.parametrize("name", ["edge_mini", "edge_mini_plain"])
def test_it_has_half_the_parameters_of_edge_sliced(name):
    assert outlined(name).count_params() < outlined("edge_sliced").count_params() / 2


def test_the_light_head_is_a_convolution_times_a_gate_of_the_picture():
    spec = dataclasses.replace(get_spec("edge_small"), head="lraspp", decoder_convolutions=1)
    model = build_model(spec, size=(64, 96), num_classes=5)
    names = {layer.name for layer in model.layers}
    assert not {name for name in names if name.startswith(("aspp_rate", "aspp_concat", "aspp_project", "decoder_conv2"))}
    picture = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3)).astype(np.float32)
    ends = [model.get_layer(name).output for name in ("aspp_1x1_act", "aspp_pool", "aspp_gated")]
    branch, pooled, gated = (np.asarray(out) for out in keras.Model(model.input, ends)(picture, training=False))
    assert branch.shape == gated.shape == (1, 4, 6, 64)
    assert pooled.shape == (1, 1, 1, 64)
    np.testing.assert_allclose(gated, branch * np.asarray(keras.activations.hard_sigmoid(pooled)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"head": "psp"}, "unknown head 'psp'; known are aspp, lraspp"),
        ({"decoder_convolutions": 0}, "decoder_convolutions=0 is too few; give 1 or more"),
    ],
)
def test_a_spec_that_cannot_be_is_refused(fields, said):
    with pytest.raises(InputError, match=said):
        ModelSpec(**fields)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("tail", ["sliced", "half"])
def test_the_activation_stands_wherever_hard_swish_did(activation, tail):
    spec = dataclasses.replace(get_spec("v3large", activation=activation), tail=tail)
    layers = [layer for layer in outlined(spec, size=(64, 64)).layers if isinstance(layer, keras.layers.Activation)]
    kinds = {layer.activation for layer in layers if not isinstance(layer, keras.layers.ReLU)}
    assert kinds == {keras.activations.get(activation)}
    assert len(layers) == 19 + (tail == "half")  # the stem and two in each of blocks 6 to 14


@pytest.mark.parametrize("name", list(MODELS))
def test_every_row_gives_logits_of_the_input_size_or_a_stated_fraction(name):
    model = outlined(name, size=(64, 96), num_classes=5)
    stride = get_spec(name).logits_stride
    assert stride == (4 if name.startswith(("micro_", "edge_mini", "edge_plain")) else 1)
    assert model.output.shape == (None, 64 // stride, 96 // stride, 5)
    assert model.output.dtype == "float32"


def test_every_layer_has_a_stable_name():
    first = [layer.name for layer in outlined("v3large", size=(64, 64)).layers]
    backbone._reference.cache_clear()
    second = [layer.name for layer in outlined("v3large", size=(64, 64)).layers]
    assert first == second  # names made by Keras' counters would differ
    # No bare operation is left among them: keras.applications' hard sigmoid adds and multiplies without a layer.
    assert all(isinstance(operation, keras.layers.Layer) for operation in outlined("v3small", size=(64, 64)).operations)


def test_the_renamed_hard_sigmoid_is_keras_applications_own():
    """The sliced graph without a cut computes what keras.applications computes."""
    spec = dataclasses.replace(get_spec("v3small"), output_stride=32)
    model = build_model(spec, size=(64, 64))
    reference = keras.applications.MobileNetV3Small(input_shape=(64, 64, 3), include_top=False, weights=None)
    for layer in reference.layers:
        if layer.weights:
            model.get_layer(layer.name).set_weights(layer.get_weights())
    features = keras.Model(model.input, model.get_layer("conv_1_act").output)
    image = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
    np.testing.assert_allclose(features(image), reference(image), rtol=1e-4, atol=1e-5)


def test_mixed_precision_keeps_logits_and_depthwise_convolutions_in_float32():
    model = build_model("tiny", size=(64, 64), precision="mixed_bfloat16")
    assert model.get_layer("aspp_1x1").compute_dtype == "bfloat16"
    assert model.get_layer("expanded_conv_1_depthwise").compute_dtype == "float32"
    assert model.output.dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"  # the global policy is as it was


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((250, 256), r"size 250,256 does not work at output stride 16.*the next sizes that do are 240,256 or 256,256"),
        ((16, 64), r"at least 32; the next sizes that do are 32,64"),
    ],
)
def test_a_size_that_does_not_divide_names_the_next_ones(size, message):
    with pytest.raises(ValueError, match=message):
        build_model("v3small", size=size)


def test_unknown_names_list_the_known():
    with pytest.raises(ValueError, match="unknown model 'resnet'; known are v3large, v3large_sliced"):
        build_model("resnet")
    with pytest.raises(ValueError, match="output_stride=4 is not supported; give 32, 16 or 8"):
        get_spec("tiny", output_stride=4)
    with pytest.raises(ValueError, match="unknown activation 'gelu'; known are hard_swish, swish, relu6, relu"):
        get_spec("tiny", activation="gelu")
    assert kerasseg.list_models()[0] == "v3large"


@pytest.mark.parametrize("settings", [{"precision": "float16"}, {"bn_momentum": 5.0}, {"batch_size": 0}])
def test_settings_that_are_none_of_a_network_are_refused(settings):
    (name,) = settings
    with pytest.raises(InputError, match=name):
        build_model("edge_small", size=(64, 64), **settings)
