"""What main.cc prints of a class map is read back, whatever a monitor adds; what was lost on the way is said."""

import shutil
import subprocess
import zlib

import keras
import numpy as np
import pytest

from kerasseg.errors import InputError
from kerasseg.mcu import class_log, firmware, vectors
from tests.lite.nets import int8
from tests.mcu.test_firmware import MEMORY, STAND_IN, WARNINGS, _stand_in

SHAPE = (4, 96)


@pytest.fixture(scope="module")
def vector():
    """Logits of 12 classes, random: a row of runs that no line of 255 characters holds."""
    rng = np.random.default_rng(0)
    given = rng.integers(-128, 128, (1, *SHAPE, 3), np.int8)
    return vectors.Vector("noise", (given,), (rng.integers(-128, 128, (1, *SHAPE, 12), np.int8),))


@pytest.fixture(scope="module")
def printed(vector, tmp_path_factory):
    """What the compiled main.cc prints."""
    if shutil.which("g++") is None:
        pytest.skip("no g++ on this machine")
    folder = tmp_path_factory.mktemp("sources")
    image = keras.Input((*SHAPE, 3), batch_size=1)
    content = int8(
        keras.Model(image, keras.layers.Conv2D(12, 1)(image)),
        images=np.random.default_rng(0).integers(0, 256, (2, *SHAPE, 3), np.uint8),
    )
    request = firmware.Request(name="net")
    texts = firmware.sources(content, file="f", sha256="ab" * 32, request=request, room=MEMORY, vector=vector)
    for name, text in texts.items():
        (folder / name).write_text(text)
    sources = [folder / name for name in ("main.cc", "net_model_data.cc", "net_test_vector.cc")]
    options = [*_stand_in("net"), "-DKERASSEG_PRINT_CLASS_MAP", f"-I{folder}"]
    subprocess.run(["g++", *WARNINGS, *options, *sources, STAND_IN / "micro_log.cc", "-o", folder / "main"], check=True)
    return subprocess.run([folder / "main"], capture_output=True, check=True).stdout


def test_what_is_printed_is_read_back(vector, printed):
    heard = class_log.read(printed, file="log")
    assert (heard.ids == vector.outputs[0][0].argmax(-1)).all()
    assert (heard.num_classes, heard.vector, heard.model) == (12, vector.sha256, "ab" * 32)
    assert (heard.microseconds, heard.arena_bytes) == (5000, 1)
    assert heard.verdict == "PASS: the output is equal, byte for byte"
    rows = [line.split()[1] for line in printed.decode().splitlines() if line.startswith("kerasseg-map ")]
    assert rows.count("0") > 1  # goes on in another line
    assert max(map(len, printed.splitlines())) < 256


def test_the_vector_is_found_again_in_the_sources(vector):
    text = "".join(
        f"alignas(16) const unsigned char kTest{kind}0[] = {{\n{', '.join(f'0x{byte:02x}' for byte in array.tobytes())}\n}};\n"
        for kind, array in (("Input", vector.inputs[0]), ("Output", vector.outputs[0]))
    )
    assert vectors.read(text).sha256 == vector.sha256


@pytest.mark.parametrize(
    "prefix", ["I (1234) main: ", "[00:00:01.234,000] <inf> app: ", "\x1b[0;32mI (5) \x00\xff ", "12:30:01 -> "]
)
def test_what_a_monitor_adds_is_left_out(printed, prefix):
    lines = printed.decode().splitlines()
    added = [f"{prefix}{line}\x1b[0m" for line in lines]
    added.insert(9, "W (99) wifi: another task speaks between the rows")
    content = "\n".join(["boot", "kerasseg-map begin of a run that was stopped", *added, "after"]).encode("latin-1")
    heard, plain = class_log.read(content, file="log"), class_log.read(printed, file="log")
    assert (heard.ids == plain.ids).all()
    assert (heard.verdict, heard.microseconds) == (plain.verdict, 5000)


def test_of_several_maps_the_last_counts(printed):
    other = printed.replace(b"time: 5000 us", b"time: 7000 us")
    assert class_log.read(printed + other, file="log").microseconds == 7000
    with pytest.raises(InputError, match="was cut: row 0 of 4 is not in it"):
        class_log.read(printed + b"\n".join(printed.splitlines()[:5]), file="log")


