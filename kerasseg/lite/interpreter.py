"""LiteRT: loading a .tflite file, putting pictures into it, reading its output."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
from ai_edge_litert import interpreter as litert

from kerasseg import grey
from kerasseg.errors import InputError
from kerasseg.lite.class_output import ClassOutput, class_output
from kerasseg.lite.flatbuffer import Graph
from kerasseg.lite.input_range import PIXELS, Range
from kerasseg.lite.picture_input import PictureInput, open_batch, picture_input
from kerasseg.lite.recognition import refuse_other, unknown_operators
from kerasseg.lite.tensors import Tensor
from kerasseg.quiet import quiet

KERNELS = ("xnnpack", "reference")


class Runnable(Protocol):
    """Anything that runs on one picture: a .tflite file in LiteRT or in TFLite Micro."""

    picture: PictureInput
    threads: int

    @property
    def size(self) -> tuple[int, int]: ...

    def set_image(self, images: np.ndarray) -> None: ...

    def invoke(self) -> None: ...


class Segmenting(Runnable, Protocol):
    """A Runnable whose output tells a class a pixel."""

    classes: ClassOutput

    @property
    def num_classes(self) -> int: ...

    def raw_output(self) -> np.ndarray: ...


class ImageModel:
    """A .tflite file that takes one picture and gives one tensor of any kind: what can be timed.

    Attributes:
        picture: How a picture becomes its only input.
        output: Its only output; None where that is no plain number.
        threads: Of the interpreter.
    """

    def __init__(self, source: Path | bytes, *, kernels: str = "xnnpack", threads: int = 1, taken: Range = PIXELS):
        """Loads a file under LiteRT.

        Args:
            source: Path or content.
            kernels: "xnnpack", LiteRT's default, or "reference", its plain kernels without any delegate.
            threads: Of the interpreter.
            taken: What the network takes for 0..255; `input_range.understand` says it of a file made elsewhere.

        Raises:
            InputError: no such file, no model in it, one that LiteRT refuses, or one of other inputs and outputs.
        """
        name = _name(source)
        self.threads = threads
        if kernels not in KERNELS:
            raise InputError(f"kernels {kernels!r} are unknown; give one of {', '.join(KERNELS)}")
        if not isinstance(source, bytes):
            if not source.is_file():
                raise InputError(f"no file {source}; check the path")
            source = source.read_bytes()
        self._interpreter = _loaded(source, name, kernels=kernels, threads=threads)
        self._graph = Graph(source, source=name)
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1:
            raise InputError(
                f"{name} has {len(inputs)} inputs and {len(outputs)} outputs; a segmentation model has one of each"
            )
        self.picture = picture_input(self._graph.tensor(inputs[0]["index"]), file=name, taken=taken)
        self.output = self._graph.tensor(outputs[0]["index"])
        open_batch(self._graph, file=name)  # refuses another open side

    @property
    def input(self) -> Tensor:
        """The only input."""
        return self.picture.tensor

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the input."""
        return self.picture.size

    def set_image(self, images: np.ndarray) -> None:
        """Puts in images (1, H, W, 3), values 0..255."""
        self._interpreter.set_tensor(self.input.index, self.picture.array(images))

    def invoke(self) -> None:
        """Runs the model once."""
        self._interpreter.invoke()

    def raw_output(self) -> np.ndarray:
        """The output as it is in the file."""
        return self._interpreter.get_tensor(self._interpreter.get_output_details()[0]["index"])


class LoadedModel(ImageModel):
    """A .tflite segmentation model, ready to run.

    Attributes:
        classes: How its only output becomes class ids.
        output: That output.
    """

    output: Tensor

    def __init__(self, source: Path | bytes, *, kernels: str = "xnnpack", threads: int = 1, taken: Range = PIXELS):
        """As `ImageModel`.

        Raises:
            InputError: as there, or the output tells no class a pixel.
        """
        super().__init__(source, kernels=kernels, threads=threads, taken=taken)
        self.classes = class_output(
            self._graph, size=self.size, channels_first=self.picture.channels_first, file=_name(source)
        )  # fmt: skip

    @property
    def num_classes(self) -> int:
        return self.classes.num_classes


def _name(source: Path | bytes) -> str:
    return "the model" if isinstance(source, bytes) else str(source)


def _loaded(content: bytes, name: str, *, kernels: str, threads: int) -> litert.Interpreter:
    refuse_other(content, source=name)
    resolver = litert.OpResolverType.BUILTIN_REF if kernels == "reference" else litert.OpResolverType.AUTO
    try:
        with quiet():
            found = litert.Interpreter(model_content=content, num_threads=threads, experimental_op_resolver_type=resolver)
            found.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        if "unresolved custom op" in reason or "Select TensorFlow op" in reason:
            names = [operator.custom for operator in Graph(content).operators if operator.custom]
            raise InputError(f"{name} {unknown_operators(names, runtime='LiteRT')}") from error
        raise InputError(f"{name} does not load under LiteRT with {kernels} kernels ({reason}); convert it again") from error
    return found


def predictor(model: Segmenting) -> Callable[[np.ndarray], np.ndarray]:
    """Images (1, H, W, 3) uint8 -> class ids (1, H, W) uint8; InputError for what is none."""

    def predict(images: np.ndarray) -> np.ndarray:
        model.set_image(grey.check(images, channels=(3, 1)).astype(np.float32))
        model.invoke()
        return model.classes.ids(model.raw_output())

    return predict
