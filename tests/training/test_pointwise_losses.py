import keras
import numpy as np
import pytest
from keras import ops

from kerasseg.training import losses, pointwise_losses
from tests.conftest import command

RNG = np.random.default_rng(0)
SIZES = [(8, 12), (7, 11)]  # 16 pieces of 6 pixels; 16 of 5, of which the last pixels are no picture's
WEIGHTS = RNG.uniform(0.5, 2, 7).astype(np.float32)


def _batch(size):
    labels = RNG.integers(0, 6, (2, *size)).astype(np.uint8)  # of 7 classes one is absent
    labels[0, 0, :3] = 255
    return labels, RNG.normal(0, 3, (2, *size, 7)).astype(np.float32)


def _value_and_gradient(loss, logits):
    """Under any backend."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.jit(jax.value_and_grad(loss))(logits)
    if backend == "torch":
        given = ops.convert_to_tensor(logits).requires_grad_()
        value = loss(given)
        value.backward()
        return value.detach(), given.grad
    import tensorflow as tf

    given = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(given)
        value = loss(given)
    return value, tape.gradient(value, given)


@pytest.mark.parametrize(("ce_weight", "dice_weight"), [(1.0, 0.0), (0.0, 1.0), (0.7, 0.5)])
@pytest.mark.parametrize(("size", "class_weights"), [(SIZES[0], None), (SIZES[1], WEIGHTS)])
def test_values_and_gradients_are_those_of_the_planes(ce_weight, dice_weight, size, class_weights):
    given, scores = _batch(size)

    def planes(logits):
        made = losses.Planes.of(given, logits)
        value = ce_weight * losses.cross_entropy(made, class_weights=class_weights)
        return 3 * (value + dice_weight * losses.dice(made))  # a factor, so that what comes from above counts

    def pointwise(logits):
        labels = ops.cast(given, "int32")
        settings = {"ce_weight": ce_weight, "dice_weight": dice_weight, "class_weights": class_weights}
        return 3 * pointwise_losses.weighted(labels, logits, **settings)

    expected, found = (_value_and_gradient(loss, scores) for loss in (planes, pointwise))
    assert float(found[0]) == pytest.approx(float(expected[0]), rel=1e-5)
    gradient = ops.convert_to_numpy(expected[1])
    assert np.abs(gradient).max() > 1e-3
    np.testing.assert_allclose(ops.convert_to_numpy(found[1]), gradient, atol=1e-5 * np.abs(gradient).max())


def test_an_unlabelled_batch_teaches_nothing():
    labels = ops.full((1, 2, 2), 255, dtype="int32")

    def loss(logits):
        return pointwise_losses.weighted(labels, logits, ce_weight=1.0, dice_weight=0.0)

    value, gradient = _value_and_gradient(loss, RNG.normal(0, 3, (1, 2, 2, 7)).astype(np.float32))
    assert float(value) == 0
    np.testing.assert_array_equal(ops.convert_to_numpy(gradient), np.zeros((1, 2, 2, 7)))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_compute_the_same(backend):
    pytest.importorskip(backend)
    found = command("-m", "pytest", "-q", "-n0", "-k", "values_and or unlabelled", __file__, KERAS_BACKEND=backend)
    assert found.returncode == 0, found.stdout
    assert "7 passed" in found.stdout


def test_the_loss_of_many_classes_is_pointwise(monkeypatch):
    """The same value either way; where the Lovasz term, which sorts each class' errors, needs planes, the others take them."""
    asked, weighted = [], pointwise_losses.weighted
    monkeypatch.setattr(
        pointwise_losses, "weighted", lambda *given, **settings: asked.append(1) or weighted(*given, **settings)
    )
    labels, logits = _batch(SIZES[0])

    def value(*, many, lovasz, many_with_lovasz=8):
        monkeypatch.setattr(losses, "MANY_CLASSES", many)
        monkeypatch.setattr(losses, "MANY_WITH_LOVASZ", many_with_lovasz)
        loss = losses.SegmentationLoss(ce_weight=1.0, dice_weight=0.5, lovasz_weight=lovasz, class_weights=WEIGHTS)
        return float(loss(labels, logits)), len(asked)

    plain, by_planes = value(many=8, lovasz=0.0), value(many=7, lovasz=0.25)
    assert (plain[1], by_planes[1]) == (0, 0)
    assert value(many=7, lovasz=0.0) == (pytest.approx(plain[0], rel=1e-5), 1)
    assert value(many=7, lovasz=0.25, many_with_lovasz=7) == (pytest.approx(by_planes[0], rel=1e-5), 2)


ON_TWO_DEVICES = """
import jax, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from kerasseg.training import pointwise_losses

split = NamedSharding(Mesh(np.array(jax.devices()), "b"), PartitionSpec("b"))
logits = jax.device_put(np.zeros((4, 8, 8, 5), np.float32), split)
labels = jax.device_put(np.zeros((4, 8, 8), np.int32), split)
loss = lambda logits, labels: pointwise_losses.weighted(labels, logits, ce_weight=1.0, dice_weight=0.5)
print(len(jax.devices()), jax.jit(jax.grad(loss), out_shardings=split).lower(logits, labels).compile().as_text())
"""


@pytest.mark.slow
def test_several_devices_work_on_their_own_pictures():
    """All they tell each other is one sum, and that not once a piece."""
    pytest.importorskip("jax")
    found = command("-c", ON_TWO_DEVICES, KERAS_BACKEND="jax", XLA_FLAGS="--xla_force_host_platform_device_count=2")
    assert found.stdout.startswith("2 HloModule"), found.stderr
    sums = [line for line in found.stdout.splitlines() if "all-reduce(" in line]
    assert len(sums) == 1
    assert "while/body" not in sums[0]
    for exchange in ("all-gather", "all-to-all", "collective-permute"):
        assert exchange not in found.stdout
