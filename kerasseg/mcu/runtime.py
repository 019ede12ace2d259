"""TFLite Micro's own interpreter and what it needs. The only importer of tflite_micro, which the extra `micro` installs."""

import dataclasses
import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

from kerasseg.errors import InputError
from kerasseg.lite.flatbuffer import Graph
from kerasseg.lite.input_range import PIXELS, Range
from kerasseg.lite.inspection import Reference
from kerasseg.lite.interpreter import ImageModel, LoadedModel
from kerasseg.lite.recognition import unknown_operators
from kerasseg.quiet import quiet

FIRST_ARENA = 2**16  # bytes tried first; doubled until the model fits
LARGEST_ARENA = 2**30
ALIGNMENT = 16  # bytes, MicroArenaBufferAlignment(): the step in which the smallest arena is looked for


def is_installed() -> bool:
    """Whether the package is there."""
    return importlib.util.find_spec("tflite_micro") is not None


@dataclass(frozen=True)
class Arena:
    """What TFLite Micro's interpreter takes of its tensor arena, in bytes, as its own recorder counts.

    Attributes:
        total_bytes: All of it.
        head_bytes: Activations and scratch, laid over one another by the memory planner.
        tail_bytes: What stays: tensor structs, multipliers a channel, nodes.
        smallest_bytes: The smallest arena in which the model loads, found by trying, in steps of ALIGNMENT.
    """

    total_bytes: int
    head_bytes: int
    tail_bytes: int
    smallest_bytes: int

    def to_json(self) -> dict:
        """As plain JSON values."""
        return dataclasses.asdict(self)


def check_shapes(content: bytes, *, file: str) -> None:
    """Raises InputError unless LiteRT infers the shapes that stand in the file: TFLite Micro computes by those, if for ever."""
    graph, inferred = Graph(content), Reference(content).shapes()
    for tensor in dict.fromkeys(index for operator in graph.operators for index in operator.outputs):
        if graph.shape(tensor) != inferred[tensor]:
            raise InputError(
                f"{file} says that {graph.name(tensor)} is {graph.shape(tensor)}, by its operators it is {inferred[tensor]}; "
                "convert it again"
            )


def measure_arena(content: bytes) -> Arena:
    """Loads and runs a file in TFLite Micro and reads its recorder; then looks for the smallest arena that loads.

    Pointers have 8 bytes on this machine and 4 on a microcontroller: there the tail is smaller, not larger.

    Raises:
        InputError: the package is missing, or TFLite Micro refuses the file.
    """
    loaded, given = load(content, "the model")
    detail = loaded.get_input_details(0)
    loaded.set_input(np.zeros(detail["shape"], detail["dtype"]), 0)
    _invoke(loaded, content, "the model")
    with quiet() as said:
        loaded.print_allocations()
    found = {part: int(size) for part, size in re.findall(r"Arena allocation (total|head|tail) (\d+) bytes", "".join(said))}
    return Arena(found["total"], found["head"], found["tail"], _smallest(content, found["total"], given))


