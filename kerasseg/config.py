"""The settings of a training run: one flat frozen dataclass, in and out of JSON. No TensorFlow here."""

import dataclasses
import json
import math
import typing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasseg.errors import InputError


def setting(
    default: Any, description: str, *, choices: tuple[str, ...] = (), path: bool = False, least: int | None = None
) -> Any:  # fmt: skip
    """A dataclass field with its help text.

    Args:
        default: Its default.
        description: The help text.
        choices: The accepted words, where they are few.
        path: Whether it names files or folders.
        least: The least number that `check_numbers` accepts.
    """
    return dataclasses.field(
        default=default, metadata={"help": description, "choices": choices, "path": path, "least": least}
    )  # fmt: skip


def check_numbers(settings: Any) -> None:
    """Raises InputError for a number of a dataclass of settings that is none (NaN), or less than its least."""
    for field in dataclasses.fields(settings):
        value, least = getattr(settings, field.name), field.metadata["least"]
        numbers = value if isinstance(value, tuple) else (value,)
        shown = ",".join(map(str, numbers))
        if any(isinstance(one, float) and math.isnan(one) for one in numbers):
            raise InputError(f"--{field.name}={shown} is no number, and no limit either; give one")
        if least is not None and any(one < least for one in numbers):
            raise InputError(f"--{field.name}={shown} is too small; give at least {least}")


@dataclass(frozen=True)
class TrainConfig:
    """Every setting of `python -m kerasseg.train`. Sizes are (height, width) in pixels."""

    model: str = setting("v3large_sliced", "architecture; `python -m kerasseg.summary` lists them")
    dataset: str = setting("shapes", "shapes, camvid, voc2012, oxford_iiit_pet, cityscapes, ade20k, folder or shards")
    data_dir: str = setting("", "where the data set lies (shapes needs none)", path=True)
    size: tuple[int, int] = setting((256, 256), "height,width of a training crop")
    eval_size: tuple[int, int] = setting(
        (0, 0), "height,width of the evaluated, exported model; 0,0 takes the data set's customary one"
    )
    output_stride: int = setting(0, "input pixels to one of the deepest features: 32, 16 or 8; 0 takes the model's own")
    activation: str = setting(
        "", "hard_swish, swish, relu6 or relu where MobileNetV3 has hard-swish; empty takes the model's own"
    )
    channels: int = setting(0, "of the pictures that the model takes: 3, or 1 for grey; 0 takes the model's own")
    backbone_weights: str = setting("imagenet", "imagenet (a download), none, or a .npz or .weights.h5 file", path=True)
    init_weights: str = setting("", "best.weights.h5 of another run to start from, instead of backbone_weights", path=True)
    bn_momentum: float = setting(0.95, "batch norm momentum; keras.applications' 0.999 needs far more steps")
    epochs: int = setting(60, "passes over the training split")
    batch_size: int = setting(0, "images to a step; 0 takes 8, or all training pictures where there are fewer")
    optimizer: str = setting("adamw", "optimizer", choices=("adamw", "sgd"))
    learning_rate: float = setting(5e-4, "peak learning rate")
    backbone_lr_factor: float = setting(1.0, "the backbone learns and decays at this times the learning rate; 0 freezes it")
    schedule: str = setting("poly", "how the learning rate falls to 0", choices=("poly", "cosine"))
    warmup_epochs: float = setting(1.0, "epochs in which the learning rate rises from 0")
    momentum: float = setting(0.9, "momentum of sgd")
    weight_decay: float = setting(1e-4, "decoupled weight decay; spares biases and norms")
    clip_norm: float = setting(5.0, "largest global norm of the gradients; 0 leaves them alone")
    ema_decay: float = setting(0.99, "average of the weights that is evaluated and kept; 0 keeps the raw ones")
    precision: str = setting(
        "float32",
        "mixed_bfloat16 computes all but depthwise convolutions and logits in bfloat16",
        choices=("float32", "mixed_bfloat16"),
    )
    class_weights: str = setting(
        "none",
        "cross-entropy weights a class: none, inverse frequency (balanced) or its square root (sqrt), within a factor of 100",
        choices=("none", "sqrt", "balanced"),
    )
    ce_weight: float = setting(1.0, "factor of the cross-entropy term of the loss")
    dice_weight: float = setting(0.0, "factor of the soft Dice term of the loss")
    lovasz_weight: float = setting(0.0, "factor of the Lovasz-softmax term of the loss")
    teacher: str = setting("", "finished run directory of a model whose outputs this one learns, too (distillation)", path=True)
    distill_weight: float = setting(0.0, "factor of the divergence from the teacher in the loss; 0 takes 1 where there is one")
    distill_temperature: float = setting(1.0, "divides the logits of both before they are compared; more: softer")
    scale_min: float = setting(0.6, "smallest random scale")
    scale_max: float = setting(1.6, "largest random scale")
    flip: bool = setting(True, "flip half of the images left to right")
    color: float = setting(0.2, "strength of random brightness, contrast and saturation, 0 to 1; 0 for none")
    gamma: float = setting(
        0.0,
        "strength of a random gamma, 0 to 2, for light that the training pictures lack: a power of exp(-GAMMA) to exp(GAMMA), "
        "and of each colour by up to 0.3 times GAMMA in its exponent more or less",
    )
    rare_paste: float = setting(
        0.0, "share of the crops into which a rare class is pasted from another training picture; 0 for none"
    )
    train_examples: int = setting(0, "use the first so many training examples; 0 for all")
    val_examples: int = setting(0, "use the first so many validation examples; 0 for all")
    holdout: str = setting(
        "", "regular expression: what it matches in train and val by name is the validation split, the rest of val is unused"
    )
    eval_every: int = setting(1, "epochs from one evaluation on the validation split to the next")
    cache_mib: int = setting(2048, "keep pictures in memory, in so many MiB: decoded, or as their files where those alone fit")
    workers: int = setting(0, "processes that read pictures and make crops; 0 takes threads, which is enough for a CPU")
    seed: int = setting(0, "seed of weights, order and augmentation")
    deterministic: bool = setting(
        False,
        "ask TensorFlow for the same weights to the bit on a GPU, too, as it always is on a processor; some operations refuse",
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(TrainConfig):  # a command adds some of its own
            object.__setattr__(self, field.name, _typed(field, getattr(self, field.name), "TrainConfig"))
            if isinstance(getattr(self, field.name), float) and not math.isfinite(getattr(self, field.name)):
                raise InputError(f"{field.name}={getattr(self, field.name)} is no number to train with; give a finite one")
        for name, least in _AT_LEAST.items():
            if getattr(self, name) < least:
                raise InputError(f"{name}={getattr(self, name)} is too small; give at least {least}")
        for name in ("bn_momentum", "ema_decay", "momentum"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)} is out of range; give at least 0 and less than 1")
        check_seed(self.seed)
        if not self.learning_rate > 0:
            raise InputError(f"learning_rate={self.learning_rate} is not positive; give one such as 5e-4")
        for name, most in (("color", 1), ("gamma", 2)):
            if not 0 <= getattr(self, name) <= most:
                raise InputError(f"{name}={getattr(self, name)} is out of range; give 0 to {most}")
        if not 0 <= self.rare_paste <= 1:
            raise InputError(f"rare_paste={self.rare_paste} is no share; give 0 to 1")
        if not 0 < self.scale_min <= self.scale_max:
            raise InputError(
                f"scale_min={self.scale_min}, scale_max={self.scale_max} is no range; give 0 < scale_min <= scale_max"
            )
        if self.ce_weight + self.dice_weight + self.lovasz_weight <= 0:
            raise InputError("ce_weight, dice_weight and lovasz_weight are all 0; give at least one of them")
        if not self.distill_temperature > 0:
            raise InputError(f"distill_temperature={self.distill_temperature} is not positive; give one such as 1 or 2")
        if not self.teacher and (self.distill_weight or self.distill_temperature != 1):
            raise InputError("distill_weight and distill_temperature need a teacher; give --teacher=RUN_DIR, or leave them out")
        for field in dataclasses.fields(self):
            choices = field.metadata["choices"]
            if choices and getattr(self, field.name) not in choices:
                raise InputError(f"{field.name}={getattr(self, field.name)!r} is unknown; give one of {', '.join(choices)}")


