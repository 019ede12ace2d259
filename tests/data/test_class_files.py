import pytest

from kerasseg.data import class_files

ROWS = [
    ("classes.txt", "road,car\n", "has a comma in 'road,car'; write one class a line"),
    ("classes.txt", "# ids\nroad\n", "has a line '# ids'; # begins no comment"),
    ("classes.txt", "0: road\n1: car\n", "has a number before the name in '0: road'; write the name alone"),
    ("classes.txt", "Pixel Value, Class\n0, road\n", "has a comma in 'Pixel Value, Class'"),
    ("classes.txt", "road\n", "names 1 classes; name 2 to 255"),
    ("classes.txt", "".join(f"c{i}\n" for i in range(256)), "names 256 classes; name 2 to 255"),
    ("classes.txt", "road\nroad\n", "names 'road' 2 times"),
    ("classes.txt", "Straße\nWeg\n".encode("latin-1"), "is no readable UTF-8 text"),
    ("classes.txt", "road\ncar\n".encode("utf-16"), "is no readable UTF-8 text"),
    ("classes.txt", "road\ncar\n".encode("utf-16-le"), "has zero bytes, as UTF-16 does"),
    ("_classes.csv", "road\ncar\n", "does not begin with 'Pixel Value, Class'"),
    ("_classes.csv", "Pixel Value, Class\n1, road\n2, car\n", "has pixel values 1, 2; they must be 0, 1, 2"),
    ("_classes.csv", "Pixel Value, Class\n0, road\n1, box, red\n", "has a row '1, box, red'; write a pixel value, a comma and"),
    ("class_dict.csv", "road,1,2,3\ncar,4,5,6\n", "does not begin with 'name,r,g,b'"),
    ("class_dict.csv", "name,r,g,b\nroad,1,2\ncar,4,5,6\n", "gives 'road' the colour 1,2; write three numbers"),
    ("class_dict.csv", "name,r,g,b\nroad,1,2,300\ncar,4,5,6\n", "gives 'road' the colour 1,2,300; write three numbers"),
    ("class_dict.csv", "name,r,g,b\nroad,1,2,3\ncar,1,2,3\n", "has the name 'car' or its colour 1,2,3 twice"),
]


@pytest.mark.parametrize(("name", "content", "words"), ROWS)
def test_what_would_be_misread_is_refused(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=words) as refused:
        class_files.read(tmp_path)
    assert str(refused.value).startswith(str(path))
    assert "\n" not in str(refused.value)


def test_each_kind_of_file_is_read_as_what_it_is(tmp_path):
    assert class_files.read(tmp_path) is None
    (tmp_path / "class_dict.csv").write_text("name,r,g,b\nroad,1,2,3\nparked car,4,5,6\n")
    assert class_files.read(tmp_path) == ("road", "parked car")
    assert class_files.read_colors(tmp_path / "class_dict.csv")["parked car"] == (4, 5, 6)
    (tmp_path / "_classes.csv").write_text("Pixel Value, Class\n0, background\n1, box\n")
    assert class_files.read(tmp_path) == ("background", "box")
    (tmp_path / "classes.txt").write_bytes("\ufeffStraße\r\nWeg\r\n".encode())
    assert class_files.read(tmp_path) == ("Straße", "Weg")
