"""What a picture is, and its grey: the one place where pictures get as many channels as a network takes."""

import numpy as np
from PIL import Image

from kerasseg.errors import InputError


def check(images: np.ndarray, *, channels: tuple[int, ...] = (3,)) -> np.ndarray:
    """Pictures as they are given.

    Args:
        images: (..., H, W, C) uint8 of 0..255.
        channels: Accepted C.

    Raises:
        InputError: they are something else, of which a network would make something all the same.
    """
    if images.dtype != np.uint8 or images.ndim < 3 or images.shape[-1] not in channels:
        raise InputError(f"pictures are {images.dtype} {images.shape}; give uint8 of 0 to 255, (height, width, 3) each")
    return images


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