_AT_LEAST = {
    "epochs": 1, "batch_size": 0, "eval_every": 1, "warmup_epochs": 0, "weight_decay": 0, "clip_norm": 0,
    "ce_weight": 0, "dice_weight": 0, "lovasz_weight": 0, "train_examples": 0, "val_examples": 0,
    "cache_mib": 0, "workers": 0, "backbone_lr_factor": 0, "distill_weight": 0,
}  # fmt: skip


def check_seed(seed: int, *, name: str = "seed") -> None:
    """Raises InputError unless every library takes the seed: NumPy's and TensorFlow's have 32 bits."""
    if not 0 <= seed < 2**32:
        raise InputError(f"{name}={seed} is out of range; give a whole number from 0 to {2**32 - 1}")


def to_json(config: TrainConfig) -> dict[str, Any]:
    """Field name -> value, tuples as lists."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in dataclasses.asdict(config).items()}


def absolute(config: TrainConfig) -> TrainConfig:
    """The same settings with whole paths, so that a run can be gone on with from another folder."""
    named = {field.name: getattr(config, field.name) for field in dataclasses.fields(config) if field.metadata["path"]}
    no_paths = ("", "imagenet", "none")
    paths: Any = {name: str(Path(value).resolve()) for name, value in named.items() if value not in no_paths}
    return dataclasses.replace(config, **paths)


def for_report(config: TrainConfig) -> dict[str, Any]:
    """`to_json` without the names of this machine's folders, for reports that others read."""
    names = {name: Path(getattr(config, name)).name for name in ("backbone_weights", "init_weights", "teacher")}
    return to_json(config) | names | {"data_dir": ""}


def from_json(values: dict[str, Any], *, source: str) -> TrainConfig:
    """The config that `to_json` wrote; fields that are not named keep their defaults.

    Args:
        values: field name -> value.
        source: where the values come from, for the error message.

    Raises:
        InputError: an unknown setting, or a value of the wrong type.
    """
    fields = {field.name: field for field in dataclasses.fields(TrainConfig)}
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise InputError(f"{source} has unknown settings {', '.join(unknown)}; accepted are {', '.join(fields)}")
    return TrainConfig(**{name: _typed(fields[name], value, source, json.dumps) for name, value in values.items()})


def _typed(field: dataclasses.Field, value: Any, source: str, written: Callable[[Any], str] = repr) -> Any:
    if typing.get_origin(field.type) is tuple:
        if isinstance(value, list | tuple) and len(value) == 2 and all(type(v) is int for v in value):
            return tuple(value)
    elif field.type is float and type(value) in (int, float):
        return float(value)
    elif type(value) is field.type:
        return value
    given, like = (written(one) for one in (value, getattr(TrainConfig, field.name)))
    raise InputError(f"{source} has {field.name}={given}; write it like {like}")
