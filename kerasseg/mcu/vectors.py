"""A test vector: an input, the output it must give, and the classes of its pixels."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerasseg.mcu import class_map
from kerasseg.mcu.cpp import commented, octets, template

MARK = "kerasseg-map"  # begins what main.cc prints of a class map, wherever in a log's line it stands
CLASS_PARTS = (
    "classes_declaration", "classes_definition", "class_include", "class_check", "class_option", "class_print",
)  # fmt: skip


@dataclass(frozen=True)
class Vector:
    """A test vector.

    Attributes:
        source: What the input is, in words.
        inputs: Arrays as the file's inputs want them, in their order.
        outputs: Arrays as the reference kernels give them.
    """

    source: str
    inputs: tuple[np.ndarray, ...]
    outputs: tuple[np.ndarray, ...]

    @property
    def sha256(self) -> str:
        """Hash of what goes in and of what must come out: it names an export in a board's log."""
        return _hash([array.tobytes() for array in (*self.inputs, *self.outputs)])


@dataclass(frozen=True)
class Written:
    """What test_vector.cc holds, as bytes.

    Attributes:
        inputs: Of each input.
        outputs: Of each output.
    """

    inputs: tuple[bytes, ...]
    outputs: tuple[bytes, ...]

    @property
    def sha256(self) -> str:
        """As `Vector.sha256`."""
        return _hash([*self.inputs, *self.outputs])


def read(text: str) -> Written:
    """What stands in a test_vector.cc that was made here."""
    found: dict[str, list[bytes]] = {"Input": [], "Output": []}
    for kind, digits in re.findall(r"kTest(Input|Output)\d+\[\] = \{([^}]*)\}", text):
        found[kind].append(bytes(int(one, 16) for one in re.findall(r"0x(..)", digits)))
    return Written(tuple(found["Input"]), tuple(found["Output"]))


def _hash(contents: Sequence[bytes]) -> str:
    return hashlib.sha256(b"".join(contents)).hexdigest()


def values(
    vector: Vector, *, prefix: str, sha256: str, tolerance_lsb: int, logits: class_map.Logits | None
) -> dict[str, object]:  # fmt: skip
    """What the templates of test_vector and main.cc take.

    Args:
        vector: Of the file.
        prefix: What the names of headers begin with.
        sha256: Of the file, for a board's log.
        tolerance_lsb: By how much a number of the output may differ.
        logits: What the output is; None where it is no logits, and has no classes.
    """
    tensors = [("kTestInput", vector.inputs), ("kTestOutput", vector.outputs)]
    tables = [", ".join(f"{{{name}{i}, sizeof({name}{i})}}" for i in range(len(arrays))) for name, arrays in tensors]
    kinds = {str(array.dtype) for array in vector.outputs}
    return {
        "source": commented(vector.source),
        "inputs": len(vector.inputs),
        "outputs": len(vector.outputs),
        "arrays": "".join(
            f"alignas(16) const unsigned char {name}{i}[] = {{\n{octets(array.tobytes())}\n}};\n\n"
            for name, arrays in tensors for i, array in enumerate(arrays)
        ),
        "input_table": tables[0],
        "output_table": tables[1],
        "element": "std::int8_t" if kinds == {"int8"} else "unsigned char",
        # A step of a number wider than a byte is not one of its bytes'.
        "tolerance": tolerance_lsb if kinds <= {"int8", "uint8"} else 0,
        **_classes(vector, prefix, sha256, logits),
    }  # fmt: skip


def _classes(vector: Vector, prefix: str, sha256: str, logits: class_map.Logits | None) -> dict[str, str]:
    if logits is None:
        return dict.fromkeys(CLASS_PARTS, "")
    ids = class_map.class_ids(vector.outputs[0], stride=logits.stride)
    return {
        "classes_declaration": f"extern const unsigned char kTestClasses[{ids.size}];  // of each pixel of the input\n",
        "classes_definition": f"const unsigned char kTestClasses[{ids.size}] = {{\n{octets(ids.tobytes())}\n}};\n",
        "class_include": f'#include "{prefix}class_map.h"\n',
        "class_check": template("class_check.cc").substitute(prefix=prefix),
        "class_option": "// With -DKERASSEG_PRINT_CLASS_MAP it prints the class map, which `kerasseg micro --log` reads.\n",
        "class_print": template("class_print.cc").substitute(mark=MARK, vector_sha256=vector.sha256, sha256=sha256),
    }
