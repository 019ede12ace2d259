"""The generated sources compile without a warning, hold the file byte for byte, and find a wrong output."""

import dataclasses
import shutil
import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from kerasseg.int8 import quantization, ranges
from kerasseg.lite.flatbuffer import Graph
from kerasseg.logits import class_ids
from kerasseg.mcu import firmware
from kerasseg.mcu import runtime as micro
from tests.lite.nets import as_float, from_tf, int8, network

STAND_IN = Path(__file__).parent / "stand_in"
WARNINGS = ("-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror")
MEMORY = firmware.Memory(1000, 600, 400, 10.0, 64, "1.0")


@pytest.fixture(scope="module")
def content():
    return int8(network(keras.layers.Conv2D(4, 3, strides=2, padding="same"), keras.layers.Resizing(16, 16)))


@pytest.fixture(scope="module")
def folder(content, tmp_path_factory):
    inputs = [np.random.default_rng(0).integers(-128, 128, (1, 16, 16, 3), np.int8)]
    _, outputs = micro.compare(content, [inputs])
    vector = firmware.Vector("noise", tuple(inputs), tuple(outputs[0]))
    folder = tmp_path_factory.mktemp("sources")
    texts = firmware.sources(content, file="net.tflite", sha256="ab" * 32, name="model", room=MEMORY, vector=vector)
    for name, text in texts.items():
        (folder / name).write_text(text)
    return folder


