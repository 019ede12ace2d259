import dataclasses

import numpy as np

from kerasseg.config import TrainConfig
from kerasseg.data import pipeline, shapes

CONFIG = TrainConfig(size=(64, 64), batch_size=4, seed=3)


def _epoch(config, epoch):
    split = shapes.load()["train"].first(10)
    return list(pipeline.train_batches(split, config, epoch=epoch).as_numpy_iterator())


def test_epoch_e_of_seed_s_is_always_the_same():
    first, again = _epoch(CONFIG, 2), _epoch(CONFIG, 2)
    assert len(first) == 2  # 10 examples, batches of 4, the rest left out
    for (images, labels), (images_again, labels_again) in zip(first, again, strict=True):
        assert images.shape == (4, 64, 64, 3)
        assert labels.shape == (4, 64, 64)
        assert labels.dtype == np.uint8
        np.testing.assert_array_equal(images, images_again)
        np.testing.assert_array_equal(labels, labels_again)


def test_other_epochs_and_seeds_differ():
    first = _epoch(CONFIG, 0)[0][0]
    assert not np.array_equal(first, _epoch(CONFIG, 1)[0][0])
    assert not np.array_equal(first, _epoch(dataclasses.replace(CONFIG, seed=4), 0)[0][0])
