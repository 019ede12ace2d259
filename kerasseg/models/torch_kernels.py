"""PyTorch's own kernels where Keras' backend for it makes many passes over memory: what lets a CPU train (BUILD.md)."""

import inspect

import keras
import torch
from keras.src.backend.torch import nn

from kerasseg.models import torch_winograd, winograd


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
                for moving, batch in ((self.moving_mean, mean), (self.moving_variance, inverse_deviation**-2 - self.epsilon)):
                    moving.assign(moving * self.momentum + batch * (1 - self.momentum))
        return outputs.movedim(1, -1)


class Conv2D(keras.layers.Conv2D):
    """Keras' layer, for those that `winograd.is_wide_3x3` accepts: on a CPU by Winograd's way. The name is Keras', too."""

    def convolution_op(self, inputs, kernel):
        if inputs.device.type != "cpu":
            return super().convolution_op(inputs, kernel)
        return torch_winograd.convolve(inputs, keras.ops.convert_to_tensor(kernel))


def clone(model: keras.Model) -> keras.Model:
    """A model with the same weights whose layers use the kernels: batch norms and wide 3x3 convolutions.

    Other convolutions are sped up wherever Keras runs them in this process: Keras 3.13 to 3.15 copy a convolution's input to
    channels first and back to channels last, and the gradient too, where a view does. There is no public way to change that.

    Raises:
        RuntimeError: this version of Keras copies in another way; nothing would be faster, and nobody would notice.
    """
    if list(inspect.signature(getattr(nn, "_transpose_spatial_inputs", clone)).parameters) != ["inputs"]:
        raise RuntimeError(f"Keras {keras.__version__} has no nn._transpose_spatial_inputs(inputs); mend {__name__}")
    nn._transpose_spatial_inputs = _channels_first
    fast = keras.models.clone_model(model, clone_function=_fast)
    fast.set_weights(model.get_weights())
    return fast


def _channels_first(inputs: torch.Tensor) -> torch.Tensor:
    return inputs.movedim(-1, 1)


def _fast(layer: keras.Layer) -> keras.Layer:
    if type(layer) is keras.layers.BatchNormalization:
        return BatchNormalization.from_config(layer.get_config())
    if winograd.is_wide_3x3(layer):
        return Conv2D.from_config(layer.get_config())
    return layer.__class__.from_config(layer.get_config())
