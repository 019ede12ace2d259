"""Pretrained weights for the backbone of a network: keras.applications' download, its files, or arrays under its names."""

import warnings
import zipfile
from pathlib import Path

import keras
import numpy as np

from kerasseg.errors import InputError
from kerasseg.models.backbone import BACKBONES, STEM, is_applications
from kerasseg.models.variants import ModelSpec


def load_weights(model: keras.Model, spec: ModelSpec, *, source: str) -> None:
    """Puts pretrained weights into the backbone of `model`, whatever its output stride and tail.

    The half-width tail has no pretrained counterpart and stays as it was. Where the network takes grey, the stem's kernels are
    summed over RGB: it computes what the pretrained one does of the same picture in three equal channels.

    Args:
        model: A model whose backbone layers have keras.applications' names.
        spec: What it was built from.
        source: "none", "imagenet" (keras.applications' download), a .npz file keyed by "layer/variable", or a Keras
            .weights.h5 file of the backbone with include_top=False.

    Raises:
        InputError: the download fails, the file is missing or of another kind, or a layer is missing or of another shape.
    """
    refuse_missing(source)
    if source == "none":
        return
    weights = _read_npz(Path(source)) if source.endswith(".npz") else _read_keras(spec, source)
    pending = []
    for layer in model.layers:
        if not is_applications(layer.name):
            continue
        for variable in layer.weights:
            key = f"{layer.name}/{variable.name}"
            if key not in weights:
                raise InputError(f"{source} has no {key}; give weights of keras.applications' {_kind(spec)}")
            if key == STEM and spec.channels == 1 and weights[key].shape[2:3] == (3,):
                weights[key] = weights[key].sum(2, keepdims=True)
            if tuple(weights[key].shape) != tuple(variable.shape):
                raise InputError(
                    f"{source} has {key} of shape {tuple(weights[key].shape)}, the model wants {tuple(variable.shape)}; "
                    f"give weights of {_kind(spec)}"
                )
            pending.append((variable, weights[key]))
    # The first blocks of both kinds have the same shapes, so that a cut backbone would take the other's weights in silence.
    gated = any("squeeze_excite" in key for key in weights)
    if gated == spec.minimalistic:
        raise InputError(f"{source} {'has' if gated else 'lacks'} squeeze-excite; give weights of {_kind(spec)}")
    for variable, value in pending:
        variable.assign(value)


def refuse_missing(source: str) -> None:
    """Raises InputError where `load_weights` has no such source."""
    accepted = "imagenet, none, or a .npz or .weights.h5 file"
    if source in ("none", "imagenet"):
        return
    if not source.endswith((".npz", ".h5")):
        raise InputError(f"--backbone_weights={source} is not accepted; give {accepted}")
    if not Path(source).exists():
        raise InputError(f"no file {source}; --backbone_weights takes {accepted}")


def _kind(spec: ModelSpec) -> str:
    minimalistic = ", minimalistic," if spec.minimalistic else ""
    return f"MobileNetV3 {spec.backbone}{minimalistic} with alpha {spec.alpha}"


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file, np.load(file) as stored:
            return dict(stored)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is no readable .npz file ({error}); fetch it again") from None


def _read_keras(spec: ModelSpec, source: str) -> dict[str, np.ndarray]:
    try:
        reference = BACKBONES[spec.backbone].build(
            input_shape=(224, 224, 3), alpha=spec.alpha, minimalistic=spec.minimalistic, include_top=False,
            weights="imagenet" if source == "imagenet" else None,
        )  # fmt: skip
        if source != "imagenet":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Keras' about layers that stay as they are, of a file that is refused
                reference.load_weights(source)
    except Exception as error:  # get_file and h5py raise bare Exception, OSError, ValueError, KeyError
        reason = " ".join(str(error).split())[:200]
        if source == "imagenet":
            raise InputError(
                f"the ImageNet weights could not be had ({reason}); without a network give "
                "--backbone_weights=FILE.npz or FILE.weights.h5, or --backbone_weights=none to start from nothing"
            ) from error
        raise InputError(f"{source} does not fit {_kind(spec)} ({reason})") from error
    return {
        f"{layer.name}/{variable.name}": keras.ops.convert_to_numpy(variable)
        for layer in reference.layers
        for variable in layer.weights
    }
