"""A model on its way to int8: folded, its channels equalized, its activations measured."""

import dataclasses
import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kerasseg import files, grey
from kerasseg.data.labels import IGNORE_LABEL
from kerasseg.data.letterbox import letterbox
from kerasseg.data.splits import Example, Split
from kerasseg.errors import InputError
from kerasseg.int8 import calibration, equalization, folding, ranges
from kerasseg.int8.rounding import round_kernels
from kerasseg.lite import converter
from kerasseg.run import checkpoint, histogram, trained
from kerasseg.run.directory import Run

QAT_WEIGHTS = "best.weights.h5"  # in a run's folder qat
RESIZES = ("whole", "doubling")
ROUNDINGS = ("together", "nearest")
MEANS = ("mean", "pool")


@dataclass(frozen=True)
class QuantizationSettings:
    """What decides an int8 file, beside the run it comes from.

    Attributes:
        calibration_examples: Training pictures that ranges are measured on.
        calibration_seed: Which ones.
        calibration_choice: How they are chosen, one of `calibration.CHOICES`.
        epochs: Of quantization-aware training; 0 for none.
        learning_rate: At its start.
        resizes: One of RESIZES: "doubling" writes those by 4, 8, ... as steps of 2 (`folding.double_resizes`).
        rounding: Of kernels, one of ROUNDINGS: "together" as `rounding.round_kernels` does, "nearest" each number by itself.
        means: One of MEANS: "pool" writes means of a whole picture as average poolings (`folding.pool_means`).
        outside: Share of a picture's values, 0..1, that ranges leave out at either end (`ranges.measure`).

    Raises:
        InputError: a choice, a way of resizing, of rounding or of averaging that is not known.
    """

    calibration_examples: int = 32
    calibration_seed: int = 0
    calibration_choice: str = "covering"
    epochs: int = 0
    learning_rate: float = 0.0
    resizes: str = "whole"
    rounding: str = "together"
    means: str = "mean"
    outside: float = ranges.OUTSIDE

    def __post_init__(self) -> None:
        known = {"calibration_choice": calibration.CHOICES, "resizes": RESIZES, "rounding": ROUNDINGS, "means": MEANS}
        for name, choices in known.items():
            if getattr(self, name) not in choices:
                raise InputError(f"{name} {getattr(self, name)!r} is unknown; give one of {', '.join(choices)}")


@dataclass(frozen=True)
class Prepared:
    """A float model with channels of like ranges, and the ranges its int8 file gets.

    Attributes:
        model: Keras 3, batch 1, at the run's evaluation size; no batch norms, its kernels rounded where that was asked.
        content: `model` as a float32 .tflite file.
        reference: The same before its kernels were rounded.
        ranges: Of every activation in `content`.
        images: The first two calibration pictures, (1, H, W, channels) float32.
        names: The calibration pictures'.
        weights_sha256: Of the weights that `model` was made from; "" where they come from no run.
        digest: Of the weights of `model` that `content` has.
    """

    model: keras.Model
    content: bytes
    reference: bytes
    ranges: ranges.Ranges
    images: tuple[np.ndarray, ...]
    names: tuple[str, ...] = ()
    weights_sha256: str = ""
    digest: str = ""

    def converted(self) -> bytes:
        """The float32 .tflite file of what `model` holds now: `content`, unless it was trained since."""
        return self.content if _digest(self.model) == self.digest else converter.convert(self.model, recipe="float32")


def prepare(run: Run, split: Split, settings: QuantizationSettings) -> Prepared:
    """Folds, equalizes and measures a run's best float weights.

    Args:
        run: The run.
        split: Its training split.
        settings: How to calibrate.

    Raises:
        InputError: the run has no weights, the split fewer pictures than are asked, or one of those is of one colour alone.
    """
    checkpoint.make_deterministic(run.config.seed)  # a repeated preparation gives the same model to the bit, and so does QAT
    chosen = _choose(run, split, settings)

    def representative() -> Iterator[list[np.ndarray]]:
        """Reads the pictures anew each time: all of them together may be more than what the network takes."""
        return ([_pixels(example, run)[None].astype(np.float32)] for example in split.examples(chosen))

    for _ in representative():
        pass  # one that cannot be used is refused before anything takes time
    model, weights_sha256 = trained.load_hashed(run)
    how: dict[str, Any] = {name: getattr(settings, name) for name in ("resizes", "rounding", "means", "outside")}
    prepared = prepare_model(model, representative, **how)
    return dataclasses.replace(prepared, names=tuple(split.names[i] for i in chosen), weights_sha256=weights_sha256)


