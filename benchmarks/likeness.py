"""python benchmarks/likeness.py --data_dir=CamVid > results/likeness.json: how alike pictures are."""

import io
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance

from kerasseg import cli
from kerasseg.config import setting
from kerasseg.data import likeness, load_dataset, shapes
from kerasseg.errors import InputError
from kerasseg.run.provenance import cpu_name


@dataclass(frozen=True)
class LikenessOptions:
    """Likenesses of CamVid's drives to one another, of its val and of drawn pictures to their train, and of copies."""

    data_dir: str = setting("", "SegNet's CamVid folder")
    drawn: tuple[int, int] = setting((2000, 500), "pictures of train and val to be drawn; they take some minutes")


def described(what: str, pictures: Sequence[np.ndarray], among: Sequence[np.ndarray]) -> dict:
    """How many thumbnails are near one among others, and the highest likeness."""
    alike, _ = likeness.nearest(pictures, among)
    return {
        "what": what, "pictures": len(pictures), "near": int((alike >= likeness.NEAR).sum()), "least": float(alike.min()),
        "most": float(alike.max()),
    }  # fmt: skip


def copies(image: np.ndarray) -> list[np.ndarray]:
    """A picture compressed, made smaller, made larger, darker and brighter."""
    picture, file = Image.fromarray(image), io.BytesIO()
    picture.save(file, "JPEG", quality=30)
    made = [Image.open(file), picture.resize((200, 300)), picture.resize((2 * picture.width, 2 * picture.height))]
    made += [ImageEnhance.Brightness(picture).enhance(factor) for factor in (0.5, 1.6)]
    return [likeness.thumbnail(np.asarray(one)) for one in made]


def main(options: LikenessOptions) -> None:
    if not options.data_dir:
        raise InputError("--data_dir is missing; give SegNet's CamVid folder")
    dataset = load_dataset("camvid", data_dir=options.data_dir)
    found = {name: list(dataset.split(name).examples()) for name in ("train", "val")}
    train, val = ([(one.name[:6], likeness.thumbnail(one.image)) for one in found[name]] for name in ("train", "val"))
    sets = []
    for drive in sorted({name for name, _ in train}):
        held = [one for name, one in [*train, *val] if name == drive]
        rest = [one for name, one in train if name != drive]
        sets.append(described(f"drive {drive} of train and val against the other drives of train", held, rest))
    of_train, of_val = [one for _, one in train], [one for _, one in val]
    order = np.random.default_rng(0).permutation(len(of_train)).tolist()
    tenth, rest = ([of_train[i] for i in part] for part in (order[::10], [i for k, i in enumerate(order) if k % 10]))
    made = [one for example in found["train"][::10] for one in copies(example.image)]
    drawn = [
        [likeness.thumbnail(shapes.draw(np.random.default_rng((seed, i)), size=(128, 128))[0]) for i in range(count)]
        for seed, count in zip((2, 3), options.drawn, strict=True)
    ]
    start = time.perf_counter()
    likeness.nearest(drawn[1], drawn[0])
    seconds = time.perf_counter() - start
    sets += [
        described("val against train, which has its drive", of_val, of_train),
        described("a random tenth of train against the rest, which a careless split makes", tenth, rest),
        described("copies of train pictures: JPEG of quality 30, other sizes, darker, brighter", made, of_train),
        described(f"drawn pictures against {options.drawn[0]} others", drawn[1], drawn[0]),
    ]
    method = f"The last comparison took {seconds:.1f} s, {cpu_name()}"
    print(json.dumps({"near": likeness.NEAR, "sets": sets, "method": method}, indent=2))


if __name__ == "__main__":
    cli.run(main)
