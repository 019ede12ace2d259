"""Each generated project is whole; those whose tools are here are built, and run the model on pictures."""

import re
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest

from kerasseg.data.letterbox import letterbox, segment
from kerasseg.lite import interpreter
from kerasseg.lite.flatbuffer import Graph
from kerasseg.mcu import class_log, class_map, firmware, frames, parity, vectors
from kerasseg.mcu import runtime as micro
from kerasseg.mcu.pixels import LAYOUTS
from kerasseg.mcu.projects import PROJECTS
from tests.lite.nets import int8, network
from tests.mcu.test_firmware import MEMORY, STAND_IN, WARNINGS, _stand_in, needs_compiler

needs_cmake = pytest.mark.skipif(not (shutil.which("cmake") and shutil.which("g++")), reason="no cmake and g++ here")
CLASSES = ("sky", "road", "car", "tree")
FRAME = (30, 40)


@pytest.fixture(scope="module")
def content():
    return int8(network(keras.layers.Conv2D(4, 3, strides=2, padding="same"), keras.layers.Resizing(16, 16)))


def _written(folder, content, **request):
    inputs = [np.random.default_rng(0).integers(-128, 128, (1, 16, 16, 3), np.int8)]
    _, outputs = parity.compare(content, [inputs])
    vector = vectors.Vector("noise", tuple(inputs), tuple(outputs[0]))
    request = firmware.Request(
        **{"name": "net", "class_names": CLASSES, "projects": tuple(PROJECTS), "frame": FRAME} | request
    )  # fmt: skip
    texts = firmware.sources(content, file="my net.tflite", sha256="ab" * 32, request=request, room=MEMORY, vector=vector)
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return vector


@pytest.fixture(scope="module")
def folder(content, tmp_path_factory):
    folder = tmp_path_factory.mktemp("My export")
    _written(folder, content)
    (folder / "net.tflite").write_bytes(content)
    return folder


def _run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _definitions(*more):
    return ";".join(['STAND_IN_VECTOR="net_test_vector.h"', "STAND_IN_NAME=net", *more])


@pytest.fixture(scope="module")
def host(folder, tmp_path_factory):
    """The built host simulator; its kernels are TFLite Micro's own, from the wheel."""
    build = tmp_path_factory.mktemp("host")
    _run("g++", "-c", f"-I{STAND_IN}", STAND_IN / "micro_log.cc", "-o", build / "micro_log.o")
    _run("ar", "rcs", build / "libtflm.a", build / "micro_log.o")
    _run(
        "cmake", "-S", folder / "host", "-B", build / "build",
        f"-DTFLM_INCLUDE={STAND_IN}", f"-DTFLM_LIBRARY={build}/libtflm.a",
        f"-DTFLM_DEFINITIONS=TF_LITE_STATIC_MEMORY;{_definitions('STAND_IN_ASKS')}",
        f"-DCMAKE_CXX_FLAGS={' '.join(WARNINGS[1:])}",
    )  # fmt: skip
    _run("cmake", "--build", build / "build")
    return build / "build"


def _simulate(host, folder, *arguments, cwd):
    command = f"{sys.executable} {STAND_IN / 'ask.py'} '{folder / 'net.tflite'}'"
    return _asking(command, host / "net_simulate", *arguments, cwd=cwd)


def _asking(asked, *command, cwd):
    """Runs a program whose kernels are the command `asked`."""
    environment = {"STAND_IN_COMMAND": asked}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=environment)


@needs_cmake
def test_the_host_simulator_sees_what_predict_sees(folder, host, tmp_path):
    rng = np.random.default_rng(1)
    pictures = rng.integers(0, 256, (2, *FRAME, 3), np.uint8)
    (tmp_path / "a.ppm").write_bytes(b"P6\n# by hand\n40 30\n255\n" + pictures[0].tobytes())
    (tmp_path / "b.raw").write_bytes(pictures[1].tobytes())
    done = _simulate(host, folder, "maps", "a.ppm", "b.raw", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"maps/a\.classes\.pgm: \d+ us on this machine\nmaps/b\.classes\.pgm: \d+ us.*\n", done.stdout)
    predict = interpreter.predictor(micro.MicroModel(folder / "net.tflite"))
    for name, picture in zip("ab", pictures, strict=True):
        written = (tmp_path / "maps" / f"{name}.classes.pgm").read_bytes()
        assert written.startswith(b"P5\n40 30\n255\n")
        assert (np.frombuffer(written[13:], np.uint8).reshape(FRAME) == segment(predict, picture, size=(16, 16))).all()


