"""Metadata inside a .tflite file: classes, normalization and what it is, as MediaPipe's ImageSegmenter reads them.

Written by hand with flatbuffers' own builder after MediaPipe's metadata_schema.fbs and image_segmenter_metadata_schema.fbs
(Apache-2.0), of which it is a small part; other runtimes pass over it.
"""

import io
import math
import struct
import zipfile
from collections.abc import Sequence

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import encode, number_types, packer
from flatbuffers.table import Table

from kerasseg.errors import InputError
from kerasseg.lite.flatbuffer import Graph

NAME = "TFLITE_METADATA"  # of the buffer, as readers look for it
LABELS = "labels.txt"
_AXIS_LABELS, _IMAGE, _NORMALIZATION, _RGB, _GREY, _SOFTMAX = 2, 2, 1, 1, 2, 2  # numbers of the schemas' enums and unions


def with_metadata(content: bytes, *, name: str, description: str, class_names: Sequence[str]) -> bytes:
    """A file that says what it is; operators, weights and results stay as they are.

    Args:
        content: Of a .tflite file with one picture in and logits out, without metadata.
        name: Of the model.
        description: For people.
        class_names: One a class; go into labels.txt in a ZIP archive behind the flatbuffer, where MediaPipe looks.

    Raises:
        InputError: it is no .tflite file, or the names are not as many as its logits, or not a line each.
    """
    graph = Graph(content)
    main = graph.model.subgraphs[0]
    classes = graph.shape(int(main.outputs[0]))[-1]
    if len(class_names) != classes or any(name.splitlines() != [name] for name in class_names):
        raise InputError(f"{len(class_names)} class names were given for {classes} classes; give each one, of one line")
    height, width, channels = graph.shape(int(main.inputs[0]))[1:]
    is_float = graph.dtype(int(main.inputs[0])) == np.float32
    described = _described(name, description, (height, width), is_grey=channels == 1, is_float=is_float)
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(described, np.uint8)
    graph.model.buffers.append(buffer)
    entry.name, entry.buffer = NAME.encode(), len(graph.model.buffers) - 1
    graph.model.metadata = [*(graph.model.metadata or []), entry]
    file = io.BytesIO(graph.content())
    with zipfile.ZipFile(file, "a") as archive:
        listed = zipfile.ZipInfo(LABELS)  # dated 1980: the same model, the same file
        archive.writestr(listed, "".join(f"{label}\n" for label in class_names))
    return file.getvalue()


def normalization(content: bytes) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Mean and standard deviation that a file's NormalizationOptions give its first input; None where it says nothing.

    Args:
        content: Of a .tflite file.

    Returns:
        A number each, or one a channel.
    """
    graph = Graph(content)
    for entry in graph.model.metadata or []:
        if entry.name == NAME.encode():
            try:
                return _normalization_in(bytes(graph.model.buffers[entry.buffer].data))
            except (struct.error, IndexError, TypeError, ValueError):  # somebody else's buffer, or a damaged one
                return None
    return None


def _normalization_in(buffer: bytes) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    root = Table(buffer, encode.Get(packer.uoffset, buffer, 0))
    for graph in _tables(root, 3)[:1]:
        for tensor in _tables(graph, 2)[:1]:
            for unit in _tables(tensor, 4):
                at = unit.Offset(_slot(0))
                if at and unit.Get(number_types.Uint8Flags, unit.Pos + at) == _NORMALIZATION:
                    options = Table(buffer, unit.Indirect(unit.Pos + unit.Offset(_slot(1))))
                    mean, std = _numbers(options, 0), _numbers(options, 1)
                    usable = mean and std and all(map(math.isfinite, mean + std)) and min(std) > 0
                    return (mean, std) if usable else None
    return None


def _slot(number: int) -> int:
    """Where a table's vtable has a field."""
    return 4 + 2 * number


def _tables(table: Table, slot: int) -> list[Table]:
    at = table.Offset(_slot(slot))
    if not at:
        return []
    start = table.Vector(at)
    return [Table(table.Bytes, table.Indirect(start + 4 * i)) for i in range(table.VectorLen(at))]


