import json

import pytest

from tests.conftest import command

SCRIPT = """
import json
import torch
from kerasseg.models import winograd

def direct(inputs, kernel):
    return torch.nn.functional.conv2d(inputs.movedim(-1, 1), kernel.permute(3, 2, 0, 1), padding=1).movedim(1, -1)

def run(convolve, *values):
    inputs, kernel = (value.clone().requires_grad_() for value in values)
    outputs = convolve(inputs, kernel)
    (outputs**2).sum().backward()
    return outputs.detach(), inputs.grad, kernel.grad

torch.manual_seed(0)
found = []
for height, width in ((8, 12), (9, 7), (3, 1)):  # whole tiles; tiles that reach over the edges; less than one
    values = torch.randn(2, height, width, 5), torch.randn(3, 3, 5, 6)
    exact = run(direct, *(value.double() for value in values))
    found += [[float((a - b).abs().max() / a.abs().max()) for a, b in zip(exact, run(winograd.convolve, *values), strict=True)]]
kernel = torch.randn(3, 3, 5, 6, requires_grad=True)
winograd.convolve(torch.randn(1, 4, 4, 5), kernel).sum().backward()  # pictures need no gradient
print(json.dumps({"differences": found, "kernel": list(kernel.grad.shape)}))
"""


def test_convolution_and_gradients_are_those_of_a_direct_one():
    pytest.importorskip("torch")
    result = command("-c", SCRIPT, KERAS_BACKEND="torch")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert len(found["differences"]) == 3
    for differences in found["differences"]:
        assert len(differences) == 3  # outputs, gradient of the inputs, gradient of the kernel
        assert max(differences) < 5e-5  # float32 rounds by 6e-8, the transformations' entries reach 8 twice over
    assert found["kernel"] == [3, 3, 5, 6]
