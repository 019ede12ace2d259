"""Small exports as annotation tools write them, of scenes whose label maps are known; and what damages each."""

import base64
import json
from pathlib import Path

import numpy as np

from tests.conftest import write_picture

NAMES = ("background", "box", "lid")
COLORS = ((0, 0, 0), (250, 50, 83), (51, 221, 255))
COUNT, HEIGHT, WIDTH = 5, 40, 56


def scene(seed):
    """An image (H, W, 3) uint8, labels (H, W) with ids of NAMES, and the rectangles (id, left, top, right, bottom) in them."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 90, (HEIGHT, WIDTH, 3), np.uint8)
    labels, rectangles = np.zeros((HEIGHT, WIDTH), np.uint8), []
    for number, side in ((1, 22), (2, 9)):  # the smaller one on top
        left, top = (int(rng.integers(1, limit - side)) for limit in (WIDTH, HEIGHT))
        labels[top : top + side, left : left + side] = number
        rectangles.append((number, left, top, left + side, top + side))
    image[labels > 0] += 100
    return image, labels, rectangles


SCENES = [scene(seed) for seed in range(COUNT)]


def _text(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _corners(rectangle):
    _, left, top, right, bottom = rectangle
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _runs(mask):
    """COCO's uncompressed run lengths: column by column, zeros first."""
    flat = np.concatenate([[0], mask.T.ravel().astype(int)])
    edges = np.flatnonzero(np.diff(flat))
    return np.diff(np.concatenate([[0], edges, [mask.size]])).tolist()


def coco(root):
    annotations = []
    for i, (image, _, rectangles) in enumerate(SCENES):
        write_picture(root / "images" / f"{i}.png", image)
        for one in reversed(rectangles):  # the small one first: areas decide, not the order
            mask = np.zeros((HEIGHT, WIDTH), bool)
            mask[one[2] : one[4], one[1] : one[3]] = True
            outline = {"counts": _runs(mask), "size": [HEIGHT, WIDTH]} if i % 2 else [np.ravel(_corners(one)).tolist()]
            annotations.append({"id": len(annotations), "image_id": 10 + i, "category_id": 7 * one[0], "segmentation": outline})
    listed = [{"id": 10 + i, "file_name": f"{i}.png", "height": HEIGHT, "width": WIDTH} for i in range(COUNT)]
    categories = [{"id": 7 * number, "name": NAMES[number]} for number in (2, 1)]
    content = {"images": listed, "annotations": annotations, "categories": categories}
    _text(root / "annotations" / "instances.json", json.dumps(content))


def labelme(root):
    for i, (image, _, rectangles) in enumerate(SCENES):
        path = write_picture(root / f"{i}.png", image)
        embedded = base64.b64encode(path.read_bytes()).decode() if i == 0 else None
        if embedded:
            path.unlink()
        shapes = [{"label": NAMES[r[0]], "points": [r[1:3], r[3:5]], "shape_type": "rectangle"} for r in rectangles[:1]]
        shapes += [{"label": NAMES[r[0]], "points": _corners(r), "shape_type": "polygon"} for r in rectangles[1:]]
        size = {"imageHeight": HEIGHT, "imageWidth": WIDTH}
        _text(root / f"{i}.json", json.dumps({"shapes": shapes, "imagePath": f"{i}.png", "imageData": embedded} | size))


def cvat_xml(root):
    lines = ["<annotations><meta><job><labels>"]
    lines += [f"<label><name>{name}</name></label>" for name in NAMES[1:]] + ["</labels></job></meta>"]
    for i, (image, labels, rectangles) in enumerate(SCENES):
        write_picture(root / "images" / f"{i}.png", image)
        lines.append(f'<image id="{i}" name="{i}.png" width="{WIDTH}" height="{HEIGHT}">')
        (_, left, top, right, bottom), small = rectangles
        lines.append(f'<box label="box" xtl="{left}" ytl="{top}" xbr="{right}" ybr="{bottom}" z_order="0"/>')
        points = ";".join(f"{x},{y}" for x, y in _corners(small))
        if i % 2:
            inner = labels[small[2] : small[4], small[1] : small[3]] == 2
            runs = f"0, {inner.size}"
            lines.append(
                f'<mask label="lid" rle="{runs}" left="{small[1]}" top="{small[2]}" width="9" height="9" z_order="1"/>'
            )
        else:
            lines.append(f'<polygon label="lid" points="{points}" z_order="1"/>')
        lines.append("</image>")
    _text(root / "annotations.xml", "\n".join([*lines, "</annotations>"]))


