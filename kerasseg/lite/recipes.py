"""The table of conversion recipes. Plain data."""

from dataclasses import dataclass

from kerasseg.errors import InputError


@dataclass(frozen=True)
class Recipe:
    """How a float model becomes a .tflite file.

    Attributes:
        about: One line for people.
        weights: Type the large weights are stored in.
        calibrated: Whether ranges of activations are measured on training images, so that every operator is int8.
        trained: Whether the weights are fine-tuned under fake quantization first.
        io_types: What its input and output can be; the first where nothing is asked.
    """

    about: str
    weights: str
    calibrated: bool = False
    trained: bool = False
    io_types: tuple[str, ...] = ("float32",)


IO_TYPES = ("int8", "uint8", "float32")  # of a full-integer file
RECIPES = {
    "float32": Recipe("weights and arithmetic in float32", "float32"),
    "float16": Recipe("weights stored in float16, arithmetic in float32", "float16"),
    "dynamic": Recipe("int8 weights, activations quantized on the fly", "int8"),
    "int8": Recipe("full integer: int8 weights and activations, calibrated", "int8", calibrated=True, io_types=IO_TYPES),
    "int8_qat": Recipe(
        "full integer, with weights fine-tuned under fake quantization",
        "int8",
        calibrated=True,
        trained=True,
        io_types=IO_TYPES,
    ),
    "int16x8": Recipe("int8 weights and int16 activations, calibrated", "int8", calibrated=True, io_types=("int16", "float32")),
}


def get_recipe(name: str) -> Recipe:
    """A recipe by name.

    Raises:
        InputError: an unknown name; the message lists the known.
    """
    if name not in RECIPES:
        raise InputError(f"unknown recipe {name!r}; known are {', '.join(RECIPES)}")
    return RECIPES[name]


def check_io_type(name: str, *, known: tuple[str, ...] = IO_TYPES) -> None:
    """Raises InputError, listing the known, unless `name` is a type for input and output of a calibrated file."""
    if name not in known:
        raise InputError(f"io_type {name!r} is unknown; give one of {', '.join(known)}")