def _numbers(table: Table, slot: int) -> tuple[float, ...]:
    at = table.Offset(_slot(slot))
    if not at:
        return ()
    start = table.Vector(at)
    return tuple(table.Get(number_types.Float32Flags, start + 4 * i) for i in range(table.VectorLen(at)))


def _described(name: str, description: str, size: tuple[int, int], *, is_grey: bool, is_float: bool) -> bytes:
    b = flatbuffers.Builder(1024)
    image = _tensor(
        b,
        "image",
        f"a picture of {size[0]}x{size[1]} pixels (height x width), {'grey' if is_grey else 'RGB'}, values 0 to 255",
        content=_image_content(b, size, _GREY if is_grey else _RGB),
        process_units=[_normalization(b)] if is_float else [],
        stats=_stats(b),
    )
    labels = _table(b, 5, {0: b.CreateString(LABELS), 1: b.CreateString("class names, one a line")}, numbers={2: _AXIS_LABELS})
    logits = _tensor(b, "segmentation_masks", "logits of each class, a pixel each", files=[labels])
    custom = _table(b, 2, {0: b.CreateString("SEGMENTER_METADATA"), 1: _bytes(b, _segmenter_options())})
    graph = _table(b, 10, {2: _vector(b, [image]), 3: _vector(b, [logits]), 9: _vector(b, [custom])})
    root = _table(
        b,
        8,
        {0: b.CreateString(name), 1: b.CreateString(description), 3: _vector(b, [graph]), 7: b.CreateString("1.0.0")},
    )
    b.Finish(root, b"M001")
    return bytes(b.Output())


def _segmenter_options() -> bytes:
    """That the outputs are logits, of which a softmax makes confidences."""
    b = flatbuffers.Builder(64)
    b.Finish(_table(b, 2, {}, numbers={0: _SOFTMAX}), b"V001")
    return bytes(b.Output())


def _tensor(
    b: flatbuffers.Builder,
    name: str,
    description: str,
    *,
    content: int = 0,
    process_units: Sequence[int] = (),
    stats: int = 0,
    files: Sequence[int] = (),
) -> int:
    offsets = {0: b.CreateString(name), 1: b.CreateString(description), 3: content, 5: stats}
    offsets |= {4: _vector(b, process_units)} if process_units else {}
    offsets |= {6: _vector(b, files)} if files else {}
    return _table(b, 7, {slot: offset for slot, offset in offsets.items() if offset})


def _image_content(b: flatbuffers.Builder, size: tuple[int, int], colors: int) -> int:
    shape = _table(b, 2, {}, words={0: size[1], 1: size[0]})
    properties = _table(b, 2, {1: shape}, numbers={0: colors})
    return _table(b, 3, {1: properties}, numbers={0: _IMAGE})


def _normalization(b: flatbuffers.Builder) -> int:
    """None: the network takes 0 to 255 and scales by itself."""
    options = _table(b, 2, {0: _floats(b, [0.0]), 1: _floats(b, [1.0])})
    return _table(b, 2, {1: options}, numbers={0: _NORMALIZATION})


def _stats(b: flatbuffers.Builder) -> int:
    return _table(b, 2, {0: _floats(b, [255.0]), 1: _floats(b, [0.0])})


def _table(
    b: flatbuffers.Builder,
    slots: int,
    offsets: dict[int, int],
    *,
    numbers: dict[int, int] | None = None,
    words: dict[int, int] | None = None,
) -> int:
    """A table: slot -> what was built before, enum or union type (int8), uint32."""
    b.StartObject(slots)
    for slot, offset in offsets.items():
        b.PrependUOffsetTRelativeSlot(slot, offset, 0)
    for slot, word in (words or {}).items():
        b.PrependUint32Slot(slot, word, 0)
    for slot, number in (numbers or {}).items():
        b.PrependInt8Slot(slot, number, 0)
    return b.EndObject()


def _vector(b: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return b.EndVector()


def _floats(b: flatbuffers.Builder, values: Sequence[float]) -> int:
    return b.CreateNumpyVector(np.array(values, np.float32))


def _bytes(b: flatbuffers.Builder, content: bytes) -> int:
    b.StartVector(1, len(content), 16)  # force_align: 16
    for value in reversed(content):
        b.PrependByte(value)
    return b.EndVector()
