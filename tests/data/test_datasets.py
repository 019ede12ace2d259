import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds

import kerasseg
from kerasseg.data import datasets, labels
from tests.conftest import folder_dataset, write_picture


def test_camvid_reads_the_real_files(shared):
    dataset = kerasseg.load_dataset("camvid", data_dir=str(shared / "data" / "camvid"))
    assert {name: len(split) for name, split in dataset.splits.items()} == {"train": 367, "val": 101}
    example = dataset.split("val")[0]
    assert example.image.shape == (360, 480, 3)
    assert set(np.unique(example.labels)) <= {*range(11), 255}
    assert 255 in example.labels  # SegNet's 11 became the ignore label


def test_camvid_reads_segnets_own_folder(tmp_path):
    for split in ("train", "val", "test"):
        write_picture(tmp_path / split / "x.png", np.zeros((6, 8, 3), np.uint8))
        write_picture(tmp_path / f"{split}annot" / "x.png", np.array([[0, 11]], np.uint8).repeat(6, 0).repeat(4, 1))
        (tmp_path / f"{split}.txt").write_text(f"/SegNet/CamVid/{split}/x.png /SegNet/CamVid/{split}annot/x.png\n")
    dataset = kerasseg.load_dataset("camvid", data_dir=str(tmp_path))
    assert sorted(dataset.splits) == ["test", "train", "val"]
    np.testing.assert_array_equal(dataset.split("test")[0].labels[0], [0] * 4 + [255] * 4)
    shutil.rmtree(tmp_path / "val")
    with pytest.raises(ValueError, match="has no folder val; --data_dir must hold train, trainannot"):
        kerasseg.load_dataset("camvid", data_dir=str(tmp_path))


def test_voc2012_reads_palette_labels(tmp_path):
    root = tmp_path / "VOCdevkit" / "VOC2012"
    ids = np.array([[0, 15, 255]], np.uint8).repeat(3, 0)
    write_picture(root / "JPEGImages" / "a.jpg", np.zeros((3, 3, 3), np.uint8))
    from PIL import Image

    picture = Image.new("P", (3, 3))
    picture.putdata(ids.ravel().tolist())
    picture.putpalette(list(range(256)) * 3)
    (root / "SegmentationClass").mkdir()
    picture.save(root / "SegmentationClass" / "a.png")
    listed = root / "ImageSets" / "Segmentation"
    listed.mkdir(parents=True)
    (listed / "train.txt").write_text("a\n")
    (listed / "val.txt").write_text("a\n")
    for data_dir in (tmp_path, tmp_path / "VOCdevkit", root):
        dataset = kerasseg.load_dataset("voc2012", data_dir=str(data_dir))
        np.testing.assert_array_equal(dataset.split("val")[0].labels, ids)
    (listed / "val.txt").write_text("a\nb\n")
    with pytest.raises(ValueError, match=r"val.txt names b, and there is no .*b.jpg"):
        kerasseg.load_dataset("voc2012", data_dir=str(tmp_path))
    (listed / "val.txt").unlink()
    with pytest.raises(ValueError, match=r"no file .*val.txt"):
        kerasseg.load_dataset("voc2012", data_dir=str(tmp_path))
    shutil.rmtree(root / "SegmentationClass")
    with pytest.raises(ValueError, match="holds no VOC2012"):
        kerasseg.load_dataset("voc2012", data_dir=str(tmp_path))


def test_folder_with_subfolders_and_with_lists(tmp_path):
    dataset = kerasseg.load_dataset("folder", data_dir=str(folder_dataset(tmp_path / "a")))
    assert dataset.class_names == ("class0", "class1", "class2")
    assert dataset.split("train")[0].labels.shape == (40, 60)
    root = tmp_path / "b"
    for name in "xyz":
        write_picture(root / "images" / f"{name}.png", np.zeros((4, 4, 3), np.uint8))
        write_picture(root / "labels" / f"{name}.png", np.zeros((4, 4), np.uint8))
    (root / "classes.txt").write_text("a\nb\n")
    (root / "train.txt").write_text("x\ny\n")
    (root / "val.txt").write_text("z\n")
    assert kerasseg.load_dataset("folder", data_dir=str(root)).split("train").names == ("x", "y")
    (root / "val.txt").write_text("")
    with pytest.raises(ValueError, match="val.txt is empty"):
        kerasseg.load_dataset("folder", data_dir=str(root))