def _smallest(content: bytes, total: int, enough: int) -> int:
    """The smallest arena that loads, in bytes: within a step of what the recorder counts, or else found by bisection."""
    guess = -(-total // ALIGNMENT)  # in steps
    low, high = total // 2 // ALIGNMENT, enough // ALIGNMENT  # too small, enough
    for steps in (guess, guess - 1, guess + 1):
        if low < steps < high:
            low, high = (low, steps) if _fits(content, steps * ALIGNMENT) else (steps, high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _fits(content, middle * ALIGNMENT) else (middle, high)
    return high * ALIGNMENT


def version() -> str:
    """Of the installed package."""
    return metadata.version("tflite-micro")


def run(loaded, content: bytes, inputs: Sequence[np.ndarray], *, count: int) -> list[np.ndarray]:
    """Runs what `load` gave on one array an input; returns its first outputs."""
    for i, values in enumerate(inputs):
        loaded.set_input(values, i)
    _invoke(loaded, content, "the model")
    return [np.array(loaded.get_output(i)) for i in range(count)]


def _invoke(loaded, content: bytes, file: str) -> None:
    """Runs once; what TFLite Micro refuses while it runs becomes one line with the operator it was at."""
    try:
        with quiet():
            loaded.invoke()
    except RuntimeError as error:
        said = "".join(getattr(error, "__notes__", ())).strip().splitlines()
        at = next(filter(None, (re.search(r"Node \S+ \(number (\d+)f?\)", line) for line in said)), None)
        graph = Graph(content)
        where = "an operator"
        if at and int(at[1]) < len(graph.operators):
            operator = graph.operators[int(at[1])]
            where = f"{operator.name} at {graph.name(operator.outputs[0])}"
        reason = " ".join(said[:1] or [str(error)])[:200]
        raise InputError(
            f"{file} does not run under TFLite Micro: {where} is of a type that it lacks, or damaged ({reason}); "
            "convert the model without it"
        ) from error


def _runtime():
    if not is_installed():
        raise InputError("TFLite Micro is not installed; run pip install 'kerasseg[micro]'")
    from tflite_micro.python.tflite_micro import runtime

    return runtime


def _fits(content: bytes, arena_bytes: int) -> bool:
    try:
        with quiet():
            _runtime().Interpreter.from_bytes(content, arena_size=arena_bytes)
    except RuntimeError:
        return False
    return True


def load(content: bytes, name: str, *, kind: str = "kAllocationRecording"):
    """(interpreter, bytes of the arena it got); `kind` is a name of tflite_micro's InterpreterConfig."""
    runtime = _runtime()
    config = getattr(runtime.InterpreterConfig, kind)
    arena = FIRST_ARENA
    while arena < len(content):  # far too small a one ends the process instead of being refused
        arena *= 2
    while True:
        try:
            with quiet():
                return runtime.Interpreter.from_bytes(content, arena_size=arena, intrepreter_config=config), arena
        except RuntimeError as error:
            if arena >= LARGEST_ARENA:
                said = "".join(getattr(error, "__notes__", ())).strip().splitlines()  # why, it says on stderr
                reason = " ".join([*said[-1:], str(error)])[:200]
                custom = [operator.custom for operator in Graph(content).operators if operator.custom]
                if custom:
                    raise InputError(f"{name} {unknown_operators(custom, runtime='TFLite Micro')}") from error
                raise InputError(
                    f"{name} does not load under TFLite Micro ({reason}); look for an operator it lacks"
                ) from error
            arena *= 2


class MicroImageModel:
    """A .tflite file in TFLite Micro's reference kernels on this machine, with the interface of `ImageModel`."""

    def __init__(self, path: Path, *, taken: Range = PIXELS):
        """Loads a file; LiteRT has to accept it too.

        Raises:
            InputError: the package is missing, the file takes no picture, or TFLite Micro refuses it.
        """
        self._load(path, ImageModel(path, taken=taken))

    def _load(self, path: Path, like: ImageModel) -> None:
        self.picture, self.threads, self._path, self._ran = like.picture, 1, path, False
        self._content = path.read_bytes()
        self._interpreter, _ = load(self._content, str(path))

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the input."""
        return self.picture.size

    def set_image(self, images: np.ndarray) -> None:
        """Puts in images (1, H, W, 3), values 0..255."""
        self._interpreter.set_input(self.picture.array(images), 0)

    def invoke(self) -> None:
        """Runs the model once."""
        if self._ran:  # what it refuses, it refuses at the first run; listening costs time that others measure
            self._interpreter.invoke()
        else:
            _invoke(self._interpreter, self._content, str(self._path))
            self._ran = True

    def raw_output(self) -> np.ndarray:
        """The output as it is in the file."""
        return self._interpreter.get_output(0)


class MicroModel(MicroImageModel):
    """Likewise, with the interface of `LoadedModel`."""

    def __init__(self, path: Path, *, taken: Range = PIXELS):
        """As `MicroImageModel`.

        Raises:
            InputError: as there, or the output tells no class a pixel.
        """
        like = LoadedModel(path, taken=taken)
        self._load(path, like)
        self.classes = like.classes

    @property
    def num_classes(self) -> int:
        return self.classes.num_classes
