import keras
import numpy as np
import pytest

from kerasseg.errors import InputError
from kerasseg.run import checkpoint


def test_tensorflows_refusal_of_determinism_names_the_flag():
    """What TensorFlow says on a GPU, word for word (kernels/segment_reduction_ops_impl.h)."""
    said = (
        "Graph execution error: A deterministic GPU implementation of unsorted segment reduction op is not currently "
        "available.\n\t [[{{node gradients}}]]"
    )
    line = r"^A deterministic .* available; leave out --deterministic, or train on a processor$"
    with pytest.raises(InputError, match=line), checkpoint.naming_the_flag():
        raise RuntimeError(said)
    with pytest.raises(RuntimeError, match="something else"), checkpoint.naming_the_flag():
        raise RuntimeError("something else")


def test_weights_that_are_not_finite_are_neither_kept_nor_named_wrongly(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, name="fine"), keras.layers.Dense(2, name="bad")])
    model.get_layer("bad").set_weights([np.array([[1.0, np.inf], [0.0, 0.0]]), np.zeros(2)])
    with pytest.raises(InputError, match=r"a.weights.h5: .*bad/kernel is not finite; train again with a lower --learning_rate"):
        checkpoint.save_weights(model, tmp_path / "a.weights.h5")
    assert list(tmp_path.iterdir()) == []
