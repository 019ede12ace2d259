"""What a training asks of its Keras backend: where to build, how to compile, and the faster kernels it has."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib import metadata

import keras

from kerasseg.run.provenance import cpu_name

CHANNELS = 32  # a tensor of the input's size with so many is as large as what MobileNetV3's first blocks hold at a time
SCORED_FLOATS = 2**26  # 256 MiB of it


def made_with() -> dict[str, str]:
    """Backend and Keras, with their versions."""
    backend = keras.backend.backend()
    return {"backend": f"{backend} {metadata.version(backend)}", "keras": f"Keras {keras.__version__}"}


def device() -> str:
    """What trains, in words: "NVIDIA H100 80GB HBM3 (jax)", "AMD EPYC, 2 processors (tensorflow)"."""
    backend = keras.backend.backend()
    names = dict.fromkeys(_accelerators(backend)) or (f"{cpu_name()}, {os.cpu_count()} processors",)
    return f"{' and '.join(names)} ({backend})"


def _accelerators(backend: str) -> list[str]:
    if backend == "jax":
        import jax

        return [one.device_kind for one in jax.devices() if one.platform != "cpu"]
    if backend == "torch":
        import torch

        return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    import tensorflow as tf

    details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
    return [one.get("device_name", "a GPU") for one in details]


def scored_together(size: tuple[int, int], num_classes: int, *, pictures: int) -> int:
    """How many pictures a network is given at a time when a split is scored: 4, or fewer where they are large.

    Under JAX on a processor 1, whose convolutions take longer for several (BUILD.md).

    Args:
        size: (height, width) of the network's input.
        num_classes: Channels of the logits.
        pictures: In the split.
    """
    if keras.backend.backend() == "jax" and not _accelerators("jax"):
        return 1
    a_picture = size[0] * size[1] * max(num_classes, CHANNELS)
    return max(1, min(4, pictures, SCORED_FLOATS // a_picture))


def building() -> AbstractContextManager:
    """Where a network is made: under JAX on the processor, since every shape of a fresh weight is compiled by itself."""
    if keras.backend.backend() != "jax":
        return nullcontext()
    import jax

    return jax.default_device(jax.local_devices(backend="cpu")[0])


def on_devices(variables: Sequence[keras.Variable], *, spread: bool) -> list:
    """The values of variables that were made while `building`, where JAX trains: what does not change is moved once.

    Args:
        variables: Of a network.
        spread: Whether Keras has them on several devices already.

    Returns:
        One array a variable; none under another backend, which has them there.
    """
    if keras.backend.backend() != "jax":
        return []
    import jax

    values = [variable.value for variable in variables]
    return values if spread else jax.device_put(values, jax.devices()[0])


def unlimited() -> None:
    """Keras' limits for trying a script out, KERAS_MAX_EPOCHS and its like, would end every epoch here before it began."""
    keras.config.set_max_epochs(None)
    keras.config.set_max_steps_per_epoch(None)


def compile_model(model: keras.Model, optimizer: keras.Optimizer, loss: keras.losses.Loss) -> None:
    """Makes a model ready to train, the way that is fastest under the backend."""
    # XLA is the way to run JAX; TensorFlow on a CPU is several times slower with it (BUILD.md).
    model.compile(optimizer, loss, jit_compile=keras.backend.backend() == "jax")


def with_fast_kernels(model: keras.Model) -> keras.Model:
    """The same model, its weights too, computed faster than Keras computes it where the backend can."""
    if keras.backend.backend() == "torch":
        from kerasseg.models import torch_kernels

        return torch_kernels.clone(model)
    if keras.backend.backend() == "jax":
        from kerasseg.models import jax_kernels

        return jax_kernels.clone(model)
    return model
