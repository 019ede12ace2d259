import json

import pytest

from tests.conftest import WITH_SHORT, command, kerasseg

pytestmark = pytest.mark.slow

SCRIPT = """
import json, sys
import keras, numpy as np, torch
from keras.src.backend.torch import nn
from kerasseg.models import torch_kernels

for name in ("Conv2D", "BatchNormalization"):
    assert getattr(torch_kernels, name).__name__ == name  # a layer's key in a .weights.h5 file comes from it

def run(fused):
    keras.utils.set_random_seed(0)
    image = keras.Input((12, 10, 3))
    x = keras.layers.Conv2D(128, 3, strides=2, padding="same", dtype=sys.argv[1])(image)
    x = keras.layers.Conv2D(128, 3, padding="same", dtype=sys.argv[1])(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same", dilation_rate=2, dtype=sys.argv[1])(x)
    model = keras.Model(image, keras.layers.BatchNormalization(momentum=0.9, dtype=sys.argv[1])(x))
    if fused:
        plain, model = model, torch_kernels.clone(model)
        assert all((a == b).all() for a, b in zip(plain.get_weights(), model.get_weights(), strict=True))
        assert type(model.layers[-1]) is torch_kernels.BatchNormalization
        strided, wide = (layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D))
        assert type(strided) is keras.layers.Conv2D
        assert (type(wide) is torch_kernels.Conv2D) == (sys.argv[1] == "float32")
    pictures = torch.from_numpy(np.random.default_rng(1).normal(2, 3, (4, 12, 10, 3)).astype("float32"))
    out = model(pictures, training=True)
    (out.float() ** 3).sum().backward()
    found = [out, *(variable.value.grad for variable in model.trainable_variables)]
    found += [*(variable.value for variable in model.non_trainable_variables), model(pictures, training=False)]
    model.layers[-1].trainable = False
    found.append(model(pictures, training=True))
    return [value.detach().float().numpy() for value in found]

plain = run(False)
print(json.dumps([[float(abs(a - b).max()), float(abs(a).max())] for a, b in zip(plain, run(True), strict=True)]))
"""


@pytest.mark.parametrize(
    ("precision", "tolerance"),
    [("float32", 5e-5), ("mixed_bfloat16", 2e-2)],  # Winograd's bound (test_winograd); bfloat16 has 8 bits: 0.4 % a rounding
)
def test_torch_kernels_compute_what_keras_does(precision, tolerance):
    pytest.importorskip("torch")
    result = command("-c", SCRIPT, precision, KERAS_BACKEND="torch")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    # The result, eight gradients (kernels and biases of three convolutions, scale and offset), moving mean and variance,
    # the result in inference, and that of a frozen layer.
    assert len(found) == 13
    largest = max(size for _, size in found[1:9])  # biases before a batch norm have no gradient but rounding
    for difference, size in (found[0], *found[9:]):
        assert difference <= tolerance * size
    for difference, _ in found[1:9]:
        assert difference <= tolerance * largest
    assert found[9][1] > 0  # the moving mean, which starts at 0


def test_a_run_trains_and_resumes_under_torch_where_there_is_no_tensorflow(short, tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "tensorflow.py").write_text("raise ImportError('not installed')")
    train = (
        "-c", WITH_SHORT, "train", "--model=short", "--dataset=shapes", "--size=64,64", "--backbone_weights=none",
        "--batch_size=4", "--train_examples=8", "--val_examples=2", "--epochs=2", f"--workdir={tmp_path / 'run'}",
    )  # fmt: skip
    environment = {"KERAS_BACKEND": "torch", "PYTHONPATH": str(tmp_path)}
    result = command(*train, **environment)
    assert result.returncode == 0, result.stderr
    assert "epoch 2/2: loss" in result.stdout
    assert json.loads((tmp_path / "run" / "report.json").read_text())["backend"].startswith("torch ")
    again = command(*train, **environment)
    assert again.returncode == 0, again.stderr
    assert "resuming after epoch 2 of 2" in again.stdout
    # What torch has trained is scored the same by TensorFlow.
    scored = kerasseg("evaluate", f"--workdir={tmp_path / 'run'}")
    assert scored.returncode == 0, scored.stderr
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("mIoU")]
    assert line in scored.stdout
