"""Pictures drawn from a seed: the data set that needs no download.

Overlapping discs, boxes, triangles, rings and thin sticks, textured, over a textured background, with noise, uneven light and
some unlabelled pixels. Each class leans to a hue of its own, but the hues come close, so that colour hints and outline helps:
hard enough to tell models apart, easy enough for one to learn it in minutes on a CPU.
"""

import colorsys
from functools import partial

import numpy as np
from PIL import Image, ImageDraw

from kerasseg.data import labels as label_tables
from kerasseg.data.splits import Example, Split

SIDE = 128
TRAIN_EXAMPLES = 400
VAL_EXAMPLES = 100
VAL_SEED = 1  # train draws with seed 0
HUE_SPREAD = 0.09  # the five hues are 0.2 apart: light and noise make neighbours overlap


def load() -> dict[str, Split]:
    """The splits train (400) and val (100), 128x128 pixels; the same ones on every machine."""
    return {"train": _split(TRAIN_EXAMPLES, seed=0), "val": _split(VAL_EXAMPLES, seed=VAL_SEED)}


def _split(count: int, *, seed: int) -> Split:
    names = tuple(_name(seed, i) for i in range(count))
    return Split(names, partial(_drawn, seed), _size)  # functions of a module: other processes can have them


def _name(seed: int, i: int) -> str:
    return f"shapes_{seed}_{i:04d}"


def _size(i: int) -> tuple[int, int]:
    return SIDE, SIDE


def _drawn(seed: int, i: int) -> Example:
    image, labels = draw(np.random.default_rng((seed, i)), size=(SIDE, SIDE))
    return Example(_name(seed, i), image, labels)


def draw(rng: np.random.Generator, *, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """One picture: image (*size, 3) uint8, labels (*size) uint8 with ids of `labels.SHAPES`, and 255."""
    height, width = size
    image = _texture(rng, size, hue=rng.uniform(), saturation=rng.uniform(0.0, 0.3))
    labels = np.zeros(size, np.uint8)
    kinds = list(rng.permutation(np.arange(1, len(label_tables.SHAPES)))) + list(
        rng.integers(1, len(label_tables.SHAPES), rng.integers(0, 4))
    )
    # Sticks are thin: they go on top, or little of them would stay.
    for kind in sorted(kinds, key=lambda kind: label_tables.SHAPES[kind] == "stick"):
        inside = _outline(rng, label_tables.SHAPES[kind], size)
        hue = (kind - 1) / (len(label_tables.SHAPES) - 1) + rng.uniform(-HUE_SPREAD, HUE_SPREAD)
        image[inside] = _texture(rng, size, hue=hue, saturation=rng.uniform(0.5, 1.0))[inside]
        labels[inside] = kind
    light = (
        1
        + rng.uniform(-0.25, 0.25) * np.linspace(-1, 1, width)[None]
        + rng.uniform(-0.25, 0.25) * np.linspace(-1, 1, height)[:, None]
    )
    image = image * light[..., None] + rng.normal(0, rng.uniform(2, 10), image.shape)
    _scratch(rng, labels)
    return np.clip(np.round(image), 0, 255).astype(np.uint8), labels


def _texture(rng: np.random.Generator, size: tuple[int, int], *, hue: float, saturation: float) -> np.ndarray:
    """(*size, 3) float: a colour, plain or with stripes, a checkerboard or blotches."""
    color = 255 * np.array(colorsys.hsv_to_rgb(hue % 1, saturation, rng.uniform(0.35, 0.9)))
    y, x = np.mgrid[: size[0], : size[1]]
    kind = rng.integers(4)
    angle, period = rng.uniform(0, np.pi), rng.uniform(5, 16)
    along = (x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period
    across = (y * np.cos(angle) - x * np.sin(angle)) * 2 * np.pi / period
    if kind == 0:
        pattern = np.zeros(size)
    elif kind == 1:
        pattern = np.sign(np.sin(along))
    elif kind == 2:
        pattern = np.sign(np.sin(along) * np.sin(across))
    else:
        coarse = Image.fromarray(rng.uniform(-1, 1, (size[0] // 10 + 1, size[1] // 10 + 1)).astype(np.float32))
        pattern = np.asarray(coarse.resize(size[::-1], Image.Resampling.BICUBIC))
    return color + pattern[..., None] * rng.uniform(8, 22, 3)


def _outline(rng: np.random.Generator, kind: str, size: tuple[int, int]) -> np.ndarray:
    """(*size) bool: where the shape lies."""
    canvas = Image.new("1", size[::-1])
    pen = ImageDraw.Draw(canvas)
    height, width = size
    radius = rng.uniform(0.11, 0.24) * min(size)
    x, y = rng.uniform(0.1, 0.9) * width, rng.uniform(0.1, 0.9) * height
    turn = rng.uniform(0, 2 * np.pi)

    def corners(angles: np.ndarray) -> list[tuple[float, float]]:
        return [(x + radius * np.cos(a), y + radius * np.sin(a)) for a in angles]

    box = (x - radius, y - radius, x + radius, y + radius)
    if kind == "disc":
        pen.ellipse(box, fill=1)
    elif kind == "ring":
        pen.ellipse(box, outline=1, width=max(4, round(radius * 0.35)))
    elif kind == "box":
        flat = rng.uniform(0.5, 0.8)
        pen.polygon(corners(turn + np.array([flat, np.pi - flat, np.pi + flat, -flat])), fill=1)
    elif kind == "triangle":
        pen.polygon(corners(turn + np.array([0, 2.1, 4.2])), fill=1)
    else:
        reach = rng.uniform(0.25, 0.45) * min(size)
        dx, dy = reach * np.cos(turn), reach * np.sin(turn)
        pen.line((x - dx, y - dy, x + dx, y + dy), fill=1, width=int(rng.integers(5, 8)))
    return np.asarray(canvas, bool)


def _scratch(rng: np.random.Generator, labels: np.ndarray) -> None:
    """Marks a random rectangle as unlabelled, as hand-drawn labels leave some out."""
    height, width = labels.shape
    h, w = rng.integers(4, height // 6), rng.integers(4, width // 6)
    top, left = rng.integers(0, height - h), rng.integers(0, width - w)
    labels[top : top + h, left : left + w] = label_tables.IGNORE_LABEL