def _build(folder, output, *options):
    command = [
        "g++", *WARNINGS, f"-I{STAND_IN}", f"-I{folder}", *options,
        *(str(folder / name) for name in ("main.cc", "model_data.cc", "test_vector.cc")), "-o", str(output),
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


@needs_compiler
@pytest.mark.parametrize(
    ("option", "words"), [("-DSTAND_IN_FLIP", "1 bytes of the output differ"), ("-DSTAND_IN_ARENA=1177", "small arena (raise")]
)
def test_main_fails_where_something_is_wrong(folder, tmp_path, option, words):
    done = _build(folder, tmp_path / "main", option)
    assert done.returncode == 1
    assert words in done.stdout


@needs_compiler
def test_the_array_is_the_file_byte_for_byte(content, folder, tmp_path):
    (tmp_path / "dump.cc").write_text(
        '#include <cstdio>\n#include "model_data.h"\n'
        "int main() { std::fwrite(model::kModelData, 1, model::kModelDataSize, stdout);\n"
        "  return reinterpret_cast<unsigned long>(model::kModelData) % 16 == 0 ? 0 : 1; }\n"
    )
    command = ["g++", *WARNINGS, f"-I{folder}", tmp_path / "dump.cc", folder / "model_data.cc", "-o", tmp_path / "dump"]
    subprocess.run(command, check=True)
    done = subprocess.run([tmp_path / "dump"], capture_output=True, check=False)
    assert done.returncode == 0  # aligned
    assert done.stdout == content


@needs_compiler
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_the_class_map_is_that_of_the_evaluation(tmp_path, stride):
    net = int8(network(keras.layers.Conv2D(5, 1, strides=stride)))
    vector = firmware.Vector("noise", (), ())
    texts = firmware.sources(net, file="net.tflite", sha256="", name="model", room=MEMORY, vector=vector)
    (tmp_path / "class_map.h").write_text(texts["class_map.h"])
    (tmp_path / "map.cc").write_text(
        '#include <cstdio>\n#include "class_map.h"\n'
        "int main() { static std::int8_t logits[model::kHeight * model::kWidth * model::kClasses];\n"
        "  if (std::fread(logits, 1, sizeof(logits), stdin) == 0) return 1;\n"
        "  for (int i = 0; i < model::kHeight; ++i)\n"
        "    for (int j = 0; j < model::kWidth; ++j) std::putchar(model::ClassAt(logits, i, j));\n"
        "  return 0; }\n"
    )
    subprocess.run(["g++", *WARNINGS, f"-I{tmp_path}", tmp_path / "map.cc", "-o", tmp_path / "map"], check=True)
    logits = np.random.default_rng(0).integers(-128, 128, (1, 16 // stride, 16 // stride, 5), np.int8)
    done = subprocess.run([tmp_path / "map"], input=logits.tobytes(), capture_output=True, check=True)
    ids = np.frombuffer(done.stdout, np.uint8).reshape(1, 16, 16)
    expected = class_ids(logits, size=(16, 16))
    # In whole numbers ties are ties; in float32 one of the two is larger by a rounding.
    assert (ids != expected).mean() < 0.01


def test_a_model_that_does_not_segment_has_no_class_map():
    net = int8(network(keras.layers.Flatten(), keras.layers.Dense(3)))
    vector = firmware.Vector("noise", (), ())
    assert "class_map.h" not in firmware.sources(net, file="f", sha256="", name="model", room=MEMORY, vector=vector)


def test_it_compiles_for_a_cortex_m7(folder, tmp_path):
    compiler = "arm-none-eabi-g++"
    if shutil.which(compiler) is None:
        pytest.skip("no arm-none-eabi-g++; Debian: gcc-arm-none-eabi and libstdc++-arm-none-eabi-newlib")
    for name in ("main.cc", "model_data.cc", "test_vector.cc"):
        options = ("-mcpu=cortex-m7", "-fno-exceptions", "-fno-rtti", "-Os", f"-I{STAND_IN}", f"-I{folder}")
        command = [compiler, *WARNINGS, *options, "-c", folder / name, "-o", tmp_path / f"{name}.o"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_resolver_has_exactly_the_operators(content, folder):
    text = (folder / "op_resolver.h").read_text()
    assert firmware.operators(Graph(content)) == {"CONV_2D": 1, "RESIZE_BILINEAR": 1}
    assert "MicroMutableOpResolver<2>" in text
    assert text.count("resolver.Add") == 2
    assert "AddConv2D()" in text
    assert "AddResizeBilinear()" in text


def test_the_rest_of_the_folder(folder):
    assert "kArenaMeasured = 1000" in (folder / "arena.h").read_text()
    assert "espressif/esp-tflite-micro" in (folder / "idf_component.yml").read_text()
    readme = (folder / "README.md").read_text()
    assert "TF_LITE_STATIC_MEMORY" in readme
    assert "TF_LITE_STATIC_MEMORY" in (folder / "main.cc").read_text()
    for word in ("ESP-IDF", "Arduino", "Zephyr", "CMSIS-Pack", "Input 0: (1, 16, 16, 3) int8, value = "):
        assert word in readme
    assert not any("$" in path.read_text() for path in folder.iterdir())  # nothing was left to fill in


def test_every_operator_has_a_method_by_its_name():
    for kind, method in {"CONV_2D": "Conv2D", "PADV2": "PadV2", "L2_POOL_2D": "L2Pool2D", "CUMSUM": "CumSum"}.items():
        assert firmware.METHODS[kind.replace("_", "").lower()] == method


def test_scratch_by_hand(content):
    # A 3x3 convolution of 3 channels: DSP two columns of 27 rounded up to 28 int16, Helium four of 27 rounded up to 32 bytes.
    assert firmware.cmsis_nn_scratch(Graph(content)) == [max(2 * 28 * 2, 4 * 32), 0]
    assert firmware.cmsis_nn_scratch(Graph(int8(network(keras.layers.Conv2D(4, 1))))) == [0]
    depthwise = int8(network(keras.layers.DepthwiseConv2D(3, padding="same")))
    assert firmware.cmsis_nn_scratch(Graph(depthwise)) == [4 * 124 * 9]  # Helium: 124 channels, whatever it has
    dilated = int8(network(keras.layers.DepthwiseConv2D(3, padding="same", dilation_rate=2)))
    assert firmware.cmsis_nn_scratch(Graph(dilated)) == [0]  # plain C


def test_scratch_that_a_linked_program_asked_for():
    """One 5x5 depthwise convolution, 24x24x16: an M55 took 31,396 bytes, 12,400 of them scratch, which 10 % did not cover."""
    image = keras.Input((24, 24, 16), batch_size=1)
    net = keras.Model(image, keras.layers.DepthwiseConv2D(5, padding="same")(image))
    rng = np.random.default_rng(0)
    content = as_float(net)
    samples = [rng.uniform(0, 255, (1, 24, 24, 16)).astype(np.float32) for _ in range(2)]
    content = quantization.with_ranges(content, ranges.measure(content, lambda: ([sample] for sample in samples)))
    graph = Graph(content)
    assert firmware.arena_growth(graph) == 12_400
    if micro.is_installed():
        measured = micro.measure_arena(content).total_bytes
        assert measured + firmware.arena_growth(graph) >= 31_396
        assert measured + 0.1 * measured < 31_396
    # A picture of 16 channels is none: nothing says what its outputs mean.
    vector = firmware.Vector("noise", (), ())
    texts = firmware.sources(content, file="f", sha256="", name="model", room=MEMORY, vector=vector)
    assert "class_map.h" not in texts
    assert "class_map.h" not in texts["README.md"]


def test_scratch_under_the_peak_costs_nothing(content):
    # Live at the convolution: 16 * 16 * 3 + 8 * 8 * 4; at the resize 8 * 8 * 4 + 16 * 16 * 4, which is more by 256.
    assert firmware.arena_growth(Graph(content)) == 0


def test_a_name_that_cpp_does_not_take(content):
    vector = firmware.Vector("noise", (), ())
    for name in ("my-model", "2nd", "Model", "a b", ""):
        with pytest.raises(ValueError, match=f"{name!r} is no C\\+\\+ namespace here"):
            firmware.sources(content, file="f", sha256="", name=name, room=MEMORY, vector=vector)
    for name in ("class", "int", "std", "tflite", "main"):
        with pytest.raises(ValueError, match=f"{name!r} is a word of C\\+\\+, .*; give a name such as {name}_model"):
            firmware.check_name(name)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: from_tf(network(keras.layers.Conv2D(4, 1))), r"f.tflite is a float model: CONV_2D at .* computes in float32"),
        (
            lambda: from_tf(network(keras.layers.UpSampling2D(2, interpolation="nearest"))),
            r"has TILE \(at .*\), which TFLite Micro lacks; use Resizing\(interpolation='nearest'\)",
        ),
        (
            lambda: from_tf(network(keras.layers.Conv2D(4, 1), batch_size=None)),
            r"has an open size \(-1, .* convert it with batch 1",
        ),
    ],
)
def test_what_tflite_micro_would_refuse(make, message):
    with pytest.raises(ValueError, match=message):
        firmware.check(Graph(make()), file="f.tflite")


def test_a_hybrid_model_and_weights_outside_the_file(content):
    layers = network(keras.layers.Conv2D(4, 1), keras.layers.Conv2D(4, 1), keras.layers.Conv2D(4, 1))

    middle = Graph(as_float(layers))
    hybrid = int8(layers, float_tensors=[middle.name(middle.operators[1].outputs[0])])
    with pytest.raises(ValueError, match=r"is in part a float model \(hybrid\).*without --float_layers"):
        firmware.check(Graph(hybrid), file="f.tflite")
    graph = Graph(content)
    firmware.check(graph, file="f.tflite")
    graph.model.buffers[1].offset = 4096
    with pytest.raises(ValueError, match="keeps weights outside the flatbuffer, where TFLite Micro reads nonsense"):
        firmware.check(graph, file="f.tflite")


def test_uint8_models_of_old_are_refused(content):
    graph = Graph(content)
    graph.tensors[graph.operators[0].outputs[0]].type = schema.TensorType.UINT8
    with pytest.raises(ValueError, match=r"computes in uint8 \(CONV_2D at .*convert the model again"):
        firmware.check(graph, file="f.tflite")


def test_the_margin_is_a_multiple_of_the_alignment():
    assert dataclasses.replace(MEMORY, margin_percent=0.0).margin_bytes == 0
    assert dataclasses.replace(MEMORY, margin_percent=1.0).margin_bytes == 16