def voc(root):
    for i, (image, labels, _) in enumerate(SCENES):
        write_picture(root / "JPEGImages" / f"{i}.png", image)
        write_picture(root / "SegmentationClass" / f"{i}.png", np.array(COLORS, np.uint8)[labels])
    rows = "".join(f"{name}:{','.join(map(str, color))}::\n" for name, color in zip(NAMES, COLORS, strict=True))
    _text(root / "labelmap.txt", f"# label:color_rgb:parts:actions\n{rows}")
    _text(root / "ImageSets" / "Segmentation" / "train.txt", "0\n1\n2\n")
    _text(root / "ImageSets" / "Segmentation" / "validation.txt", "3\n4\n")


def roboflow(root):
    for i, (image, labels, _) in enumerate(SCENES):
        folder = root / ("train" if i < 3 else "valid")
        write_picture(folder / f"{i}_jpg.rf.0a1b.png", image)
        write_picture(folder / f"{i}_jpg.rf.0a1b_mask.png", labels)
        _text(folder / "_classes.csv", "Pixel Value, Class\n" + "".join(f"{j}, {name}\n" for j, name in enumerate(NAMES)))


def labelstudio(root):
    for i, (image, labels, _) in enumerate(SCENES):
        write_picture(root / "images" / f"{9 - i}abcdef0-{i}.png", image)  # the digits in front are in no order
        for number in (1, 2):
            name = f"task-{20 + i}-annotation-{i}-by-1-tag-{NAMES[number]}-0.png"
            write_picture(root / name, ((labels == number) * 255).astype(np.uint8))


def colors(root):
    for i, (image, labels, _) in enumerate(SCENES):
        split = "train" if i < 3 else "val"
        write_picture(root / split / f"{i}.png", image)
        write_picture(root / f"{split}_labels" / f"{i}_L.png", np.array(COLORS, np.uint8)[labels])
    rows = "".join(f"{name},{','.join(map(str, color))}\n" for name, color in zip(NAMES, COLORS, strict=True))
    _text(root / "class_dict.csv", f"name,r,g,b\n{rows}")


def cityscapes(root):
    for i, (image, labels, _) in enumerate(SCENES):
        inside = Path("train" if i < 3 else "val") / "ulm"
        write_picture(root / "leftImg8bit" / inside / f"ulm_{i}_leftImg8bit.png", image)
        write_picture(root / "gtFine" / inside / f"ulm_{i}_gtFine_labelIds.png", np.array([0, 26, 7], np.uint8)[labels])
        write_picture(root / "gtFine" / inside / f"ulm_{i}_gtFine_color.png", image)


def ade20k(root):
    for i, (image, labels, _) in enumerate(SCENES):
        inside = "training" if i < 3 else "validation"
        write_picture(root / "images" / inside / f"ADE_{i}.png", image)
        write_picture(root / "annotations" / inside / f"ADE_{i}.png", np.array([0, 150, 1], np.uint8)[labels])


def binary(root):
    for i, (image, labels, _) in enumerate(SCENES):
        write_picture(root / f"{i}.png", image)
        write_picture(root / f"{i}_mask.png", np.where(labels == 1, 200, 30).astype(np.uint8))


def index(root):
    for i, (image, labels, _) in enumerate(SCENES):
        write_picture(root / "img" / f"{i}.png", image)
        write_picture(root / "masks" / f"{i}_seg.png", np.where(labels == 2, 255, labels).astype(np.uint8))
    _text(root / "classes.txt", "".join(f"{name}\n" for name in NAMES))


WRITERS = {
    "coco": coco, "labelme": labelme, "cvat_xml": cvat_xml, "voc": voc, "roboflow": roboflow, "labelstudio": labelstudio,
    "colors": colors, "cityscapes": cityscapes, "ade20k": ade20k, "binary": binary, "index": index,
}  # fmt: skip
# Format -> what ids 0, 1 and 2 of a scene are in the data set made of it, where they are not the same.
IDS = {"cityscapes": (255, 13, 0), "ade20k": (255, 149, 0), "binary": (0, 1, 0), "index": (0, 1, 255)}
