import json

import keras
import pytest

from kerasseg.models import MODELS, build_model
from tests.conftest import command

pytestmark = pytest.mark.slow

SCRIPT = """
import json, sys
import jax, keras, numpy as np
from kerasseg.models import jax_kernels

assert jax_kernels.DepthwiseConv2D.__name__ == "DepthwiseConv2D"  # a layer's key in a .weights.h5 file comes from it
random, rows = np.random.default_rng(0), []
for size, stride, dilation, padding in json.loads(sys.argv[1]):
    settings = {"strides": stride, "padding": padding, "dilation_rate": dilation}
    layer = jax_kernels.DepthwiseConv2D(size, use_bias=False, name="depthwise", **settings)
    inputs = random.normal(size=(2, 27, 36, 3)).astype("float32")
    layer.build(inputs.shape)
    kernel = random.normal(size=layer.kernel.shape).astype("float32")

    def keras_own(x, kernel):
        return keras.ops.depthwise_conv(x, kernel, stride, padding, "channels_last", dilation)

    def ours(x, kernel):
        return layer.stateless_call([kernel], [], x)[0]

    def with_gradients(convolve):
        outputs, back = jax.vjp(convolve, inputs, kernel)
        return outputs, *back(jax.numpy.cos(outputs))

    found = [jax.jit(with_gradients, static_argnums=0)(convolve) for convolve in (keras_own, ours)]
    rows.append([[float(abs(a - b).max()), float(abs(a).max())] for a, b in zip(*found, strict=True)])
print(json.dumps(rows))
"""


def test_depthwise_convolutions_and_their_gradients_are_keras_own():
    """At every kernel, stride, dilation and padding that a model has, and at some that none has yet."""
    pytest.importorskip("jax")
    kinds = {(3, 2, 1, "same"), (5, 2, 1, "same"), (3, 3, 1, "valid"), (5, 2, 1, "valid"), (3, 1, 4, "same")}
    for name in MODELS:
        for layer in build_model(name, size=(64, 64)).layers:
            if isinstance(layer, keras.layers.DepthwiseConv2D):
                assert (layer.depth_multiplier, layer.use_bias, layer.activation) == (1, False, keras.activations.linear)
                kinds.add((layer.kernel_size[0], layer.strides[0], layer.dilation_rate[0], layer.padding))
    result = command("-c", SCRIPT, json.dumps(sorted(kinds)), KERAS_BACKEND="jax")
    assert result.returncode == 0, result.stderr
    rows = json.loads(result.stdout)
    assert len(rows) == len(kinds) >= 12
    for row in rows:
        for difference, size in row:  # outputs, and the gradients of inputs and kernel
            assert difference <= 1e-5 * size  # sums of float32 in another order
