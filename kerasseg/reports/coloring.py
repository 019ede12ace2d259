"""Label maps as pictures."""

import numpy as np

from kerasseg.data.labels import IGNORE_LABEL, palette

RIGHT, WRONG, UNLABELLED = (225, 225, 225), (200, 30, 30), (110, 110, 110)


def colorize(ids: np.ndarray, class_names: tuple[str, ...]) -> np.ndarray:
    """Class ids (H, W) uint8 as colours (H, W, 3) uint8; 255 is grey."""
    table = np.full((256, 3), UNLABELLED, np.uint8)
    table[: len(class_names)] = palette(class_names)
    return table[ids]


def errors(labels: np.ndarray, preds: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8: red where labels and predictions differ, dark grey where nothing is labelled."""
    out = np.where((labels == preds)[..., None], np.array(RIGHT, np.uint8), np.array(WRONG, np.uint8))
    out[labels == IGNORE_LABEL] = UNLABELLED
    return out


def overlay(image: np.ndarray, ids: np.ndarray, class_names: tuple[str, ...]) -> np.ndarray:
    """The image and the colours of its classes, half and half. (H, W, 3) uint8."""
    return ((image.astype(np.uint16) + colorize(ids, class_names)) // 2).astype(np.uint8)
