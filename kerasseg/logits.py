"""From logits to class ids, the same for every engine."""

import numpy as np
from PIL import Image

from kerasseg.errors import InputError


def class_ids(logits: np.ndarray, *, size: tuple[int, int]) -> np.ndarray:
    """The class of the largest logit of each pixel; coarser logits are first resized, bilinear with half-pixel centres.

    Args:
        logits: (1, h, w, C), float or the integers of a quantized output.
        size: (height, width) of the class ids.

    Returns:
        (1, *size) uint8.

    Raises:
        InputError: a logit is NaN or infinite; arg max would call NaN class 0.
    """
    if logits.dtype.kind == "f" and not np.isfinite(logits).all():
        raise InputError(
            f"{np.count_nonzero(~np.isfinite(logits))} of {logits.size} logits are not finite; the weights, or what float16 "
            "cannot hold, overflowed: train again with a lower --learning_rate, or convert with another --recipe"
        )
    if logits.shape[1:3] == tuple(size):
        return np.argmax(logits, -1).astype(np.uint8)
    channels = np.moveaxis(logits[0].astype(np.float32), -1, 0)
    resized = [np.asarray(Image.fromarray(channel).resize(size[::-1], Image.Resampling.BILINEAR)) for channel in channels]
    return np.argmax(resized, 0).astype(np.uint8)[None]
