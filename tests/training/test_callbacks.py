import keras
import numpy as np
import pytest

from kerasseg.training import callbacks


def test_the_average_is_the_average():
    """After n updates w_1..w_n at decay d the average is the recursion a <- d_n a + (1 - d_n) w_n, d_n = (1 + n) / (10 + n)."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(0.5), "mse")
    average = callbacks.WeightAverage(model, decay=0.9)
    expected, seen = float(model.weights[0][0, 0]), []
    record = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(float(model.weights[0][0, 0])))
    model.fit(np.ones((4, 1)), np.ones((4, 1)), batch_size=1, verbose=0, callbacks=[average, record])
    for n, weight in enumerate(seen, start=1):
        decay = min(0.9, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * weight
    assert float(average.values[0][0, 0]) == pytest.approx(expected, rel=1e-5)


def test_the_bar_counts_all_epochs(capsys):
    """Fitted an epoch at a time, the third of five is "3/5", not "3/3"."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 1)), np.ones((4, 1)), initial_epoch=2, epochs=3, verbose=2, callbacks=[callbacks.EpochBar(5)])
    assert "Epoch 3/5" in capsys.readouterr().out