@needs_cmake
def test_the_host_simulator_refuses_what_is_no_frame(folder, host, tmp_path):
    whole = np.zeros((*FRAME, 3), np.uint8).tobytes()
    cases = {
        "size.ppm": (b"P6 40 31 255\n" + whole, "is 31 pixels high and 40 wide; frames are 30 and 40: resize it"),
        "deep.ppm": (b"P6 40 30 65535\n" + whole, "is no binary 8-bit .ppm picture (P6)"),
        "text.ppm": (b"P3 40 30 255\n" + whole, "is no binary 8-bit .ppm picture (P6)"),
        "cut.ppm": (b"P6 40 30 255\n" + whole[1:], "is no whole picture"),
        "empty.ppm": (b"", "is no binary 8-bit .ppm picture (P6)"),
        "raw.bin": (
            whole[1:],
            "has 3599 bytes; give a binary 8-bit .ppm picture (P6), or a file of 3600 bytes, a frame in rgb888",
        ),
    }
    for name, (written, _) in cases.items():
        (tmp_path / name).write_bytes(written)
    done = _simulate(host, folder, "maps", *cases, "gone.ppm", cwd=tmp_path)
    assert done.returncode == 2
    said = done.stderr.splitlines()
    assert [line.split()[0] for line in said] == [*cases, "gone.ppm"]
    for line, (_, words) in zip(said, cases.values(), strict=False):
        assert words in line
    assert "cannot be read" in said[-1]
    assert list((tmp_path / "maps").iterdir()) == []
    assert "usage: net_simulate FOLDER PICTURE..." in _simulate(host, folder, "maps", cwd=tmp_path).stderr


@needs_cmake
def test_the_host_runs_the_test_vector_and_prints_its_class_map(content, folder, host):
    _run("ctest", "--test-dir", host)
    heard = class_log.read(_run(host / "net_test").encode(), file="log")
    inputs = [np.random.default_rng(0).integers(-128, 128, (1, 16, 16, 3), np.int8)]
    _, ((logits,),) = parity.compare(content, [inputs])
    assert (heard.ids == class_map.class_ids(logits, stride=1)).all()
    assert (heard.microseconds, heard.verdict) == (5000, "PASS: the output is equal, byte for byte")


