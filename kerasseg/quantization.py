"""A run on its way to int8: what convert, quantization-aware training and check share."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from kerasseg import training
from kerasseg.data.labels import IGNORE_LABEL
from kerasseg.data.letterbox import letterbox
from kerasseg.data.splits import Split
from kerasseg.errors import InputError
from kerasseg.lite import calibration, converter, equalization, folding, matching, noise, ranges
from kerasseg.lite.flatbuffer import Graph
from kerasseg.models import trained
from kerasseg.rundir import Run, RunDir


@dataclass(frozen=True)
class QuantizationSettings:
    """What decides an int8 file, beside the run it comes from.

    Attributes:
        calibration_examples: Training pictures that ranges are measured on.
        calibration_seed: Which ones.
        calibration_choice: How they are chosen, one of `calibration.CHOICES`.
        epochs: Of quantization-aware training; 0 for none.
        learning_rate: At its start.
        resizes: "whole", or "doubling" to write those by 4, 8, ... as steps of 2 (`folding.double_resizes`).
    """

    calibration_examples: int
    calibration_seed: int
    calibration_choice: str
    epochs: int = 0
    learning_rate: float = 0.0
    resizes: str = "whole"


@dataclass(frozen=True)
class Prepared:
    """A float model with channels of like ranges, and the ranges its int8 file gets.

    Attributes:
        model: Keras 3, batch 1, at the run's evaluation size; no batch norms.
        content: `model` as a float32 .tflite file.
        ranges: Of every activation in `content`.
        names: The calibration pictures.
        image: One of them, (1, H, W, 3) float32.
    """

    model: keras.Model
    content: bytes
    ranges: ranges.Ranges
    names: list[str]
    image: np.ndarray

    def twin(self, *, size: tuple[int, int], batch_size: int | None):
        """The fake-quantized twin, a tf_keras model."""
        qat = load_qat()
        tensors = matching.tensors_of_layers(self.model, self.content, self.image)
        by_layer = {layer: self.ranges[tensor] for layer, tensor in tensors.items()}
        return qat.build(self.model, by_layer, size=size, batch_size=batch_size)


def prepare(directory: RunDir, run: Run, split: Split, settings: QuantizationSettings) -> Prepared:
    """Folds, equalizes and measures a run's best float weights.

    Args:
        directory: Of the run.
        run: The run.
        split: Its training split.
        settings: How to calibrate.
    """
    training.make_deterministic(run.config.seed)  # a repeated preparation gives the same model to the bit, and so does QAT
    chosen = _choose(split, settings)
    images = (letterbox(example.image, size=run.eval_size)[0] for example in split.examples(chosen))
    representative = calibration.representative(images)
    model = folding.fold(trained.load_trained(directory, run))
    if settings.resizes == "doubling":
        model = folding.double_resizes(model)
    model = equalization.equalize(model, representative)
    content = converter.convert(model, recipe="float32")
    found = ranges.measure(content, representative)
    return Prepared(model, content, found, [split.names[i] for i in chosen], next(representative())[0])


def _choose(split: Split, settings: QuantizationSettings) -> list[int]:
    count, seed = settings.calibration_examples, settings.calibration_seed
    if settings.calibration_choice not in calibration.CHOICES:
        raise InputError(
            f"calibration_choice {settings.calibration_choice!r} is unknown; give one of {', '.join(calibration.CHOICES)}"
        )
    if settings.calibration_choice == "random" or count > len(split):
        return calibration.choose(len(split), count=count, seed=seed)
    pixels = np.array([np.bincount(e.labels.ravel(), minlength=256)[:IGNORE_LABEL] for e in split.examples()])
    return calibration.choose_covering(pixels, count=count, seed=seed)


def load_qat():
    """The module that needs the extra `qat`.

    Raises:
        InputError: the extra is not installed.
    """
    try:
        from kerasseg.lite import qat
    except ImportError as error:
        raise InputError(f"int8_qat needs tensorflow-model-optimization ({error}); run pip install 'kerasseg[qat]'") from error
    return qat


def again(directory: RunDir, run: Run, split: Split, calibration_report: dict) -> Prepared:
    """What an existing int8 file was quantized from.

    Args:
        directory: Of the run.
        run: The run.
        split: Its training split.
        calibration_report: The entry "calibration" of the JSON beside the file.
    """
    names = [field.name for field in dataclasses.fields(QuantizationSettings)]
    settings = QuantizationSettings(**{name: calibration_report[name] for name in names if name in calibration_report})
    prepared = prepare(directory, run, split, settings)
    return with_best(directory, prepared) if settings.epochs else prepared


def with_best(directory: RunDir, prepared: Prepared) -> Prepared:
    """`prepared` with the best weights of the run's quantization-aware training."""
    trained.load_weights(prepared.model, directory.path / "qat" / "best.weights.h5")
    content = converter.convert(prepared.model, recipe="float32")
    return dataclasses.replace(prepared, content=content, ranges=ranges.carry(prepared.content, content, prepared.ranges))


def quantize(prepared: Prepared, *, io_type: str = "int8", float_layers: Sequence[str] = ()) -> bytes:
    """The int8 file of what `prepared.model` holds now, with the ranges that were measured before."""
    content = converter.convert(prepared.model, recipe="float32")
    found = ranges.carry(prepared.content, content, prepared.ranges)
    return converter.quantize(content, found, io_type=io_type, float_layers=float_layers)


def where_it_hurts(prepared: Prepared, quantized: bytes, images: Sequence[np.ndarray]) -> list[noise.Noise]:
    """`noise.compare` with the names of Keras layers, in order of execution.

    Args:
        prepared: What `quantized` was made from.
        quantized: The int8 file.
        images: (1, H, W, 3), values 0..255.
    """
    tensors = matching.tensors_of_layers(prepared.model, prepared.content, prepared.image)
    graph = Graph(prepared.content)
    layers = {graph.name(tensor): layer for layer, tensor in tensors.items()}
    found = noise.compare(quantized, prepared.content, images)
    return [dataclasses.replace(one, layer=layers.get(one.tensor, one.tensor)) for one in found]


def choose_float_layers(asked: str, prepared: Prepared, images: Sequence[np.ndarray]) -> tuple[list[str], list[str]]:
    """What --float_layers means.

    Args:
        asked: Layer names, comma-separated, or "auto:K" for the K that lose most signal-to-noise ratio.
        prepared: What will be quantized.
        images: (1, H, W, 3), to measure "auto:K" on.

    Returns:
        Names of layers, and of the tensors their operators give.

    Raises:
        InputError: an unknown layer, or a K that cannot be.
    """
    if asked.startswith("auto:"):
        found = where_it_hurts(prepared, quantize(prepared), images)
        if not asked[5:].isdigit() or not 1 <= int(asked[5:]) <= len(found):
            raise InputError(f"--float_layers={asked} is not accepted; write auto:K with K from 1 to {len(found)}")
        chosen = sorted(found, key=lambda one: -one.lost_db)[: int(asked[5:])]
        return [one.layer for one in chosen], [one.tensor for one in chosen]
    tensors = matching.tensors_of_layers(prepared.model, prepared.content, prepared.image)
    graph = Graph(prepared.content)
    layers, names = asked.split(","), []
    for layer in layers:
        tensor = matching.fused_into(prepared.model, layer, tensors)
        if tensor is None:
            known = ", ".join(one.name for one in prepared.model.layers if one.weights)
            raise InputError(f"--float_layers names an unknown layer {layer!r}; those with weights are {known}")
        names.append(graph.name(tensor))
    return layers, names
