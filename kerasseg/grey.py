"""Grey of colours: the one place where pictures get as many channels as a network takes."""

import numpy as np
from PIL import Image


def fitted(images: np.ndarray, channels: int) -> np.ndarray:
    """Pictures as a network takes them: unchanged, or Pillow's mode L of RGB where it takes one channel.

    L is (19595 R + 38470 G + 7471 B + 32768) >> 16, the luma of ITU-R BT.601-7, section 2.5.1 (0.299, 0.587, 0.114), so that a
    grey picture of three equal channels stays what it is.

    Args:
        images: (..., H, W, 3), or (..., H, W, 1) for a network that takes that; whole numbers 0..255 of any type.
        channels: 3 or 1.

    Returns:
        (..., H, W, channels): `images` itself, or uint8.
    """
    if channels == 3 or images.shape[-1] == 1:
        return images
    rows = np.asarray(images, np.uint8).reshape(-1, *images.shape[-2:])
    return np.asarray(Image.fromarray(rows).convert("L")).reshape(*images.shape[:-1], 1)
