"""python benchmarks/loss_memory.py > results/loss_memory.json: what the loss of many classes takes, by planes and pointwise."""

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from kerasseg import cli
from kerasseg.config import setting
from kerasseg.errors import InputError

FORMS = ("planes", "pointwise")


@dataclass(frozen=True)
class LossOptions:
    """Prints JSON: peak memory and seconds of the loss and its gradient, each form and backend in a process of its own."""

    backends: tuple[str, ...] = setting(("tensorflow", "torch", "jax"), "Keras backends")
    batch_size: int = setting(8, "pictures")
    size: tuple[int, int] = setting((256, 256), "height and width of the logits")
    classes: int = setting(150, "number of classes")
    serve: str = setting("", "for itself: measures this form and prints it", choices=("", *FORMS))


def serve(options: LossOptions) -> dict:
    """One form, under the backend of this process. Memory in tensors of the logits' size, float32, beyond the logits."""
    import keras
    import numpy as np

    from kerasseg.training import losses

    losses.MANY_CLASSES = 0 if options.serve == "pointwise" else options.classes + 1
    loss = losses.SegmentationLoss(ce_weight=1.0, dice_weight=0.5)
    random = np.random.default_rng(0)
    labels = random.integers(0, options.classes, (options.batch_size, *options.size), np.uint8)
    logits = random.standard_normal((*labels.shape, options.classes), np.float32)
    size = logits.nbytes
    gradient = _gradient(loss)
    given = keras.ops.array(logits), keras.ops.array(labels)
    few = keras.ops.array(logits[:, :8, :8]), keras.ops.array(labels[:, :8, :8])
    del logits, labels
    gradient(*few)  # libraries start, and JAX gives back what it copied from
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, start = _kib("VmRSS"), time.perf_counter()
    gradient(*given)
    first, peak = time.perf_counter() - start, _kib("VmHWM") - before
    start = time.perf_counter()
    gradient(*given)
    return {"tensors": 1024 * peak / size, "first_s": first, "seconds": time.perf_counter() - start}


def _kib(field: str) -> int:
    """A field of this process' memory, proc(5)."""
    return int(re.search(rf"{field}:\s*(\d+) kB", Path("/proc/self/status").read_text())[1])


def _gradient(loss):
    """A function of logits and labels that computes the gradient, compiled where the backend compiles."""
    import keras

    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        compiled = jax.jit(jax.grad(lambda logits, labels: loss(labels, logits)))
        return lambda logits, labels: compiled(logits, labels).block_until_ready()
    if backend == "torch":

        def run(logits, labels):
            given = logits.detach().requires_grad_()
            loss(labels, given).backward()

        return run
    import tensorflow as tf

    @tf.function
    def run(logits, labels):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = loss(labels, logits)
        return tape.gradient(value, logits)

    return run


def measure(options: LossOptions) -> dict:
    """A row for each backend and form."""
    from kerasseg.run.provenance import provenance

    shape = (
        f"--batch_size={options.batch_size}",
        f"--size={options.size[0]},{options.size[1]}",
        f"--classes={options.classes}",
    )
    rows = []
    for backend in options.backends:
        for form in FORMS:
            child = subprocess.run(
                [sys.executable, __file__, f"--serve={form}", *shape],
                env=os.environ | {"KERAS_BACKEND": backend}, stdout=subprocess.PIPE, text=True, check=False,
            )  # fmt: skip
            if child.returncode:
                raise InputError(f"{form} fails under KERAS_BACKEND={backend}; what it said is above")
            rows.append({"backend": backend, "form": form, **json.loads(child.stdout)})
    method = (
        "peak resident memory of one gradient of cross-entropy and Dice, less that before it with the logits, in tensors of "
        "the logits' size; seconds of a second one"
    )
    sizes = {"batch_size": options.batch_size, "size": list(options.size), "classes": options.classes}
    return {"method": method, **sizes, "rows": rows, **provenance()}


def main(options: LossOptions) -> None:
    print(json.dumps(serve(options) if options.serve else measure(options), indent=None if options.serve else 1))


if __name__ == "__main__":
    cli.run(main)
