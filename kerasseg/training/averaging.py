"""The exponential moving average of a network's weights, moved inside its compiled training step."""

import keras
from keras import ops


class AveragingModel(keras.Model):
    """A functional model, built from `inputs` and `outputs`, whose training step also moves an average of every weight.

    Batch norm statistics are averaged, too. The decay starts low and rises, min(decay, (1 + n) / (10 + n)) after step n, as
    in TensorFlow's ExponentialMovingAverage. Unlike an optimizer's own average this one is never written into the model
    that trains. It lies among the optimizer's variables, which every backend takes into its compiled step and returns.
    """

    def averaging(self, optimizer: keras.Optimizer, *, decay: float) -> None:
        """Starts the average from the weights that the model has now.

        Args:
            optimizer: Built; what `compile` is given.
            decay: 0..1; 0 for no average: the weights themselves.
        """
        self.decay = decay
        for i, variable in enumerate(self.weights):
            average = optimizer.add_variable(variable.shape, dtype=variable.dtype, name=f"average_{i}")
            average.assign(ops.copy(variable.value))  # JAX donates what its models hold: never two of one buffer

    @property
    def averages(self) -> list[keras.Variable]:
        """One a weight, in the order of `weights`."""
        return self.optimizer.variables[-len(self.weights) :]

    def train_step(self, *args):
        """A step of Keras', and one of the average. Takes and returns what the backend's does."""
        if keras.backend.backend() == "jax":
            return self._jax_step(*args)
        logs = super().train_step(*args)
        self._move()
        return logs

    def _move(self) -> None:
        """Moves every average, by as few operators as the backend has: of a small network a step is short."""
        share = self._share(self.optimizer.iterations)
        averages, values = ([variable.value for variable in some] for some in (self.averages, self.weights))
        if keras.backend.backend() == "tensorflow" and self.decay:
            import tensorflow as tf

            for average, value in zip(averages, values, strict=True):
                tf.raw_ops.ResourceApplyGradientDescent(var=average.handle, alpha=share, delta=average - value)
        elif keras.backend.backend() == "torch" and self.decay:
            import torch

            with torch.no_grad():
                apart = torch._foreach_sub(values, averages)
                torch._foreach_mul_(apart, share)
                torch._foreach_add_(averages, apart)
        else:
            for average, value in zip(self.averages, values, strict=True):
                average.assign(_moved(average.value, ops.stop_gradient(value), share))

    def _jax_step(self, state, data):
        logs, (trainable, fixed, held, metrics) = super().train_step(state, data)
        variables = [*self.trainable_variables, *self.non_trainable_variables, *self.optimizer.variables]
        values = dict(zip(map(id, variables), [*trainable, *fixed, *held], strict=True))
        share = self._share(values[id(self.optimizer.iterations)])
        for average, variable in zip(self.averages, self.weights, strict=True):
            values[id(average)] = _moved(values[id(average)], values[id(variable)], share)
        return logs, (trainable, fixed, [values[id(variable)] for variable in self.optimizer.variables], metrics)

    def _share(self, step):
        """Of the new weights in the average."""
        step = ops.cast(step, "float32")
        return 1 - ops.minimum(self.decay, (1 + step) / (10 + step)) if self.decay else 1.0


def _moved(average, value, share):
    return average * (1 - share) + ops.cast(value, average.dtype) * share
