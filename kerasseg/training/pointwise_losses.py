"""Cross-entropy and Dice, a piece of the pictures at a time: no plane a class is ever made of whole ones.

The same values and gradients as `losses.cross_entropy` and `losses.dice`, in a fraction of the memory.
"""

from typing import Any, NamedTuple

import keras
from keras import ops

from kerasseg.data.labels import IGNORE_LABEL

PIECES = range(16, 65)  # of a picture: each takes a few times its logits while it is worked on, and is a step of a loop


class Sums(NamedTuple):
    """Sums over the labelled pixels, (C,) float32 each.

    Attributes:
        losses: - log p of the pixel's own class, by that class.
        area: Pixels, by class.
        shared: p of the pixel's own class, by that class.
        found: p of every class.
    """

    losses: Any
    area: Any
    shared: Any
    found: Any


def weighted(labels, logits, *, ce_weight: float, dice_weight: float, class_weights=None):
    """`ce_weight` times the cross-entropy plus `dice_weight` times the Dice loss.

    Args:
        labels: (B, H, W) int, 255 where unlabelled.
        logits: (B, H, W, C) float. The memory beyond them: one such tensor for the gradient and what a piece takes; a copy
            where H x W has no divisor in PIECES.
        ce_weight: Factor.
        dice_weight: Factor.
        class_weights: (C,) factors of the cross-entropy; None for 1.

    Returns:
        A scalar.
    """
    classes, area = logits.shape[-1], logits.shape[1] * logits.shape[2]
    pieces, unlabelled = _pieces(area)
    shape: tuple[int, ...] = (-1, (area + unlabelled) // pieces)
    if keras.backend.backend() == "jax":  # of all pictures at a time, so that each of several devices works on its own
        shape = (-1, pieces, *shape[1:])
    weights = ops.ones(classes) if class_weights is None else ops.convert_to_tensor(class_weights, "float32")

    def each(function, logits):
        flat, marks = ops.reshape(logits, (-1, area, classes)), ops.reshape(labels, (-1, area))
        if unlabelled:
            flat = ops.pad(flat, ((0, 0), (0, unlabelled), (0, 0)))
            marks = ops.pad(marks, ((0, 0), (0, unlabelled)), constant_values=IGNORE_LABEL)
        return _each(function, ops.reshape(flat, (*shape, classes)), ops.reshape(marks, shape))

    @ops.custom_gradient
    def loss(logits):
        sums = Sums(*ops.unstack(ops.sum(each(_sums, logits), tuple(range(len(shape) - 1)))))
        pixels = ops.maximum(ops.sum(weights * sums.area), 1e-6)
        present = ops.cast(sums.area > 0, "float32")
        share = dice_weight * 2 * present / ops.maximum(ops.sum(present), 1.0)
        both = ops.maximum(sums.area + sums.found, 1e-6)
        dice = dice_weight - ops.sum(share * sums.shared / both)
        value = ce_weight * ops.sum(weights * sums.losses) / pixels + dice

        def gradient(*args, upstream=None):
            factor = args[0] if upstream is None else upstream
            by_shared = -factor * share / both
            by = Sums(factor * ce_weight * weights / pixels, None, by_shared, -by_shared * sums.shared / both)
            made = ops.reshape(each(lambda *piece: _gradient(*piece, by), logits), (-1, area + unlabelled, classes))
            return ops.reshape(made[:, :area], ops.shape(logits))

        return value, gradient

    return loss(logits)


def _pieces(area: int) -> tuple[int, int]:
    """In how many equal pieces a picture is taken, and how many unlabelled pixels it needs for that."""
    pieces = next((count for count in PIECES if area % count == 0), PIECES.start)
    return pieces, -area % pieces


def _each(function, *arrays):
    """What a function makes of one piece after the other, put together where the pieces lay; one is in memory beside that."""
    backend = keras.backend.backend()
    if backend == "jax":
        count, first = arrays[0].shape[1], ops.vectorized_map(lambda some: function(*some), [array[:, 0] for array in arrays])
        after = [0] * (len(first.shape) - 1)

        def put(i, made):
            piece = ops.vectorized_map(lambda some: function(*some), [array[:, i] for array in arrays])
            return ops.slice_update(made, [0, i, *after], ops.expand_dims(piece, 1))

        return ops.fori_loop(0, count, put, ops.zeros((first.shape[0], count, *first.shape[1:]), first.dtype))

    def at(i):
        return function(*(array[i] for array in arrays))

    first, count = at(0), ops.shape(arrays[0])[0]
    if backend == "tensorflow":
        import tensorflow as tf

        def place(i, made):  # what `ops.map` puts together is in memory twice over when it does
            return i + 1, tf.raw_ops.InplaceUpdate(x=made, i=[i], v=at(i)[None])

        made = tf.raw_ops.Empty(shape=(count, *first.shape), dtype=first.dtype)
        return tf.while_loop(lambda i, _: i < count, place, (0, made), parallel_iterations=1)[1]
    made = ops.empty((count, *first.shape), first.dtype)
    for i in range(count):
        made[i] = at(i) if i else first
    return made


def _probabilities(logits, labels):
    """Of a piece: p (N, C), log p and p of the own class (N,), the class (N,) with 0 for none, and 1 where labelled (N,)."""
    logits = ops.reshape(ops.cast(logits, "float32"), (-1, logits.shape[-1]))
    labels = ops.reshape(labels, (-1,))
    labelled = ops.cast(labels != IGNORE_LABEL, "float32")
    own = ops.where(labels == IGNORE_LABEL, 0, labels)
    log_sums = ops.logsumexp(logits, -1, keepdims=True)
    log_own = (ops.take_along_axis(logits, own[:, None], 1) - log_sums)[:, 0]
    return ops.exp(logits - log_sums), log_own, own, labelled


def _sums(logits, labels):
    """`Sums` of a piece, (4, C)."""
    probabilities, log_own, own, labelled = _probabilities(logits, labels)
    # Sums over a plane a class: adding to the class of each pixel is a little faster on a processor, and in no order on a GPU.
    mine = (ops.arange(logits.shape[-1], dtype=own.dtype) == own[:, None]) & (labelled[:, None] > 0)

    def by_class(values):
        return ops.sum(ops.where(mine, values[:, None], 0.0), 0)

    found = ops.sum(probabilities * labelled[:, None], 0)
    return ops.stack(Sums(by_class(-log_own), by_class(labelled), by_class(ops.exp(log_own)), found))


def _gradient(logits, labels, by: Sums):
    """Of the loss by a piece's logits, from its gradients by the sums."""
    probabilities, log_own, own, labelled = _probabilities(logits, labels)
    own_losses, own_shared = ops.take(by.losses, own), ops.take(by.shared, own) * ops.exp(log_own)
    # p = softmax(z): a gradient g by p is p (g - sum g p) by z; that of - log p_own is p, less 1 at the own class.
    inner = ops.matmul(probabilities, by.found[:, None])[:, 0] + own_shared - own_losses
    at_own = ops.arange(logits.shape[-1], dtype=own.dtype) == own[:, None]
    out = probabilities * (by.found - inner[:, None]) + ops.where(at_own, (own_shared - own_losses)[:, None], 0.0)
    return ops.cast(ops.reshape(out * labelled[:, None], logits.shape), logits.dtype)
