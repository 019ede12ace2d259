"""The generated sources compile without a warning, hold the file byte for byte, and find a wrong output."""

import dataclasses
import shutil
import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest

from kerasseg.data.labels import palette
from kerasseg.data.letterbox import Placement, restore, segment
from kerasseg.lite import interpreter, retyping
from kerasseg.lite.flatbuffer import Graph
from kerasseg.logits import class_ids
from kerasseg.mcu import class_map, ethos, firmware, frames, operators, parity, vectors
from kerasseg.mcu import runtime as micro
from tests.lite.nets import int8, network

STAND_IN = Path(__file__).parent / "stand_in"
WARNINGS = ("-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror")
CLASSES = ("sky", 'a "quoted" \\ one', "Straße 4", "a\nline")
MEMORY = firmware.Memory(1000, 600, 400, 10.0, 64, "1.0")


@pytest.fixture(scope="module")
def content():
    return int8(network(keras.layers.Conv2D(4, 3, strides=2, padding="same"), keras.layers.Resizing(16, 16)))


@pytest.fixture(scope="module")
def folder(content, tmp_path_factory):
    inputs = [np.random.default_rng(0).integers(-128, 128, (1, 16, 16, 3), np.int8)]
    _, outputs = parity.compare(content, [inputs])
    vector = vectors.Vector("noise", tuple(inputs), tuple(outputs[0]))
    folder = tmp_path_factory.mktemp("sources")
    return _written(folder, content, vector)


def _written(folder, content, vector, **request):
    request = firmware.Request(**{"name": "net", "class_names": CLASSES} | request)
    texts = firmware.sources(content, file="net.tflite", sha256="ab" * 32, request=request, room=MEMORY, vector=vector)
    for name, text in texts.items():
        (folder / name).write_text(text)
    return folder


def _stand_in(name):
    names = (f'-DSTAND_IN_VECTOR="{name}_test_vector.h"', f"-DSTAND_IN_NAME={name}")
    return (f"-I{STAND_IN}", "-DTF_LITE_STATIC_MEMORY", *names)


def _build(folder, output, *options):
    command = [
        "g++", *WARNINGS, *_stand_in("net"), f"-I{folder}", *options,
        *(str(folder / name) for name in ("main.cc", "net_model_data.cc", "net_test_vector.cc")),
        str(STAND_IN / "micro_log.cc"), "-o", str(output),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return subprocess.run([output], capture_output=True, text=True, check=False)


needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++ on this machine")


@needs_compiler
def test_main_passes_where_the_output_is_right(folder, tmp_path):
    done = _build(folder, tmp_path / "main", "-DSTAND_IN_ARENA=1000")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "PASS: the output is equal, byte for byte")
    # 1000 bytes, 64 of scratch, and 10 %, rounded up to a multiple of 16: 112.
    assert "arena: 1000 bytes used of 1176" in done.stdout
    assert "time: 5000 us a run" in done.stdout  # 5 ticks of 1 / 1000 s
    assert "pixels: 0 of 256 have another class" in done.stdout


@needs_compiler
def test_a_port_without_a_clock_is_told(folder, tmp_path):
    done = _build(folder, tmp_path / "main", "-DSTAND_IN_RATE=0")
    assert (done.returncode, done.stdout.splitlines()[0][:14]) == (0, "time: unknown,")


@needs_compiler
def test_main_accepts_what_was_accepted(content, folder, tmp_path):
    inputs = [np.random.default_rng(0).integers(-128, 128, (1, 16, 16, 3), np.int8)]
    _, outputs = parity.compare(content, [inputs])
    tolerant = _written(tmp_path, content, vectors.Vector("noise", tuple(inputs), tuple(outputs[0])), tolerance_lsb=1)
    done = _build(tolerant, tmp_path / "main", "-DSTAND_IN_FLIP=1")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (
        0,
        "PASS: 1 bytes of the output differ, by up to 1 of 1 accepted",
    )


@needs_compiler
@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("-DSTAND_IN_FLIP=1", "FAIL: 1 bytes of the output differ, by up to 1; accepted are 0"),
        ("-DSTAND_IN_ARENA=1177", "small arena (give"),
    ],
)
def test_main_fails_where_something_is_wrong(folder, tmp_path, option, words):
    done = _build(folder, tmp_path / "main", option)
    assert done.returncode == 1
    assert words in done.stdout


