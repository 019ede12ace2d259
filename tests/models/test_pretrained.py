import dataclasses

import keras
import numpy as np
import pytest

from kerasseg.models import ModelSpec, build_model, get_spec, pretrained

MINIMALISTIC = ModelSpec(tail="full", output_stride=32, activation="relu", minimalistic=True)


@pytest.fixture(scope="module")
def small_reference():
    return keras.applications.MobileNetV3Small(input_shape=(64, 64, 3), include_top=False, weights=None)


@pytest.fixture(scope="module")
def small_npz(small_reference, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "small.npz"
    rng = np.random.default_rng(1)
    np.savez(
        path,
        **{
            f"{x.name}/{w.name}": rng.normal(size=w.shape).astype(np.float32) for x in small_reference.layers for w in x.weights
        },
    )
    return path


@pytest.mark.parametrize(("tail", "stride"), [("sliced", 8), ("half", 16), ("full", 32)])
def test_one_file_loads_into_every_tail_and_stride(small_npz, tail, stride):
    spec = dataclasses.replace(get_spec("v3small"), tail=tail, output_stride=stride)
    model = build_model(spec, size=(64, 64))
    pretrained.load_weights(model, spec, source=str(small_npz))
    with np.load(small_npz) as stored:
        np.testing.assert_array_equal(
            model.get_layer("expanded_conv_10_project").kernel, stored["expanded_conv_10_project/kernel"]
        )


def test_a_keras_weights_file_loads_too(small_reference, tmp_path):
    path = tmp_path / "small.weights.h5"
    small_reference.save_weights(path)
    spec = get_spec("v3small_sliced")
    model = build_model(spec, size=(64, 64))
    pretrained.load_weights(model, spec, source=str(path))
    np.testing.assert_array_equal(model.get_layer("conv").kernel, small_reference.get_layer("conv").kernel)


def test_real_weights_give_keras_applications_features(shared):
    path = shared / "weights" / "mobilenet_v3_large_imagenet_notop.npz"
    spec = dataclasses.replace(get_spec("v3large"), output_stride=32)
    model = build_model(spec, size=(64, 64))
    pretrained.load_weights(model, spec, source=str(path))
    reference = keras.applications.MobileNetV3Large(input_shape=(64, 64, 3), include_top=False, weights=None)
    with np.load(path) as stored:
        for layer in reference.layers:
            if layer.weights:
                layer.set_weights([stored[f"{layer.name}/{variable.name}"] for variable in layer.weights])
    image = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
    features = keras.Model(model.input, model.get_layer("conv_1_act").output)
    np.testing.assert_allclose(features(image), reference(image), rtol=1e-3, atol=1e-3)


def test_real_minimalistic_weights_load_into_the_rows(shared):
    path = shared / "weights" / "mobilenet_v3_large_minimalistic_imagenet_notop.npz"
    for name in ("edge_mini", "edge_mini_small", "edge_mini_plain"):
        model = build_model(name, size=(64, 64))
        pretrained.load_weights(model, get_spec(name), source=str(path))
        with np.load(path) as stored:
            np.testing.assert_array_equal(
                model.get_layer("expanded_conv_11_project").kernel, stored["expanded_conv_11_project/kernel"]
            )


@pytest.mark.parametrize("minimalistic", [True, False])
def test_weights_of_the_other_kind_are_refused_where_every_shape_fits(minimalistic, tmp_path):
    """V3-Large has no squeeze-excite and no 5x5 kernel before block 3: cut there, both kinds have the same layers."""
    spec = dataclasses.replace(
        MINIMALISTIC, tail="sliced", last_block=2, minimalistic=minimalistic, output_stride=8, logits_stride=4
    )
    model = build_model(spec, size=(64, 64))
    before = np.array(model.get_layer("conv").kernel)
    weights = {f"{layer.name}/{w.name}": np.ones(w.shape, np.float32) for layer in model.layers for w in layer.weights}
    other = {"expanded_conv_3_squeeze_excite_conv/kernel": np.ones(1)} if minimalistic else {}
    np.savez(tmp_path / "other.npz", **weights, **other)
    said = (
        "has squeeze-excite; give weights of .*large, minimalistic," if minimalistic else "lacks squeeze-excite; give weights"
    )
    with pytest.raises(ValueError, match=said):
        pretrained.load_weights(model, spec, source=str(tmp_path / "other.npz"))
    np.testing.assert_array_equal(before, model.get_layer("conv").kernel)


def test_offline_imagenet_names_the_alternatives(monkeypatch):
    def offline(*args, **kwargs):
        raise Exception("URL fetch failure on https://storage.googleapis.com/...: None -- [Errno 111] Connection refused")

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", offline)
    spec = get_spec("v3small_sliced")
    model = build_model(spec, size=(64, 64))
    with pytest.raises(ValueError, match=r"could not be had \(URL fetch failure.*--backbone_weights=FILE.npz .*=none"):
        pretrained.load_weights(model, spec, source="imagenet")


def test_weights_that_do_not_fit_are_refused(small_npz, tmp_path):
    spec = get_spec("v3large_sliced")
    model = build_model(spec, size=(64, 64))
    before = np.array(model.get_layer("conv").kernel)
    with pytest.raises(ValueError, match=r"small.npz has .* of shape .*the model wants .*weights of MobileNetV3 large"):
        pretrained.load_weights(model, spec, source=str(small_npz))
    np.testing.assert_array_equal(before, model.get_layer("conv").kernel)  # nothing half-loaded
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 truncated")
    with pytest.raises(ValueError, match="bad.npz is no readable .npz file"):
        pretrained.load_weights(model, spec, source=str(tmp_path / "bad.npz"))
    with pytest.raises(ValueError, match="no file .*gone.npz; --backbone_weights takes imagenet, none"):
        pretrained.load_weights(model, spec, source=str(tmp_path / "gone.npz"))
    with pytest.raises(ValueError, match=r"--backbone_weights=coco is not accepted; give imagenet, none, or a .npz"):
        pretrained.load_weights(model, spec, source="coco")
