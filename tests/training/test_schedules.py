import keras
import numpy as np
import pytest

from kerasseg.config import TrainConfig
from kerasseg.training import schedules


def test_poly_and_cosine_against_hand_counts():
    poly = schedules.WarmupDecay("poly", peak=1.0, warmup_steps=10, total_steps=110)
    cosine = schedules.WarmupDecay("cosine", peak=1.0, warmup_steps=10, total_steps=110)
    assert float(poly(4)) == pytest.approx(0.5)  # (4 + 1) / 10 of the rise, none of the fall
    assert float(poly(60)) == pytest.approx(0.5**0.9)  # half way down
    assert float(cosine(60)) == pytest.approx(0.5)
    assert float(poly(110)) == 0
    assert float(cosine(110)) == pytest.approx(0, abs=1e-7)


def _step(config):
    """One step on two layers with gradients of 0 but for the kernels: shows decay and factors apart."""
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(2, name="aspp")(keras.layers.Dense(2, name="conv")(inputs)))
    model.set_weights([np.ones(w.shape) for w in model.weights])
    optimizer = schedules.build_optimizer(config, steps_per_epoch=10, is_backbone=lambda path: path.startswith("conv"))
    optimizer.build(model.trainable_variables)
    optimizer.apply([np.full(w.shape, 0.1, np.float32) for w in model.weights], model.trainable_variables)
    return {w.path: np.array(w) for w in model.weights}


def test_the_backbone_learns_at_its_own_factor():
    config = TrainConfig(learning_rate=0.1, warmup_epochs=0, weight_decay=0.0, backbone_lr_factor=0.1, clip_norm=0.0)
    after = _step(config)
    # Adam's first step is the learning rate itself.
    np.testing.assert_allclose(1 - after["aspp/kernel"], 0.1, rtol=1e-3)
    np.testing.assert_allclose(1 - after["conv/kernel"], 0.01, rtol=1e-3)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_weight_decay_spares_biases(optimizer):
    common = {"optimizer": optimizer, "learning_rate": 0.1, "warmup_epochs": 0}
    without = _step(TrainConfig(weight_decay=0.0, **common))
    decayed = _step(TrainConfig(weight_decay=0.5, **common))
    np.testing.assert_array_equal(without["aspp/bias"], decayed["aspp/bias"])
    # Decoupled: the kernel of 1 loses learning rate * decay = 0.1 * 0.5 more.
    np.testing.assert_allclose(without["aspp/kernel"] - decayed["aspp/kernel"], 0.05, rtol=1e-3)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("factor", [0.1, 0.0])
def test_the_factor_scales_the_decay_too(optimizer, factor):
    common = {"optimizer": optimizer, "learning_rate": 0.1, "warmup_epochs": 0, "backbone_lr_factor": factor}
    without, decayed = (_step(TrainConfig(weight_decay=decay, **common)) for decay in (0.0, 0.5))
    np.testing.assert_allclose(without["aspp/kernel"] - decayed["aspp/kernel"], 0.05, rtol=1e-3)
    np.testing.assert_allclose(without["conv/kernel"] - decayed["conv/kernel"], 0.05 * factor, rtol=1e-3, atol=1e-9)
    if factor == 0:
        np.testing.assert_array_equal(decayed["conv/kernel"], 1)


def test_adam_by_one_operator_is_keras_own():
    def trained(optimizer):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(7, activation="tanh"), keras.layers.Dense(3)])
        model.compile(optimizer, "mse")
        random = np.random.default_rng(0)
        model.fit(random.normal(size=(64, 5)), random.normal(size=(64, 3)), batch_size=8, epochs=10, shuffle=False, verbose=0)
        return [np.array(variable) for variable in [*model.weights, *optimizer.variables]]

    config = TrainConfig(learning_rate=0.01, warmup_epochs=2, epochs=10, weight_decay=0.0, clip_norm=1.0)
    ours = schedules.build_optimizer(config, steps_per_epoch=8, is_backbone=lambda path: False)
    own = keras.optimizers.Adam(schedules.schedule(config, steps_per_epoch=8), global_clipnorm=1.0)
    for one, other in zip(trained(ours), trained(own), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
