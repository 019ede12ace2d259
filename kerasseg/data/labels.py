"""Class names, colours and the label that never counts. Plain data, importable from everywhere."""

import colorsys

IGNORE_LABEL = 255

SHAPES = ("background", "disc", "box", "triangle", "ring", "stick")

CAMVID = (
    "Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian", "Bicyclist",
)  # fmt: skip
CAMVID_COLORS = (
    (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0), (192, 128, 128),
    (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
)  # fmt: skip

VOC2012 = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip

OXFORD_IIIT_PET = ("pet", "background", "border")

# https://github.com/mcordts/cityscapesScripts, helpers/labels.py: (id, train id, name) where the train id counts.
CITYSCAPES_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
CITYSCAPES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation", "terrain",
    "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip
CITYSCAPES_COLORS = (
    (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153), (153, 153, 153), (250, 170, 30),
    (220, 220, 0), (107, 142, 35), (152, 251, 152), (70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142),
    (0, 0, 70), (0, 60, 100), (0, 80, 100), (0, 0, 230), (119, 11, 32),
)  # fmt: skip

ADE20K = tuple(f"class {i}" for i in range(1, 151))  # scene_parse150's own numbers; tfds carries no names


def palette(class_names: tuple[str, ...]) -> tuple[tuple[int, int, int], ...]:
    """A colour (R, G, B), 0..255, a class: the data set's customary ones, or well-spread hues."""
    known = {CAMVID: CAMVID_COLORS, CITYSCAPES: CITYSCAPES_COLORS}
    if class_names in known:
        return known[class_names]
    colors: list[tuple[int, int, int]] = []
    for i in range(len(class_names)):
        if i == 0 and class_names[0] == "background":
            colors.append((0, 0, 0))
            continue
        # The golden ratio keeps neighbours far apart in hue; value alternates for those who cannot tell hues.
        red, green, blue = colorsys.hsv_to_rgb(i * 0.618034 % 1, 0.75, (1.0, 0.7, 0.85)[i % 3])
        colors.append((round(255 * red), round(255 * green), round(255 * blue)))
    return tuple(colors)
