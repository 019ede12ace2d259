import json

import keras
import pytest

from kerasseg.models import MODELS
from tests.conftest import command
from tests.models.test_init import outlined

pytestmark = pytest.mark.slow

SCRIPT = """
import json, sys
import jax, keras, numpy as np
from kerasseg.models import jax_kernels

assert jax_kernels.DepthwiseConv2D.__name__ == "DepthwiseConv2D"  # a layer's key in a .weights.h5 file comes from it
assert jax_kernels.Conv2D.__name__ == "Conv2D"

def differences(keras_own, ours, inputs, kernel):
    def with_gradients(convolve):
        outputs, back = jax.vjp(convolve, inputs, kernel)
        return outputs, *back(jax.numpy.cos(outputs))

    found = [jax.jit(with_gradients, static_argnums=0)(convolve) for convolve in (keras_own, ours)]
    return [[float(abs(a - b).max()), float(abs(a).max())] for a, b in zip(*found, strict=True)]

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

    rows.append(differences(keras_own, ours, inputs, kernel))

for size, dilation in json.loads(sys.argv[2]):
    def keras_own(x, kernel):
        return keras.ops.conv(x, kernel, 1, "same", "channels_last", dilation)

    def ours(x, kernel):
        return jax_kernels.as_product(x, kernel, dilation)

    kernel = random.normal(size=(size, size, 3, 7)).astype("float32")
    rows.append(differences(keras_own, ours, inputs, kernel))
print(json.dumps(rows))
"""


def test_convolutions_and_their_gradients_are_keras_own():
    """At every kernel, stride, dilation and padding that a model has, and at some that none has yet.

    A processor stands in for the GPU that the matrix products are for: the same code.
    """
    pytest.importorskip("jax")
    kinds = {(3, 2, 1, "same"), (5, 2, 1, "same"), (3, 3, 1, "valid"), (5, 2, 1, "valid"), (3, 1, 4, "same")}
    products = {(5, 2)}
    for name in MODELS:
        for layer in outlined(name, size=(64, 64)).layers:
            if isinstance(layer, keras.layers.DepthwiseConv2D):
                assert (layer.depth_multiplier, layer.use_bias, layer.activation) == (1, False, keras.activations.linear)
                kinds.add((layer.kernel_size[0], layer.strides[0], layer.dilation_rate[0], layer.padding))
            elif isinstance(layer, keras.layers.Conv2D) and layer.strides == (1, 1):
                assert layer.groups == 1
                assert layer.padding == "same" or layer.kernel_size == (1, 1)
                products.add((layer.kernel_size[0], layer.dilation_rate[0]))
    result = command("-c", SCRIPT, json.dumps(sorted(kinds)), json.dumps(sorted(products)), KERAS_BACKEND="jax")
    assert result.returncode == 0, result.stderr
    rows = json.loads(result.stdout)
    assert len(rows) == len(kinds) + len(products) >= 18
    for row in rows:
        for difference, size in row:  # outputs, and the gradients of inputs and kernel
            assert difference <= 1e-5 * size  # sums of float32 in another order


CLONED = """
import json, sys
import keras
from kerasseg.models import build_model, jax_kernels

fast = jax_kernels.clone(build_model("v3large_sliced", size=(64, 64), precision=sys.argv[1]))
print(json.dumps([layer.name for layer in fast.layers if type(layer) is jax_kernels.Conv2D]))
"""


@pytest.mark.parametrize(("precision", "wide"), [("float32", 2), ("mixed_bfloat16", 0)])
def test_on_a_processor_the_decoders_wide_convolutions_go_winograds_way(precision, wide):
    pytest.importorskip("jax")
    result = command("-c", CLONED, precision, KERAS_BACKEND="jax", JAX_PLATFORMS="cpu")
    assert result.returncode == 0, result.stderr
    names = json.loads(result.stdout)
    assert len(names) == wide
    assert all("decoder" in name for name in names)
