"""Layers that never fire, and the quantization range they would otherwise have.

In some squeeze-excite blocks of MobileNetV3 the reducing convolution and its ReLU give 0 for every picture. Calibration then
measures a range of no width, the requantization scale (input scale * weight scale / output scale) passes 1e3, and XNNPACK,
which takes scales in [2^-32, 256), refuses the whole file.
"""

from collections.abc import Callable, Iterator

import keras
import numpy as np

XNNPACK_LIMIT = 256.0  # https://github.com/google/XNNPACK, src/subgraph/validation.c: requantization scale below 2^8


def give_dead_layers_a_range(model: keras.Model, representative: Callable[[], Iterator[list[np.ndarray]]]) -> list[str]:
    """Changes the weights of `model` where a ReLU would get a range too narrow to load; returns the names of those layers.

    One channel of the ReLU, the one that fires least, becomes a constant that the following convolution ignores: the channel
    now spans the range, and where it never fired the network computes what it did before.

    Args:
        model: Batch 1; looked at are 1x1 convolutions with bias, then ReLU, then one other convolution.
        representative: Calibration images, as for the converter.
    """
    triples = list(_reducing(model))
    if not triples:
        return []
    probe = keras.Model(model.input, [t for conv, relu, _ in triples for t in (conv.input, relu.output)])
    largest = None
    for (image,) in representative():
        tops = [np.max(np.abs(out), axis=(0, 1, 2)) for out in probe.predict_on_batch(image)]
        largest = tops if largest is None else [np.maximum(a, b) for a, b in zip(largest, tops, strict=True)]
    changed = []
    for (conv, relu, following), inputs, outputs in zip(triples, largest[::2], largest[1::2], strict=True):
        kernel, bias = conv.get_weights()
        step = inputs.max() / 255 * np.abs(kernel).max() / 127  # of the accumulator
        if step < outputs.max() / 255 * XNNPACK_LIMIT:
            continue
        channel = int(np.argmin(outputs))
        kernel[..., channel] = 0
        bias[channel] = step * 255  # requantization scale 1
        conv.set_weights([kernel, bias])
        weights = following.get_weights()
        weights[0][:, :, channel] = 0
        following.set_weights(weights)
        changed.append(relu.name)
    return changed


def _reducing(model: keras.Model) -> Iterator[tuple[keras.layers.Layer, keras.layers.Layer, keras.layers.Layer]]:
    def consumers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
        return [node.operation for node in layer._outbound_nodes if node.operation in model.operations]

    for conv in model.layers:
        if type(conv) is keras.layers.Conv2D and conv.use_bias and conv.kernel_size == (1, 1):
            for relu in consumers(conv):
                after = consumers(relu)
                if isinstance(relu, keras.layers.ReLU) and len(after) == 1 and type(after[0]) is keras.layers.Conv2D:
                    yield conv, relu, after[0]