@needs_cmake
def test_the_host_says_what_is_missing(folder, tmp_path):
    done = subprocess.run(["cmake", "-S", folder / "host", "-B", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "give TFLite Micro, which is not in here: -DTFLM_INCLUDE=" in done.stderr


@needs_compiler
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_simulator_of_every_layout(content, tmp_path, layout):
    _written(tmp_path, content, input_format=layout, projects=("host",))
    sources = [tmp_path / name for name in ("host/simulate.cc", "net_model_data.cc", "net_test_vector.cc")]
    command = ["g++", *WARNINGS, *_stand_in("net"), "-DSTAND_IN_ASKS", f"-I{tmp_path}", *sources, "-o", tmp_path / "simulate"]
    _run(*command)
    picture = np.random.default_rng(0).integers(0, 256, (*FRAME, 1 if layout == "grey" else 3), np.uint8)
    (tmp_path / "a.ppm").write_bytes(b"P6 40 30 255\n" + picture.tobytes())
    (tmp_path / "a.pgm").write_bytes(b"P5 40 30 255\n" + picture.tobytes())
    given = "a.pgm" if layout == "grey" else "a.ppm"
    done = _asking("cp in out", "./simulate", "maps", given, cwd=tmp_path)
    if "yuyv" in layout or "uyvy" in layout:
        assert done.returncode == 2
        assert f"give a file of 2400 bytes, a frame in {layout}" in done.stderr
        return
    # `cp` gives 768 bytes where 1024 are logits, which is no model, but tells what was put in.
    frame = frames.Frame(layout, FRAME, frames.picture_of(Graph(content)))
    red, green, blue = (picture[..., c].astype(int) for c in (0, -2 % picture.shape[2], -1))
    word = red >> 3 << 11 | green >> 2 << 5 | blue >> 3
    seen = picture
    if "565" in layout:
        seen = np.stack([np.rint((word >> shift & most) * 255 / most) for shift, most in ((11, 31), (5, 63), (0, 31))], -1)
    boxed = letterbox(np.broadcast_to(seen, (*FRAME, 3)).astype(np.uint8), size=(16, 16))[0]
    expected = np.stack([frame.picture.quantized[c][boxed[..., c]] for c in range(3)], -1)
    assert (tmp_path / "in").read_bytes() == expected.tobytes()


@needs_cmake
@pytest.mark.parametrize(
    ("project", "option"), [("esp-idf", "IDF_PATH={}/esp-idf"), ("zephyr/app", "ZEPHYR_BASE={}/zephyr")]
)  # fmt: skip
def test_the_projects_of_esp_idf_and_zephyr(folder, tmp_path, project, option, monkeypatch):
    """Against files that stand in for both systems': paths, names and targets hold together, and what is built passes."""
    name, value = option.format(STAND_IN).split("=")
    monkeypatch.setenv(name, value)
    options = [f"-DSTAND_IN_DEFINITIONS={_definitions()}", f"-DZephyr_DIR={STAND_IN}/zephyr/cmake"]
    _run("cmake", "-S", folder / project, "-B", tmp_path, *options)
    _run("cmake", "--build", tmp_path)
    program = tmp_path / ("app" if "zephyr" in project else "net_test")
    said = _run(program)
    assert said.splitlines()[-1] == "PASS: the output is equal, byte for byte"
    assert class_log.read(said.encode(), file="log").num_classes == 4


ARM = ("-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", "-Os", "-mthumb", "-ffunction-sections")


@pytest.mark.skipif(
    shutil.which("arm-none-eabi-g++") is None,
    reason="no arm-none-eabi-g++; Debian: gcc-arm-none-eabi and libstdc++-arm-none-eabi-newlib",
)
@pytest.mark.parametrize("cpu", ["cortex-m4", "cortex-m55"])
def test_all_that_runs_on_a_board_compiles_and_links_for_one(folder, tmp_path, cpu):
    compiler = ("arm-none-eabi-g++", *WARNINGS, *ARM, f"-mcpu={cpu}", "-mfloat-abi=hard", *_stand_in("net"))
    library = folder / "arduino" / "net"
    sources = [*folder.glob("*.cc"), *library.glob("src/*.cpp"), *library.glob("examples/*/*.cpp"), STAND_IN / "micro_log.cc"]
    assert len(sources) == 7
    for i, source in enumerate(sources):
        own = ("-DARDUINO", f"-I{library}/src") if library in source.parents else (f"-I{folder}", "-DKERASSEG_PRINT_CLASS_MAP")
        _run(*compiler, *own, "-c", source, "-o", tmp_path / f"{i}.o")
    program = [tmp_path / f"{sources.index(source)}.o" for source in sources if library not in source.parents]
    _run(*compiler, "--specs=rdimon.specs", "-Wl,--gc-sections", *program, "-o", tmp_path / "program.elf")
    assert b"ELF" in (tmp_path / "program.elf").read_bytes()[:4]


@needs_compiler
def test_the_sketch_of_arduino_runs_the_test_vector(folder, tmp_path):
    library = folder / "arduino" / "net"
    (tmp_path / "Chirale_TensorFlowLite.h").write_text("")
    serial = "struct { void begin(long) {} explicit operator bool() { return true; } } Serial;\n"
    sketch = (library / "examples" / "test_vector" / "test_vector.ino").read_text()
    (tmp_path / "sketch.cpp").write_text(f"{serial}{sketch}\nint main() {{ setup(); loop(); }}\n")
    sources = [
        tmp_path / "sketch.cpp",
        *library.glob("src/*.cpp"),
        *library.glob("examples/*/*.cpp"),
        STAND_IN / "micro_log.cc",
    ]
    _run(
        "g++",
        *WARNINGS,
        *_stand_in("net"),
        "-DARDUINO",
        f"-I{library}/src",
        f"-I{tmp_path}",
        *sources,
        "-o",
        tmp_path / "sketch",
    )
    said = _run(tmp_path / "sketch")
    assert said.splitlines()[-1] == "PASS: the output is equal, byte for byte"
    assert class_log.read(said.encode(), file="log").ids.shape == (16, 16)
    listed = dict(line.split("=", 1) for line in (library / "library.properties").read_text().splitlines())
    # https://arduino.github.io/arduino-cli/latest/library-specification/: these are required
    assert {"name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures"} <= set(
        listed
    )
    assert (library / "src" / listed["includes"]).is_file()


def test_every_file_that_the_yaml_names_is_there(folder):
    yaml = pytest.importorskip("yaml")
    named = 0
    for path in sorted(folder.rglob("*.yml")):
        assert isinstance(yaml.safe_load(path.read_text()), dict)
        for relative in re.findall(r"(?:file|layer|project): ([\w./]+\.(?:cc|yml))", path.read_text()):
            assert (path.parent / relative).is_file(), f"{path} names {relative}"
            named += 1
    assert named == 5
    layer = yaml.safe_load((folder / "cmsis" / "net.clayer.yml").read_text())["layer"]
    assert layer["description"] == "my net.tflite"
    assert {"TF_LITE_STATIC_MEMORY": 1} in layer["define"]
    module = yaml.safe_load((folder / "zephyr" / "module.yml").read_text())
    assert (folder / module["build"]["cmake"] / "CMakeLists.txt").is_file()
    assert (folder / module["build"]["kconfig"]).is_file()
    assert "CONFIG_KERASSEG_NET=y" in (folder / "zephyr" / "app" / "prj.conf").read_text()
    assert "config KERASSEG_NET\n" in (folder / "zephyr" / "Kconfig").read_text()


def test_the_readme_has_what_was_asked(folder, content, tmp_path):
    readme = (folder / "README.md").read_text()
    for name, project in PROJECTS.items():
        assert f"| `{name}/` | {project.about} |" in readme
        assert project.source in readme
    assert not re.search(r"\$[a-z{]", readme)
    assert "kerasseg micro --log=BOARD.log" in readme
    assert "_simulate maps PICTURE..." in readme
    _written(tmp_path, content, projects=())
    assert "Projects that build" not in (tmp_path / "README.md").read_text()
    assert not any(path.is_dir() for path in tmp_path.iterdir())


def test_a_partition_has_room_for_the_file(folder):
    size = int(re.findall(r"factory,.*(0x\w+)", (folder / "esp-idf" / "partitions.csv").read_text())[0], 16)
    # 512 KiB of code, a small model and a small vector, in steps of 64 KiB; with 64 KiB before it that is within 2 MB.
    assert size == 0x90000
    assert "CONFIG_ESPTOOLPY_FLASHSIZE_2MB=y" in (folder / "esp-idf" / "sdkconfig.defaults").read_text()


@needs_compiler
def test_a_model_that_tells_no_classes_has_no_simulator(tmp_path):
    net = int8(network(keras.layers.Flatten(), keras.layers.Dense(3)))
    vector = vectors.Vector("noise", (np.zeros((1, 16, 16, 3), np.int8),), (np.zeros((1, 3), np.int8),))
    request = firmware.Request(projects=("host", "host", "arduino"))
    texts = firmware.sources(net, file="f", sha256="", request=request, room=MEMORY, vector=vector)
    assert [name for name in texts if name.startswith("host/")] == ["host/CMakeLists.txt"]
    assert "simulate" not in texts["host/CMakeLists.txt"] + texts["README.md"]
    assert "PRINT_CLASS_MAP" not in texts["main.cc"] + texts["README.md"]
    assert texts["README.md"].count("| `host/` |") == 1
    assert "class_map" not in texts["arduino/model/src/model.h"]
    for name in ("main.cc", *(name for name in texts if name.endswith(".h") and "/" not in name)):
        (tmp_path / name).write_text(texts[name])
    options = [*WARNINGS, *_stand_in("model"), "-DKERASSEG_PRINT_CLASS_MAP", f"-I{tmp_path}"]
    _run("g++", *options, "-c", tmp_path / "main.cc", "-o", tmp_path / "main.o")
