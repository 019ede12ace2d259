import keras
import numpy as np
import pytest
from keras import ops

from kerasseg.training import losses, pointwise_losses
from tests.conftest import command

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 6, (2, 5, 7)).astype(np.uint8)  # of 7 classes one is absent
LABELS[0, 0, :3] = 255
LOGITS = RNG.normal(0, 3, (2, 5, 7, 7)).astype(np.float32)
WEIGHTS = RNG.uniform(0.5, 2, 7).astype(np.float32)


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
@pytest.mark.parametrize("class_weights", [None, WEIGHTS])
def test_values_and_gradients_are_those_of_the_planes(ce_weight, dice_weight, class_weights):
    def planes(logits):
        made = losses.Planes.of(LABELS, logits)
        value = ce_weight * losses.cross_entropy(made, class_weights=class_weights)
        return 3 * (value + dice_weight * losses.dice(made))  # a factor, so that what comes from above counts

    def pointwise(logits):
        labels = ops.cast(LABELS, "int32")
        settings = {"ce_weight": ce_weight, "dice_weight": dice_weight, "class_weights": class_weights}
        return 3 * pointwise_losses.weighted(labels, logits, **settings)

    expected, found = (_value_and_gradient(loss, LOGITS) for loss in (planes, pointwise))
    assert float(found[0]) == pytest.approx(float(expected[0]), rel=1e-5)
    gradient = ops.convert_to_numpy(expected[1])
    assert np.abs(gradient).max() > 1e-3
    np.testing.assert_allclose(ops.convert_to_numpy(found[1]), gradient, atol=1e-5 * np.abs(gradient).max())


def test_an_unlabelled_batch_teaches_nothing():
    labels = ops.full((1, 2, 2), 255, dtype="int32")

    def loss(logits):
        return pointwise_losses.weighted(labels, logits, ce_weight=1.0, dice_weight=0.0)

    value, gradient = _value_and_gradient(loss, LOGITS[:1, :2, :2])
    assert float(value) == 0
    np.testing.assert_array_equal(ops.convert_to_numpy(gradient), np.zeros((1, 2, 2, 7)))


def test_the_loss_of_many_classes_is_pointwise(monkeypatch):
    """The same value either way; the Lovasz term, which sorts each class' errors, keeps its planes."""
    loss = losses.SegmentationLoss(ce_weight=1.0, dice_weight=0.5, lovasz_weight=0.25, class_weights=WEIGHTS)
    by_planes = float(loss(LABELS, LOGITS))
    monkeypatch.setattr(losses, "MANY_CLASSES", 7)
    assert float(loss(LABELS, LOGITS)) == pytest.approx(by_planes, rel=1e-5)


ON_TWO_DEVICES = """
import jax, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from kerasseg.training import pointwise_losses

split = NamedSharding(Mesh(np.array(jax.devices()), "b"), PartitionSpec("b"))
logits = jax.device_put(np.zeros((4, 8, 8, 5), np.float32), split)
labels = jax.device_put(np.zeros((4, 8, 8), np.int32), split)
loss = lambda logits: pointwise_losses.weighted(labels, logits, ce_weight=1.0, dice_weight=0.5)
print(len(jax.devices()), jax.jit(jax.grad(loss), out_shardings=split).lower(logits).compile().as_text())
"""


def test_several_devices_work_on_their_own_pictures():
    flags = "--xla_force_host_platform_device_count=2"
    found = command("-c", ON_TWO_DEVICES, KERAS_BACKEND="jax", XLA_FLAGS=flags)
    assert found.stdout.startswith("2 HloModule"), found.stderr
    assert "all-reduce" in found.stdout
    assert "all-gather" not in found.stdout
    assert "all-to-all" not in found.stdout
