"""PASCAL VOC 2012 segmentation, from the VOCdevkit folder (host.robots.ox.ac.uk/pascal/VOC/voc2012)."""

from pathlib import Path

from kerasseg import files
from kerasseg.data import labels as label_tables
from kerasseg.data.splits import Split, from_pairs
from kerasseg.errors import InputError


def load(data_dir: Path) -> dict[str, Split]:
    """The splits train and val.

    Args:
        data_dir: VOC2012, VOCdevkit, or the folder that holds VOCdevkit.
    """
    for root in (data_dir, data_dir / "VOC2012", data_dir / "VOCdevkit" / "VOC2012"):
        if (root / "SegmentationClass").is_dir():
            break
    else:
        raise InputError(f"{data_dir} holds no VOC2012 (no SegmentationClass); --data_dir must be VOCdevkit/VOC2012")
    splits = {}
    for name in ("train", "val"):
        listed = root / "ImageSets" / "Segmentation" / f"{name}.txt"
        if not listed.is_file():
            raise InputError(f"no file {listed}; take ImageSets/Segmentation from the VOC2012 archive")
        names = files.read_lines(listed)
        found = [(stem, root / "JPEGImages" / f"{stem}.jpg", root / "SegmentationClass" / f"{stem}.png") for stem in names]
        for stem, image_path, labels_path in found:
            for path in (image_path, labels_path):
                if not path.is_file():
                    raise InputError(f"{listed} names {stem}, and there is no {path}; fetch the archive again")
        splits[name] = from_pairs(found, num_classes=len(label_tables.VOC2012))
    return splits