def _pixels(example: Example, run: Run) -> np.ndarray:
    if (example.image == example.image[0, 0]).all():
        raise InputError(
            f"the training picture {example.name} is of one colour alone, and ranges measured on it would fit nothing else; "
            "take it out of the training split, or calibrate on others with --calibration_seed"
        )
    return grey.fitted(letterbox(example.image, size=run.eval_size)[0], run.spec.channels)


def prepare_model(
    model: keras.Model,
    representative: calibration.Representative,
    *,
    resizes: str = "whole",
    rounding: str = "together",
    means: str = "mean",
    outside: float = ranges.OUTSIDE,
) -> Prepared:
    """`prepare` for any model of `kerasseg.build_model` with batch_size=1.

    Args:
        model: With the weights to quantize.
        representative: Calibration pictures.
        resizes: One of RESIZES.
        rounding: One of ROUNDINGS.
        means: One of MEANS.
        outside: As in QuantizationSettings.
    """
    model = folding.fold(model)
    if resizes == "doubling":
        model = folding.double_resizes(model)
    model = equalization.equalize(model, representative)
    if means == "pool":
        model = folding.pool_means(model)
    content = reference = converter.convert(model, recipe="float32")
    if rounding == "together":
        model = round_kernels(model, representative)
        content = converter.convert(model, recipe="float32")
    first = tuple(image for (image,) in itertools.islice(representative(), 2))
    found = ranges.measure(content, representative, outside=outside)
    return Prepared(model, content, reference, found, first, digest=_digest(model))


def _digest(model: keras.Model) -> str:
    """Of all weights."""
    found = hashlib.sha256()
    for variable in model.weights:
        found.update(keras.ops.convert_to_numpy(variable).tobytes())
    return found.hexdigest()


def _choose(run: Run, split: Split, settings: QuantizationSettings) -> list[int]:
    count, seed = settings.calibration_examples, settings.calibration_seed
    if settings.calibration_choice == "random" or count > len(split):
        return calibration.choose(len(split), count=count, seed=seed)
    return calibration.choose_covering(histogram.pixels(run, split)[:, :IGNORE_LABEL], count=count, seed=seed)


def load_twin():
    """The module that needs the extra `qat`.

    Raises:
        InputError: the extra is not installed.
    """
    try:
        from kerasseg.int8 import twin
    except ImportError as error:
        raise InputError(f"int8_qat needs tensorflow-model-optimization ({error}); run pip install 'kerasseg[qat]'") from error
    return twin


def again(run: Run, split: Split, calibration_report: dict) -> Prepared:
    """What an existing int8 file was quantized from.

    Args:
        run: The run.
        split: Its training split.
        calibration_report: The entry "calibration" of the JSON beside the file.

    Raises:
        InputError: the run's quantization-aware training has left other weights since.
    """
    names = [field.name for field in dataclasses.fields(QuantizationSettings)]
    before: dict[str, Any] = {"rounding": "nearest", "outside": 0.0}  # of a file from when there was no other
    settings = QuantizationSettings(**before | {name: calibration_report[name] for name in names if name in calibration_report})
    if settings.epochs and calibration_report.get("qat_sha256", qat_sha256(run)) != qat_sha256(run):
        raise InputError(
            f"the file was made from other weights than {run.directory.qat / QAT_WEIGHTS} are now; convert it again"
        )
    prepared = prepare(run, split, settings)
    return with_best(run, prepared) if settings.epochs else prepared


def qat_sha256(run: Run) -> str:
    """The hash of what the run's quantization-aware training has kept; empty where there is nothing."""
    path = run.directory.qat / QAT_WEIGHTS
    return files.sha256(path) if path.is_file() else ""


def with_best(run: Run, prepared: Prepared) -> Prepared:
    """`prepared` with the best weights of the run's quantization-aware training."""
    trained.load_weights(prepared.model, run.directory.qat / QAT_WEIGHTS)
    content = prepared.converted()
    carried = ranges.carry(prepared.content, content, prepared.ranges)
    digest = _digest(prepared.model)
    return dataclasses.replace(prepared, content=content, reference=content, ranges=carried, digest=digest)
