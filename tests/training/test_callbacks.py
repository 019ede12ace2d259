import keras
import numpy as np

from kerasseg.training import callbacks


def test_the_bar_counts_all_epochs(capsys):
    """Fitted an epoch at a time, the third of five is "3/5", not "3/3"."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 1)), np.ones((4, 1)), initial_epoch=2, epochs=3, verbose=2, callbacks=[callbacks.EpochBar(5)])
    assert "Epoch 3/5" in capsys.readouterr().out
