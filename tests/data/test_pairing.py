import unicodedata

import numpy as np
import pytest

from kerasseg.data import pairing
from tests.conftest import write_picture

RGB = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)


def test_pairs_name_what_lacks_its_partner(tmp_path):
    for name in ("a", "b"):
        write_picture(tmp_path / "images" / f"{name}.png", RGB)
        write_picture(tmp_path / "labels" / f"{name}.png", RGB[..., 0])
    assert [stem for stem, _, _ in pairing.pairs(tmp_path / "images", tmp_path / "labels")] == ["a", "b"]
    write_picture(tmp_path / "images" / "c.png", RGB)
    with pytest.raises(ValueError, match=r"an image without labels: nothing in .*labels is called c;"):
        pairing.pairs(tmp_path / "images", tmp_path / "labels")
    (tmp_path / "images" / "c.png").unlink()
    write_picture(tmp_path / "labels" / "d.png", RGB[..., 0])
    write_picture(tmp_path / "labels" / "e.png", RGB[..., 0])
    with pytest.raises(ValueError, match=r"labels without an image: nothing in .*images is called d, e; add the file"):
        pairing.pairs(tmp_path / "images", tmp_path / "labels")
    for i in range(5):
        write_picture(tmp_path / "labels" / f"e{i}.png", RGB[..., 0])
    with pytest.raises(ValueError, match=r"is called d, e, e0, e1, e2 and 2 more; add the file"):
        pairing.pairs(tmp_path / "images", tmp_path / "labels")


def test_names_pair_in_every_unicode_form_and_in_either_case_of_the_suffix(tmp_path):
    write_picture(tmp_path / "images" / unicodedata.normalize("NFD", "Grün.JPG"), RGB)
    write_picture(tmp_path / "labels" / unicodedata.normalize("NFC", "Grün.PNG"), RGB[..., 0])
    ((name, image, labels),) = pairing.pairs(tmp_path / "images", tmp_path / "labels")
    assert (name, image.suffix, labels.suffix) == (unicodedata.normalize("NFC", "Grün"), ".JPG", ".PNG")


def test_a_list_may_give_suffixes_and_folders_and_is_named_where_it_is_wrong(tmp_path):
    names = ["a b", "img.v2", "c"]
    for name in names:
        write_picture(tmp_path / "images" / f"{name}.png", RGB)
        write_picture(tmp_path / "labels" / f"{name}.png", RGB[..., 0])

    def listing(*given):
        return pairing.pairs(tmp_path / "images", tmp_path / "labels", listed=tmp_path / "train.txt", names=given)

    assert [name for name, _, _ in listing("c.png", "images/a b.png", "img.v2")] == ["c", "a b", "img.v2"]
    with pytest.raises(
        ValueError, match=r"train.txt names x1, x2, x3, x4, x5 and 1 more, and nothing in .*images is called so"
    ):
        listing("c", *(f"x{i}" for i in range(1, 7)))
    with pytest.raises(ValueError, match=r"train.txt names c more than once; mend the list"):
        listing("c", "c.png")


def test_missing_empty_and_ambiguous_folders(tmp_path):
    with pytest.raises(ValueError, match="no folder .*nowhere; check --data_dir"):
        pairing.stems(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="holds no pictures"):
        pairing.stems(tmp_path)
    write_picture(tmp_path / "a.png", RGB)
    write_picture(tmp_path / "a.jpg", RGB)
    with pytest.raises(ValueError, match="has both a.jpg and a.png; keep one picture a stem"):
        pairing.stems(tmp_path)