@needs_compiler
def test_the_array_is_the_file_byte_for_byte(content, folder, tmp_path):
    (tmp_path / "dump.cc").write_text(
        '#include <cstdio>\n#include "net_model_data.h"\n'
        "int main() { std::fwrite(net::kModelData, 1, net::kModelDataSize, stdout);\n"
        "  return reinterpret_cast<unsigned long>(net::kModelData) % 16 == 0 ? 0 : 1; }\n"
    )
    command = ["g++", *WARNINGS, f"-I{folder}", tmp_path / "dump.cc", folder / "net_model_data.cc", "-o", tmp_path / "dump"]
    subprocess.run(command, check=True)
    done = subprocess.run([tmp_path / "dump"], capture_output=True, check=False)
    assert done.returncode == 0  # aligned
    assert done.stdout == content


@needs_compiler
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_the_class_map_is_that_of_the_evaluation(tmp_path, stride):
    net = int8(network(keras.layers.Conv2D(5, 1, strides=stride)))
    logits = np.random.default_rng(0).integers(-128, 128, (1, 16 // stride, 16 // stride, 5), np.int8)
    _written(tmp_path, net, vectors.Vector("noise", (), (logits,)))
    (tmp_path / "map.cc").write_text(
        '#include <cstdio>\n#include "net_class_map.h"\n'
        "int main() { static std::int8_t logits[net::kHeight * net::kWidth * net::kClasses];\n"
        "  if (std::fread(logits, 1, sizeof(logits), stdin) == 0) return 1;\n"
        "  for (int i = 0; i < net::kHeight; ++i)\n"
        "    for (int j = 0; j < net::kWidth; ++j) std::putchar(net::ClassAt(logits, i, j));\n"
        "  return 0; }\n"
    )
    subprocess.run(["g++", *WARNINGS, f"-I{tmp_path}", tmp_path / "map.cc", "-o", tmp_path / "map"], check=True)
    done = subprocess.run([tmp_path / "map"], input=logits.tobytes(), capture_output=True, check=True)
    ids = np.frombuffer(done.stdout, np.uint8).reshape(16, 16)
    assert (ids == class_map.class_ids(logits, stride=stride)).all()
    # In whole numbers ties are ties; in float32 one of the two is larger by a rounding.
    assert (ids != class_ids(logits, size=(16, 16))[0]).mean() < 0.01


@needs_compiler
@pytest.mark.parametrize("layout", ["rgb565", "rgb565_swapped"])
def test_colours_and_counts_over_a_frame(content, tmp_path, layout):
    rng = np.random.default_rng(0)
    logits = rng.integers(-128, 128, (1, 16, 16, 4), np.int8)
    _written(tmp_path, content, vectors.Vector("noise", (), (logits,)), input_format=layout, frame=(30, 40))
    (tmp_path / "map.cc").write_text(
        '#include <cstdio>\n#include <cstring>\n#include "net_class_map.h"\n'
        "int main() { static std::int8_t logits[net::kHeight * net::kWidth * net::kClasses];\n"
        "  if (std::fread(logits, 1, sizeof(logits), stdin) == 0) return 1;\n"
        "  std::uint32_t counts[net::kClasses];\n  net::CountClasses(logits, counts);\n"
        "  std::fwrite(counts, 1, sizeof(counts), stdout);\n"
        "  for (int y = 0; y < net::kFrameHeight; ++y) {\n"
        "    std::uint16_t row[net::kFrameWidth];\n"
        "    if (std::fread(row, 1, sizeof(row), stdin) == 0) return 1;\n"
        "    net::OverlayRow(logits, y, row);\n    std::fwrite(row, 1, sizeof(row), stdout);\n  }\n"
        "  for (const char* name : net::kClassNames) std::fwrite(name, 1, std::strlen(name) + 1, stdout);\n"
        "  return 0; }\n"
    )
    subprocess.run(["g++", *WARNINGS, f"-I{tmp_path}", tmp_path / "map.cc", "-o", tmp_path / "map"], check=True)
    order = "<u2" if layout == "rgb565" else ">u2"
    frame = rng.integers(0, 2**16, (30, 40)).astype(order)
    done = subprocess.run([tmp_path / "map"], input=logits.tobytes() + frame.tobytes(), capture_output=True, check=True)
    ids = class_map.class_ids(logits, stride=1)
    # 30 x 40 into 16 x 16: 12 rows of the input are picture, 4 are grey below it.
    assert np.frombuffer(done.stdout[:16], "<u4").tolist() == np.bincount(ids[:12].ravel(), minlength=4).tolist()
    colors = np.array(palette(CLASSES))[restore(ids, Placement((12, 16), (30, 40)))]
    parts = [(frame >> shift) & most for shift, most in ((11, 31), (5, 63), (0, 31))]
    means = [(part + (colors[..., c] >> (2 if c == 1 else 3))) // 2 for c, part in enumerate(parts)]
    expected = means[0] << 11 | means[1] << 5 | means[2]
    assert (np.frombuffer(done.stdout[16 : 16 + 2400], order).reshape(30, 40) == expected).all()
    assert done.stdout[16 + 2400 :].decode().split("\0")[:-1] == list(CLASSES)


@needs_compiler
def test_what_the_readme_says_compiles_and_names_a_class(content, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    given = frames.picture_of(Graph(content)).quantized[0][pixels][None]
    _, outputs = parity.compare(content, [[given]])
    _written(tmp_path, content, vectors.Vector("noise", (given,), tuple(outputs[0])))
    snippet = (tmp_path / "README.md").read_text().split("```cpp")[1].split("```")[0]
    (tmp_path / "own.cc").write_text(
        f"{snippet}\n#include <cstdio>\n"
        "int main() { static std::uint8_t frame[16 * 16 * 3];\n"
        "  for (std::uint8_t& one : frame) one = static_cast<std::uint8_t>(std::getchar());\n"
        "  std::fputs(InTheMiddle(frame), stdout); return 0; }\n"
    )
    sources = [tmp_path / f"net_{name}.cc" for name in ("model_data", "test_vector")]
    command = ["g++", *WARNINGS, *_stand_in("net"), f"-I{tmp_path}", tmp_path / "own.cc", *sources, "-o", tmp_path / "own"]
    subprocess.run(command, check=True)
    done = subprocess.run([tmp_path / "own"], input=pixels.tobytes(), capture_output=True, check=True)
    assert done.stdout.decode() == CLASSES[int(outputs[0][0][0, 8, 8].argmax())]


@needs_compiler
def test_from_a_frame_to_the_classes_of_predict(content, tmp_path):
    frame = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    vector = vectors.Vector("noise", (), (np.zeros((1, 16, 16, 4), np.int8),))
    _written(tmp_path, content, vector, frame=(30, 40))
    (tmp_path / "own.cc").write_text(
        '#include <cstdio>\n#include "net_class_map.h"\n'
        "static std::uint8_t frame[30 * 40 * 3];\nstatic std::int8_t input[16 * 16 * 3], logits[16 * 16 * 4];\n"
        "int main(int count, char**) {\n"
        "  if (std::fread(frame, 1, sizeof(frame), stdin) == 0) return 1;\n"
        "  net::FrameReader reader(input);\n  reader.AddFrame(frame);\n"
        "  if (count == 1) return std::fwrite(input, 1, sizeof(input), stdout) == 0;\n"
        "  if (std::fread(logits, 1, sizeof(logits), stdin) == 0) return 1;\n"
        "  for (int y = 0; y < 30; ++y) for (int x = 0; x < 40; ++x) std::putchar(net::ClassInFrame(logits, y, x));\n"
        "  return 0; }\n"
    )
    subprocess.run(["g++", *WARNINGS, f"-I{tmp_path}", tmp_path / "own.cc", "-o", tmp_path / "own"], check=True)
    filled = subprocess.run([tmp_path / "own"], input=frame.tobytes(), capture_output=True, check=True).stdout
    _, ((logits,),) = parity.compare(content, [[np.frombuffer(filled, np.int8).reshape(1, 16, 16, 3)]])
    given = frame.tobytes() + logits.tobytes()
    ids = subprocess.run([tmp_path / "own", "classes"], input=given, capture_output=True, check=True).stdout
    path = tmp_path / "net.tflite"
    path.write_bytes(content)
    predict = interpreter.predictor(micro.MicroModel(path))
    assert (np.frombuffer(ids, np.uint8).reshape(30, 40) == segment(predict, frame, size=(16, 16))).all()


PROBE = """
#include <cstdio>
#include "{name}_model_data.h"
#include "{name}_op_resolver.h"
#include "{name}_test_vector.h"
void {function}(std::FILE* file) {{
  {name}::OpResolver resolver;
  std::fputc({name}::RegisterOperators(resolver) == kTfLiteOk ? static_cast<int>(resolver.count()) : 255, file);
  std::fwrite({name}::kModelData, 1, {name}::kModelDataSize, file);
  std::fwrite({name}::kTestInputs[0].data, 1, {name}::kTestInputs[0].size, file);
  std::fwrite({name}::kTestOutputs[0].data, 1, {name}::kTestOutputs[0].size, file);
}}
"""


@needs_compiler
@pytest.mark.parametrize("called", [("first", "second"), ("same", "same")])
def test_two_exports_from_archives_keep_their_own_weights(content, tmp_path, called):
    other = int8(network(keras.layers.Conv2D(5, 1)))
    expected = []
    for i, (name, net) in enumerate(zip(called, (content, other), strict=True)):
        folder = tmp_path / f"folder{i}"
        folder.mkdir()
        inputs = [np.random.default_rng(i).integers(-128, 128, (1, 16, 16, 3), np.int8)]
        _, outputs = parity.compare(net, [inputs])
        _written(folder, net, vectors.Vector("noise", tuple(inputs), tuple(outputs[0])), name=name)
        (folder / "probe.cc").write_text(PROBE.format(name=name, function=f"Probe{i}"))
        for source in (f"{name}_model_data", f"{name}_test_vector", "probe"):
            subprocess.run(["g++", *WARNINGS, *_stand_in(name), "-c", f"{source}.cc"], cwd=folder, check=True)
        subprocess.run("ar rcs lib.a *.o", cwd=folder, shell=True, check=True)
        expected.append(bytes([len(operators.count(Graph(net)))]) + net + inputs[0].tobytes() + outputs[0][0].tobytes())
    (tmp_path / "main.cc").write_text(
        "#include <cstdio>\nvoid Probe0(std::FILE*);\nvoid Probe1(std::FILE*);\n"
        "int main() { Probe0(stdout); Probe1(stdout); return 0; }\n"
    )
    archives = [f"folder{i}/lib.a" for i in (0, 1)]
    subprocess.run(["g++", "main.cc", *archives, "-o", "main"], cwd=tmp_path, check=True)
    done = subprocess.run([tmp_path / "main"], capture_output=True, check=True)
    assert done.stdout == b"".join(expected)  # each has its own model, and the vector that TFLite Micro gave for it


@needs_compiler
def test_what_vela_compiled_has_sources_of_its_own(content, tmp_path):
    estimate, made = ethos.compiled(content, accelerator="ethos-u55-128")
    inputs = [np.random.default_rng(0).integers(-128, 128, (1, 16, 16, 3), np.int8)]
    _, outputs = parity.compare(content, [inputs])
    vector = vectors.Vector("noise", tuple(inputs), tuple(outputs[0]))
    request = firmware.Request(name="net", class_names=CLASSES)
    found = firmware.npu_sources(made, estimate, request=request, room=MEMORY, vector=vector)
    assert found["ethos-u55-128/net_vela.tflite"] == made
    folder = tmp_path / "ethos-u55-128"
    folder.mkdir()
    for name, text in found.items():
        (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
    # 400 bytes stay, as before Vela; 10 % of that and of the head is the margin.
    assert f"kArenaComputed = {estimate.head_bytes + 400};" in (folder / "net_vela_arena.h").read_text()
    resolver = (folder / "net_vela_op_resolver.h").read_text()
    assert "AddEthosU()" in resolver
    assert ("AddResizeBilinear()" in resolver) == bool(estimate.cpu_operators)
    readme = (folder / "README.md").read_text()
    assert "**For ethos-u55-128.** Vela " in readme
    assert "`net_vela.tflite`" in readme
    assert "report.json" not in readme  # which is one folder up
    assert "`../report.html` has boards" in readme
    assert "Nothing here runs the NPU's commands" in readme
    sources = [folder / name for name in ("main.cc", "net_vela_model_data.cc", "net_vela_test_vector.cc")]
    sources.append(STAND_IN / "micro_log.cc")
    command = ["g++", *WARNINGS, *_stand_in("net_vela"), f"-I{folder}", *sources, "-o", tmp_path / "main"]
    subprocess.run(command, check=True)
    assert subprocess.run([tmp_path / "main"], check=False).returncode == 0


def test_a_model_that_does_not_segment_has_no_class_map():
    net = int8(network(keras.layers.Flatten(), keras.layers.Dense(3)))
    image = keras.Input((16, 16, 16), batch_size=1)
    wide = keras.Model(image, keras.layers.DepthwiseConv2D(3, padding="same")(image))  # a picture of 16 channels is none
    for content in (net, int8(wide, images=np.random.default_rng(0).integers(0, 256, (2, 16, 16, 16), np.uint8))):
        vector = vectors.Vector("noise", (), (np.zeros(3, np.int8),))
        texts = firmware.sources(content, file="f", sha256="", request=firmware.Request(), room=MEMORY, vector=vector)
        assert "model_class_map.h" not in texts
        assert "class_map.h" not in texts["README.md"] + texts["main.cc"]
        assert ("model_input.h" in texts) == (content is net)


def test_more_classes_than_a_byte_holds_have_no_class_map():
    for count, fits in ((254, True), (255, False), (300, False)):
        content = int8(network(keras.layers.Conv2D(count, 1)))
        (logits,) = (graph.shape(int(end)) for graph in [Graph(content)] for end in graph.model.subgraphs[0].outputs)
        vector = vectors.Vector("noise", (), (np.zeros(logits, np.int8),))
        texts = firmware.sources(content, file="f", sha256="", request=firmware.Request(), room=MEMORY, vector=vector)
        assert ("model_class_map.h" in texts) == fits
        assert ("it takes 254 classes at most" in texts["README.md"]) != fits


def test_a_model_with_uint8_ends_says_what_would_have_a_class_map(content):
    for given, dtype, hint in ((retyping.with_uint8(content), np.uint8, True), (content, np.int8, False)):
        vector = vectors.Vector("noise", (), (np.zeros((1, 16, 16, 4), dtype),))
        texts = firmware.sources(given, file="f", sha256="", request=firmware.Request(), room=MEMORY, vector=vector)
        readme = texts["README.md"]
        assert ("There is no class_map.h" in readme) is hint
        assert ("kerasseg convert --io_type=int8" in readme) is hint


def test_the_resolver_has_exactly_the_operators(content, folder):
    text = (folder / "net_op_resolver.h").read_text()
    assert operators.count(Graph(content)) == {"CONV_2D": 1, "RESIZE_BILINEAR": 1}
    assert "MicroMutableOpResolver<2>" in text
    assert text.count("resolver.Add") == 2
    assert "AddConv2D(tflite::Register_CONV_2D_INT8())" in text
    assert "AddResizeBilinear()" in text


def test_the_rest_of_the_folder(folder):
    assert "kArenaMeasured = 1000" in (folder / "net_arena.h").read_text()
    assert "espressif/esp-tflite-micro" in (folder / "idf_component.yml").read_text()
    readme = (folder / "README.md").read_text()
    assert "TF_LITE_STATIC_MEMORY" in readme
    assert "TF_LITE_STATIC_MEMORY" in (folder / "main.cc").read_text()
    for word in ("ESP-IDF", "Arduino", "Zephyr", "CMSIS-Pack", "Input 0: (1, 16, 16, 3) int8, value = "):
        assert word in readme
    assert not any("$" in path.read_text() for path in folder.iterdir())  # nothing was left to fill in


def test_the_margin_is_a_multiple_of_the_alignment():
    assert dataclasses.replace(MEMORY, margin_percent=0.0).margin_bytes == 0
    assert dataclasses.replace(MEMORY, margin_percent=1.0).margin_bytes == 16
