"""Files run in TFLite Micro side by side, and what its recorder says of what it keeps."""

import re
import statistics
import time
from collections.abc import Sequence

import numpy as np

from kerasseg.lite.flatbuffer import Graph
from kerasseg.mcu import runtime
from kerasseg.quiet import quiet


def outputs(content: bytes, batches: Sequence[Sequence[np.ndarray]]) -> list[list[np.ndarray]]:
    """What a file gives for inputs, an array an output, a run.

    Raises:
        InputError: the package is missing, or TFLite Micro refuses the file.
    """
    count = len(Graph(content).model.subgraphs[0].outputs)
    loaded, _ = runtime.load(content, "the model")
    return [runtime.run(loaded, content, inputs, count=count) for inputs in batches]


def median_seconds(contents: Sequence[bytes], inputs: Sequence[np.ndarray], *, runs: int) -> list[float]:
    """Median processor time of a run of each file on the same inputs, in turn, after one run of each that does not count."""
    loaded = [(runtime.load(content, "the model")[0], content) for content in contents]
    taken: list[list[float]] = [[] for _ in contents]
    for _ in range(runs + 1):
        for (one, content), seconds in zip(loaded, taken, strict=True):
            start = time.thread_time()
            runtime.run(one, content, inputs, count=1)
            seconds.append(time.thread_time() - start)
    return [statistics.median(seconds[1:]) for seconds in taken]


def record(content: bytes) -> dict[str, tuple[int, int]]:
    """What TFLite Micro's recorder counts of a loaded file, such as "TfLiteEvalTensor data" -> (bytes, allocations)."""
    loaded, _ = runtime.load(content, "the model")
    detail = loaded.get_input_details(0)
    runtime.run(loaded, content, [np.zeros(detail["shape"], detail["dtype"])], count=0)
    with quiet() as said:
        loaded.print_allocations()
    lines = re.findall(r"'([^']+)' used (\d+) bytes .* for (\d+) ", "".join(said))
    return {section: (int(count), int(allocations)) for section, count, allocations in lines}
