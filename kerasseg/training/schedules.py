"""Learning-rate schedules and the optimizers that follow them."""

import math
import re
from collections.abc import Callable

import keras
from keras import ops

from kerasseg.config import TrainConfig
from kerasseg.errors import InputError
from kerasseg.training.adam import Adam

# Kind -> the factor of the peak at a progress from 0 to 1.
DECAYS: dict[str, Callable] = {
    "poly": lambda progress: (1 - progress) ** 0.9,  # Chen et al. 2017, section 4.1
    "cosine": lambda progress: (1 + ops.cos(math.pi * progress)) / 2,
}


class WarmupDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly from 0 to `peak` in `warmup_steps`, then falls to 0 at `total_steps`.

    Args:
        kind: How it falls, a key of DECAYS.
        peak: The largest learning rate.
        warmup_steps: Steps of the rise.
        total_steps: Steps in all.

    Raises:
        InputError: an unknown kind; the message lists the known.
    """

    def __init__(self, kind: str, *, peak: float, warmup_steps: int, total_steps: int):
        if kind not in DECAYS:
            raise InputError(f"schedule {kind!r} is unknown; give one of {', '.join(DECAYS)}")
        self.kind, self.peak, self.warmup_steps, self.total_steps = (kind, peak, warmup_steps, total_steps)

    def __call__(self, step):
        step = ops.cast(step, "float32")
        progress = (step - self.warmup_steps) / max(self.total_steps - self.warmup_steps, 1)
        progress = ops.clip(progress, 0.0, 1.0)
        return self.peak * DECAYS[self.kind](progress) * ops.minimum((step + 1) / max(self.warmup_steps, 1), 1.0)

    def get_config(self) -> dict:
        return dict(vars(self))


def schedule(config: TrainConfig, *, steps_per_epoch: int) -> WarmupDecay:
    """The learning rate of a run, by step."""
    return WarmupDecay(
        config.schedule,
        peak=config.learning_rate,
        warmup_steps=round(config.warmup_epochs * steps_per_epoch),
        total_steps=config.epochs * steps_per_epoch,
    )


def build_optimizer(config: TrainConfig, *, steps_per_epoch: int, is_backbone: Callable[[str], bool]) -> keras.Optimizer:
    """The optimizer of a run.

    Args:
        config: Gives optimizer, schedule, learning rates, decay and clipping.
        steps_per_epoch: Batches in an epoch.
        is_backbone: Variable path -> whether it learns, and decays, at `backbone_lr_factor` times the rate.
    """
    common: dict = {
        "factor_of": lambda path: config.backbone_lr_factor if is_backbone(path) else 1.0,
        "decay": config.weight_decay,
        "name": config.optimizer,
        "learning_rate": schedule(config, steps_per_epoch=steps_per_epoch),
        "global_clipnorm": config.clip_norm or None,
    }
    if config.optimizer == "adamw":
        return _AdamW(**common)
    return _SGD(momentum=config.momentum, nesterov=True, **common)


class _FactorMixin:
    """A learning rate a variable, and decoupled decay at that rate. Keras' optimizers have one rate for all."""

    def __init__(self, *, factor_of: Callable[[str], float], decay: float, **settings):
        """Takes the factor of each variable, by its path, and the weight decay, beside what the optimizer takes."""
        super().__init__(**settings)
        self.factor_of, self.decay = factor_of, decay

    def build(self, variables):
        super().build(variables)
        # By index: on TensorFlow, update_step gets the bare tf.Variable, which has no path.
        self.factors = [self.factor_of(variable.path) for variable in variables]
        self.decays = [0.0 if _SPARED.search(variable.path) else self.decay for variable in variables]

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        rate = learning_rate * self.factors[index]
        if self.decays[index]:
            self.assign_sub(variable, variable * self.decays[index] * ops.cast(rate, variable.dtype))
        super().update_step(gradient, variable, rate)


_SPARED = re.compile("bias|gamma|beta")  # no weight decay


class _AdamW(_FactorMixin, Adam):
    pass


class _SGD(_FactorMixin, keras.optimizers.SGD):
    pass
