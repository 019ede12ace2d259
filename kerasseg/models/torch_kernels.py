"""PyTorch's own kernels where Keras' backend for it makes many passes over memory: what lets a CPU train (BUILD.md)."""

import keras
import torch
from keras.src.backend.torch import nn


class BatchNormalization(keras.layers.BatchNormalization):
    """Keras' layer over the last of four axes as one kernel each way; the same figures up to rounding.

    Activations keep their dtype, bfloat16 too, and statistics are float32. Moving variances are of the batch without
    Bessel's correction, as in Keras and unlike `torch.nn.BatchNorm2d`. The name is Keras', since .weights.h5 files hold it.
    """

    def call(self, inputs, training=None, mask=None):
        learns = bool(training and self.trainable)
        outputs, mean, inverse_deviation = torch.native_batch_norm(
            inputs.movedim(-1, 1),  # a view; in memory the channels stay last
            self.gamma.value,
            self.beta.value,
            None if learns else self.moving_mean.value,
            None if learns else self.moving_variance.value,
            learns,
            0.0,
            self.epsilon,
        )
        if learns:
            with torch.no_grad():
                for moving, batch in (
                    (self.moving_mean, mean),
                    (self.moving_variance, inverse_deviation**-2 - self.epsilon),
                ):
                    moving.assign(moving * self.momentum + batch * (1 - self.momentum))
        return outputs.movedim(1, -1)


def use_in(model: keras.Model) -> None:
    """Makes the model's layers use the kernels: batch norms here, convolutions wherever Keras runs them.

    Keras 3.15 copies a convolution's input to channels first and back to channels last, and the gradient too; a view does.
    """
    nn._transpose_spatial_inputs = lambda inputs: inputs.movedim(-1, 1)
    for layer in model.layers:
        if type(layer) is keras.layers.BatchNormalization:
            layer.__class__ = BatchNormalization
