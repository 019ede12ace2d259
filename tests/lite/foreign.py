"""Files as other tools make them: one convolution whose class 1 is where the first channel's pixel is past 127.5.

Whether a picture was handed over in the right range shows at once: in a wrong one every pixel falls to one side.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from kerasseg.lite.flatbuffer import Graph
from kerasseg.quiet import quiet

SIZE = (16, 16)
INT8, INT16 = "TFLITE_BUILTINS_INT8", "EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8"

# What stands at the end; y has a channel a class, z is positive where class 1 is.
ENDS = {
    "logits": lambda y, z: y,
    "logits_first": lambda y, z: tf.transpose(y, (0, 3, 1, 2)),
    "sigmoid": lambda y, z: tf.sigmoid(z),
    "logit": lambda y, z: z,
    "hard_sigmoid": lambda y, z: tf.nn.relu6(z + 3.0) / 6.0,
    "resized": lambda y, z: tf.image.resize(y[:, ::2, ::2], SIZE),
    "int64": lambda y, z: tf.argmax(y, -1, output_type=tf.int64),
    "int32": lambda y, z: tf.argmax(y, -1, output_type=tf.int32),
    "uint8": lambda y, z: tf.cast(tf.argmax(y, -1, output_type=tf.int32), tf.uint8),
    "compared": lambda y, z: tf.cast(z > 0.0, tf.uint8),
}


@dataclass(frozen=True)
class Made:
    """How a file is made.

    Attributes:
        low: What its network takes for 0.
        high: And for 255.
        ops: Operators of a calibrated file; empty for a float one.
        io: Type of its input and output.
        end: A key of ENDS.
        channels: Of its pictures.
        batch: How many it takes at a time; None leaves it open.
        channels_first: Whether its input is (batch, channels, height, width).
        brightest: The largest pixel among the calibration pictures.
    """

    low: float = 0.0
    high: float = 255.0
    ops: str = ""
    io: str = "float32"
    end: str = "logits"
    channels: int = 3
    batch: int | None = 1
    channels_first: bool = False
    brightest: int = 255


def make(made: Made) -> bytes:
    """The file's content."""
    middle = (made.low + made.high) / 2
    both, one = np.zeros((1, 1, made.channels, 2), np.float32), np.zeros((1, 1, made.channels, 1), np.float32)
    both[0, 0, 0, 1] = one[0, 0, 0, 0] = 1
    shape = (made.batch, made.channels, *SIZE) if made.channels_first else (made.batch, *SIZE, made.channels)

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32)])
    def network(x):
        x = tf.transpose(x, (0, 2, 3, 1)) if made.channels_first else x
        y = tf.nn.conv2d(x, both, 1, "SAME") + np.float32([middle, 0])
        return ENDS[made.end](y, tf.nn.conv2d(x, one, 1, "SAME") - np.float32(middle))

    def pictures():
        rng = np.random.default_rng(0)
        for _ in range(4):
            yield [
                (
                    made.low + rng.integers(0, made.brightest + 1, (made.batch or 1, *shape[1:])) / 255 * (made.high - made.low)
                ).astype(np.float32)
            ]

    with quiet():
        converter = tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()])
        if made.ops:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = pictures
            converter.target_spec.supported_ops = [getattr(tf.lite.OpsSet, made.ops)]
            converter.inference_input_type = tf.as_dtype(made.io)
            if made.end not in ("int32", "int64", "uint8", "compared"):
                converter.inference_output_type = tf.as_dtype(made.io)
        return converter.convert()


def with_custom_operator(content: bytes, *, name: str) -> bytes:
    """The file whose convolutions are a custom operator."""
    graph = Graph(content)
    code = graph.model.operatorCodes[0]
    code.builtinCode, code.deprecatedBuiltinCode, code.customCode = 32, 32, name.encode()
    for operator in graph.model.subgraphs[0].operators:
        if operator.opcodeIndex == 0:
            operator.builtinOptions, operator.builtinOptionsType = None, 0
    return graph.content()
