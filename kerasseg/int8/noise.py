"""Where int8 hurts: the signal-to-noise ratio of an int8 file, operator by operator, against its float twin."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerasseg.lite.flatbuffer import Graph
from kerasseg.lite.inspection import Inspector

LARGEST_DB = 120.0  # stands for "no noise at all"
IDEAL_DB = 49.9  # of 256 steps: 6.02 * 8 + 1.76 (Bennett 1948); what is better than that has not been quantized yet


@dataclass(frozen=True)
class Noise:
    """One operator of both files.

    Attributes:
        tensor: Name of its output, the same in both.
        layer: The Keras layer whose output that is; the tensor's name where it is not known.
        operator: As in TFLite's schema.
        snr_db: 10 log10 of signal power over noise power, over all pictures; what came from before is in it.
        lost_db: By how much `snr_db` is below the worst of the operator's inputs, or below IDEAL_DB: the loss made here.
    """

    tensor: str
    layer: str
    operator: str
    snr_db: float
    lost_db: float


def compare(quantized: bytes, floating: bytes, images: Sequence[np.ndarray]) -> list[Noise]:
    """Runs both files on the same pictures, every tensor kept, and compares tensors of the same name.

    Args:
        quantized: An int8 .tflite file.
        floating: The float32 .tflite file that it was quantized from.
        images: (1, H, W, 3), values 0..255.

    Returns:
        In order of execution.
    """
    ours, theirs = Inspector(quantized), Inspector(floating)
    by_name = {theirs.names[tensor]: tensor for tensor in theirs.activations}
    shared = [t for t in ours.activations if ours.names[t] in by_name]
    power = {tensor: np.zeros(2) for tensor in shared}
    for image in images:
        ours.run(image)
        theirs.run(image)
        for tensor in shared:
            signal = theirs.read(by_name[ours.names[tensor]])
            noise = ours.read(tensor) - signal
            power[tensor] += np.mean(np.square(signal), dtype=float), np.mean(np.square(noise), dtype=float)
    snr = {tensor: _decibel(*power[tensor]) for tensor in shared}
    found = []
    for operator in Graph(quantized).operators:
        output = operator.outputs[0]
        if output in snr:
            before = min([snr[tensor] for tensor in operator.inputs if tensor in snr], default=LARGEST_DB)
            before = min(before, IDEAL_DB)
            found.append(Noise(ours.names[output], ours.names[output], operator.name, snr[output], before - snr[output]))
    return found


def _decibel(signal: float, noise: float) -> float:
    if noise == 0 or signal == 0:
        return LARGEST_DB
    return float(np.clip(10 * np.log10(signal / noise), -LARGEST_DB, LARGEST_DB))
