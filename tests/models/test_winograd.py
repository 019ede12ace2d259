import numpy as np
import pytest

from tests.conftest import command

SIZES = ((8, 12), (9, 7), (3, 1))  # whole tiles; tiles that reach over the edges; less than one

# Each gives outputs and both gradients of the sum of their squares, direct in float64 and Winograd's in float32.
TORCH = """
import numpy as np, sys, torch
from kerasseg.models.torch_winograd import convolve

def direct(inputs, kernel):
    return torch.nn.functional.conv2d(inputs.movedim(-1, 1), kernel.permute(3, 2, 0, 1), padding=1).movedim(1, -1)

def run(convolve, *values):
    inputs, kernel = (value.clone().requires_grad_() for value in values)
    outputs = convolve(inputs, kernel)
    (outputs**2).sum().backward()
    return [value.numpy() for value in (outputs.detach(), inputs.grad, kernel.grad)]

given, found = [torch.from_numpy(value) for value in np.load(sys.argv[1]).values()], []
for values in zip(given[::2], given[1::2], strict=True):
    found += [*run(direct, *(value.double() for value in values)), *run(convolve, *values)]
np.savez(sys.argv[2], *found)
convolve(given[0], given[1].requires_grad_()).sum().backward()  # pictures need no gradient
"""
JAX = """
import jax, numpy as np, sys
from kerasseg.models.jax_winograd import convolve

jax.config.update("jax_enable_x64", True)

def direct(inputs, kernel):
    return jax.lax.conv_general_dilated(inputs, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

def run(convolve, *values):
    outputs, back = jax.vjp(convolve, *values)
    return outputs, *back(2 * outputs)

given, found = list(np.load(sys.argv[1]).values()), []
for values in zip(given[::2], given[1::2], strict=True):
    exact = run(direct, *(value.astype(np.float64) for value in values))
    found += [*exact, *jax.jit(run, static_argnums=0)(convolve, *values)]
np.savez(sys.argv[2], *found)
"""


@pytest.mark.parametrize(("backend", "script"), [("torch", TORCH), pytest.param("jax", JAX, marks=pytest.mark.slow)])
def test_convolution_and_gradients_are_those_of_a_direct_one(backend, script, tmp_path):
    pytest.importorskip(backend)
    random = np.random.default_rng(0)
    shapes = [shape for height, width in SIZES for shape in ((2, height, width, 5), (3, 3, 5, 6))]
    np.savez(tmp_path / "given.npz", *(random.normal(size=shape).astype(np.float32) for shape in shapes))
    result = command("-c", script, tmp_path / "given.npz", tmp_path / "found.npz", KERAS_BACKEND=backend)
    assert result.returncode == 0, result.stderr
    with np.load(tmp_path / "found.npz") as stored:
        found = list(stored.values())
    for height, width in SIZES:
        exact, ours, *found = found[:3], found[3:6], *found[6:]
        assert [value.shape for value in ours] == [(2, height, width, 6), (2, height, width, 5), (3, 3, 5, 6)]
        for one, other in zip(exact, ours, strict=True):
            assert other.dtype == np.float32
            assert np.abs(one - other).max() < 5e-5 * np.abs(one).max()  # rounds by 6e-8, entries reach 8 twice over
    assert not found
