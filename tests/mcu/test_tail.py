import keras

from kerasseg.lite.flatbuffer import Graph
from kerasseg.mcu import runtime, tail, trials
from tests.lite.nets import int8, network


def test_the_parts_sum_to_what_was_measured():
    content = int8(network(keras.layers.Conv2D(8, 3), keras.layers.DepthwiseConv2D(3), keras.layers.Conv2D(5, 1)))
    arena = runtime.measure_arena(content)
    parts = tail.breakdown(Graph(content), trials.record(content), tail_bytes=arena.tail_bytes)
    assert sum(part.bytes for part in parts) == arena.tail_bytes
    assert all(part.bytes > 0 for part in parts)
    channels, kernels, tensors, operators, _, rest = parts
    # 8, 8 and 5 channels, two int32 each; a kernel, a bias and an output a convolution, and the image.
    assert (channels.count, channels.bytes) == (21, 168)
    assert (tensors.count, operators.count, kernels.count) == (10, 3, 3)
    assert rest.source == "remainder"
    assert rest.bytes < 0.6 * arena.tail_bytes


def test_channels_are_what_another_convolution_costs():
    narrow, wide = (int8(network(keras.layers.Conv2D(channels, 1))) for channels in (8, 24))
    apart = runtime.measure_arena(wide).tail_bytes - runtime.measure_arena(narrow).tail_bytes
    assert abs(apart - 16 * tail.CHANNEL_BYTES) <= 16  # alignment