def _without(content, start):
    lines = content.splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if line.startswith(start))
    return b"".join(lines[:at] + lines[at + 1 :])


def test_a_cut_or_damaged_log_is_refused(printed):
    row = next(line for line in printed.splitlines() if line.startswith(b"kerasseg-map 2 0 "))
    first = row.split()[3]
    other = b"%d:%s" % (int(first.split(b":")[0]) ^ 1, first.split(b":")[1].rstrip(b";"))
    for content, words in {
        b"": "holds no class map; compile main.cc with -DKERASSEG_PRINT_CLASS_MAP",
        b"FAIL: the model did not run\r\n": r"holds no class map \(it says 'FAIL: the model did not run'\)",
        printed[: printed.index(row)]: "was cut: row 2 of 4 is not in it",
        printed[: printed.index(row) + 30]: "was cut: line .* is no whole line of a class map",
        printed[: printed.index(b"kerasseg-map end")]: "was cut: the class map has all its rows and no end",
        _without(printed, b"kerasseg-map 1 0 "): "was cut: at line .* row 1 of 4 was to come",
        _without(printed, b"kerasseg-map model"): "the head of the class map at line .* is not whole",
        printed.replace(b"begin 4 96", b"begin 4"): "the head of the class map",
        printed.replace(row, row.replace(first, other, 1)): "check sum is another than the board's",
        printed.replace(row, row.replace(first, b"300:1", 1)): "'300:1' at line .* is no run of a class",
        printed.replace(row, row.replace(first, b"1:97", 1)): "'1:97' at line .* is no run of a class",
        printed.replace(row, row.replace(first, b"5:" + 5000 * b"9", 1)): "is damaged: line .* is no whole line",
        printed.replace(b"begin 4 96", b"begin 4 999999999999"): "the head of the class map",
        printed.replace(b"begin 4 96", b"begin 4 " + 5000 * b"9"): "is damaged: line .* is no whole line",
        printed.replace(row, row.replace(b":", b"I (12) wifi", 1)): "is damaged: line .* is no whole line",
        printed.replace(row + b"\r\n", row): "is damaged: line .* is no whole line",
    }.items():
        with pytest.raises(InputError, match=words):
            class_log.read(content, file="log")


def test_a_class_that_the_model_has_not_is_damage():
    head = "kerasseg-map begin 1 2 3;\nkerasseg-map vector ab;\nkerasseg-map model cd;\n"
    body = f"kerasseg-map 0 0 3:2;\nkerasseg-map end {zlib.crc32(bytes([3, 3]))};\n"
    with pytest.raises(InputError, match="check sum"):
        class_log.read((head + body).encode(), file="log")
    assert class_log.read((head.replace(" 3;", " 4;") + body).encode(), file="log").verdict == ""


def test_a_run_behind_the_last_map_is_no_pass(printed):
    """The board began once more, and failed: what it printed before is not its result."""
    for said in (
        b"FAIL: AllocateTensors, for the reason above",
        b"I (12) main: FAIL: 3 bytes of the output differ, by up to 1",
    ):
        with pytest.raises(InputError, match="log ends with another run that printed no class map: 'FAIL: "):
            class_log.read(printed + b"\r\nESP-ROM:esp32s3\r\n" + said + b"\r\n", file="log")
    # An earlier run that failed is over, and what other programs say is not ours.
    heard = class_log.read(b"FAIL: AllocateTensors, for the reason above\n" + printed, file="log")
    assert heard.verdict.startswith("PASS")
    lines = printed.splitlines(keepends=True)
    place = next(i for i, line in enumerate(lines) if line.startswith(b"PASS"))
    noisy = b"".join([*lines[:place], b"wifi FAIL: no AP\n", *lines[place:], b"wifi PASS: an AP\n"])
    assert class_log.read(noisy, file="log").verdict == heard.verdict


def test_a_log_of_16_bit_characters_is_read(printed):
    for order in ("utf-16-le", "utf-16-be"):
        content = ("\ufeff" + printed.decode()).encode(order)
        assert (class_log.read(content, file="log").ids == class_log.read(printed, file="log").ids).all()