def test_folder_says_how_it_must_be_laid_out(tmp_path):
    with pytest.raises(ValueError, match="has no images or no labels folder; --data_dir must hold classes.txt"):
        kerasseg.load_dataset("folder", data_dir=str(tmp_path))
    root = folder_dataset(tmp_path / "a")
    (root / "classes.txt").write_text("one\n")
    with pytest.raises(ValueError, match="names 1 classes; name 2 to 255"):
        kerasseg.load_dataset("folder", data_dir=str(root))
    (root / "classes.txt").unlink()
    with pytest.raises(ValueError, match="has no classes.txt"):
        kerasseg.load_dataset("folder", data_dir=str(root))
    (root / "classes.txt").write_text("a\nb\nc\n")
    shutil.rmtree(root / "images" / "val")
    with pytest.raises(ValueError, match="has no split 'val'"):
        kerasseg.load_dataset("folder", data_dir=str(root))


RECORDS = {
    "oxford_iiit_pet": {"image": np.zeros((4, 6, 3), np.uint8), "segmentation_mask": np.array([[1, 2, 3]], np.uint8)},
    "cityscapes": {"image_left": np.zeros((4, 6, 3), np.uint8), "segmentation_label": np.array([[7, 33, 0]], np.uint8)},
    "ade20k": {"image": np.zeros((4, 6, 3), np.uint8), "annotation": np.array([[0, 1, 150]], np.uint8)},
}
EXPECTED = {"oxford_iiit_pet": [0, 1, 2], "cityscapes": [0, 18, 255], "ade20k": [255, 0, 149]}


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # tfds' own imports
def test_tfds_ids_become_ours(name, tmp_path):
    record = {key: value[..., None] if value.ndim == 2 else value for key, value in RECORDS[name].items()}
    with tfds.testing.mock_data(num_examples=3, as_data_source_fn=lambda *a, **k: [record] * 3):
        dataset = kerasseg.load_dataset(name, data_dir=str(tmp_path))
        assert len(dataset.split("train")) == 3
        example = dataset.split("val")[0]
    np.testing.assert_array_equal(example.labels[0], EXPECTED[name])
    assert len(dataset.class_names) == {"oxford_iiit_pet": 3, "cityscapes": 19, "ade20k": 150}[name]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # tfds' own imports
def test_tfds_mock_data_of_the_real_features_is_read(tmp_path):
    with tfds.testing.mock_data(num_examples=2):
        dataset = kerasseg.load_dataset("cityscapes", data_dir=str(tmp_path))
        example = dataset.split("train")[1]
    assert example.image.shape == (1024, 2048, 3)
    assert example.labels.shape == (1024, 2048)


def test_unknown_and_missing(tmp_path):
    with pytest.raises(ValueError, match="unknown dataset 'coco'; known are shapes, camvid"):
        kerasseg.load_dataset("coco")
    with pytest.raises(ValueError, match="--dataset=camvid needs --data_dir"):
        kerasseg.load_dataset("camvid")
    with pytest.raises(ValueError, match="no folder .*nowhere; --data_dir must be where camvid lies"):
        kerasseg.load_dataset("camvid", data_dir=str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="shapes has no split 'test'; it has train, val"):
        kerasseg.load_dataset("shapes").split("test")
    assert kerasseg.list_datasets()[0] == "shapes"


def test_customary_sizes_are_rounded_up_to_the_output_stride():
    assert datasets.eval_size("camvid", size=(256, 256), output_stride=16) == (368, 480)
    assert datasets.eval_size("shapes", size=(96, 128), output_stride=32) == (96, 128)


def test_palettes_have_a_colour_a_class():
    for names in (labels.SHAPES, labels.CAMVID, labels.VOC2012, labels.CITYSCAPES, labels.ADE20K):
        assert len(labels.palette(names)) == len(names)
    assert len(set(labels.palette(labels.VOC2012))) == 21
