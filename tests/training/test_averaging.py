import keras
import numpy as np
import pytest

from kerasseg.training.averaging import AveragingModel
from tests.conftest import command


@pytest.mark.parametrize("decay", [0.9, 0.0])
def test_the_average_is_the_average(decay):
    """After n updates w_1..w_n at decay d the average is the recursion a <- d_n a + (1 - d_n) w_n, d_n = (1 + n) / (10 + n)."""
    image = keras.Input((1,))
    model = AveragingModel([image], [keras.layers.Dense(1, use_bias=False)(keras.layers.BatchNormalization()(image))])
    optimizer = keras.optimizers.SGD(0.5)
    optimizer.build(model.trainable_variables)
    model.averaging(optimizer, decay=decay)
    model.compile(optimizer, "mse")
    expected, seen = [np.array(weight) for weight in model.weights], []
    record = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(model.get_weights()))
    pictures = np.random.default_rng(0).normal(1, 2, (8, 1))
    model.fit(pictures, np.ones((8, 1)), batch_size=2, verbose=0, callbacks=[record])
    for n, weights in enumerate(seen, start=1):
        share = 1 - min(decay, (1 + n) / (10 + n))
        expected = [average + share * (weight - average) for average, weight in zip(expected, weights, strict=True)]
    assert len(seen) == 4
    assert len(model.averages) == len(expected) == 5  # gamma, beta, two moving statistics and the kernel
    for average, value in zip(model.averages, expected, strict=True):
        np.testing.assert_allclose(average, value, rtol=1e-5)
    assert len({weights[3].item() for weights in seen}) == 4  # moving statistics move, and are averaged with the others


@pytest.mark.slow
def test_torch_averages_likewise():
    """It has operators of its own for that."""
    pytest.importorskip("torch")
    found = command("-m", "pytest", "-q", "-n0", "-k", "the_average_is", __file__, KERAS_BACKEND="torch")
    assert "2 passed" in found.stdout, found.stdout
