"""Rare classes, cut from other training pictures and pasted into crops.

After Ghiasi et al., "Simple Copy-Paste is a Strong Data Augmentation Method for Instance Segmentation", CVPR 2021. They paste
objects; label maps have none, so what is pasted is all of a class that a crop around one of its pixels sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kerasseg.config import TrainConfig
from kerasseg.data.augment import Patch, sampled
from kerasseg.errors import InputError

if TYPE_CHECKING:
    from kerasseg.data.splits import Example, Split


@dataclass(frozen=True)
class Donors:
    """Which training pictures have what is rare.

    Attributes:
        classes: Ids of the rare classes.
        positions: For each of them, those of the pictures that have it.
    """

    classes: list[int]
    positions: list[list[int]]


def donors(table: np.ndarray, *, num_classes: int) -> Donors:
    """Rare is a class with less than an even share of the labelled pixels.

    Args:
        table: (training pictures, 256) int64, pixels of each id; zeros for pictures that were not looked at.
        num_classes: Of the data set.

    Raises:
        InputError: no class is rare.
    """
    counts = table[:, :num_classes].sum(0)
    rare = np.flatnonzero((counts > 0) & (counts * num_classes < counts.sum()))
    if not len(rare):
        raise InputError(
            "rare_paste: no class has less than an even share of the labelled pixels, so none is rare; leave it out"
        )
    return Donors(rare.tolist(), [np.flatnonzero(table[:, i]).tolist() for i in rare])


def patch(split: Split, config: TrainConfig, *, epoch: int, position: int) -> Patch | None:
    """What is pasted into one crop of an epoch, as (seed, epoch, position) alone decide; None for nothing.

    Every rare class is as likely as another, and of a class every picture that has it. The crop itself is the same whatever
    is pasted.

    Raises:
        InputError: the other picture cannot be read.
    """
    if not config.rare_paste:
        return None
    assert split.donors is not None
    random = np.random.default_rng((config.seed, epoch, position, 1))
    if random.random() >= config.rare_paste:
        return None
    kind = random.integers(len(split.donors.classes))
    others = [i for i in split.donors.positions[kind] if i != position]
    return _cut(split[int(random.choice(others))], split.donors.classes[kind], config, random) if others else None


def _cut(donor: Example, rare: int, config: TrainConfig, random: np.random.Generator) -> Patch | None:
    """The class as a crop sees it that has one of its pixels, any of them, at a random place; scaled and flipped like crops."""
    image, labels = donor.image, donor.labels
    if config.flip and random.random() < 0.5:
        image, labels = image[:, ::-1], labels[:, ::-1]
    pixels = np.argwhere(labels == rare)
    if not len(pixels):  # the picture was changed after it was counted
        return None
    scale = np.exp(random.uniform(*np.log([config.scale_min, config.scale_max])))
    top, left = random.choice(pixels) + 0.5 - (random.integers(config.size) + 0.5) / scale
    image, found = sampled(image, labels, size=config.size, scale=scale, top=top, left=left)
    return Patch(image, found == rare, rare)
