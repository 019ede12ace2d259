import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasseg.int8 import calibration, prepare_model, quantize
from kerasseg.lite.flatbuffer import Graph
from kerasseg.mcu import ethos, operators
from kerasseg.models import build_model
from tests.int8.test_folding import lively
from tests.lite.nets import int8, network


def _doubling():
    return int8(network(keras.layers.Conv2D(4, 3, padding="same"), keras.layers.Resizing(32, 32)))


def test_vela_compiles_and_is_read():
    found, made = ethos.compiled(_doubling(), accelerator="ethos-u55-128")
    assert found.file_bytes == len(made)
    # Alive at the end are 16 * 16 * 4 and 32 * 32 * 4 bytes; Vela's own figure has the same plan.
    assert found.head_bytes >= 16 * 16 * 4 + 32 * 32 * 4
    assert found.head_bytes == pytest.approx(1024 * found.sram_kib, abs=16)
    assert ethos.is_compiled(Graph(made))
    with pytest.raises(ValueError, match=r"f.tflite was compiled for Ethos-U by Vela already; give the file before"):
        operators.check(Graph(made), file="f.tflite")
    assert found.cpu_operators == ()
    assert found.npu_operators > 0
    assert found.npu_ms > 0
    assert "0 operator(s) on the CPU" in found.line()


class Classes(keras.layers.Layer):
    def call(self, logits):
        return tf.argmax(logits, -1, output_type=tf.int32)


def test_a_map_of_classes_compiles():
    # Vela 5.2 ends in KeyError: '0' on it when it is asked to list the operators of the CPU.
    found, _ = ethos.compiled(int8(network(keras.layers.Conv2D(4, 3), Classes())), accelerator="ethos-u55-128")
    assert len(found.cpu_operators) + found.npu_operators == 2


def test_operators_on_the_cpu_stand_beside_the_time():
    by_three = network(keras.layers.Conv2D(4, 3, padding="same"), keras.layers.Resizing(48, 48))
    found, _ = ethos.compiled(int8(by_three), accelerator="ethos-u55-128")
    assert len(found.cpu_operators) == 1
    assert found.cpu_operators[0].startswith("RESIZE_BILINEAR at ")
    assert "1 operator(s) on the CPU that it leaves out" in found.line()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["edge_sliced", "edge_small", "micro_128"])
def test_our_rows_leave_nothing_to_the_cpu(name):
    side = int(name[6:]) if name.startswith("micro_") else 96
    images = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), np.uint8)
    model = lively(build_model(name, size=(side, side), num_classes=11, batch_size=1))
    prepared = prepare_model(model, calibration.representative(images), resizes="doubling", rounding="nearest")
    content = quantize(prepared)
    for accelerator in ("ethos-u55-256", "ethos-u85-256"):
        assert ethos.compiled(content, accelerator=accelerator)[0].cpu_operators == ()


def _program(tmp_path, monkeypatch, body):
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    monkeypatch.setattr(ethos.sys, "executable", str(path))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("kill -SEGV $$", r"Vela was killed by signal 11 on this model for ethos-u55-128; report that to Arm"),
        ("echo first >&2; echo 'Error: bad tensor' >&2; exit 1", r"Vela failed \(Error: bad tensor\) on this model"),
        ("exit 0", r"Vela failed \(without a word\)"),
    ],
)
def test_a_crash_is_one_line(tmp_path, monkeypatch, body, message):
    _program(tmp_path, monkeypatch, body)
    with pytest.raises(ValueError, match=message):
        ethos.compiled(b"", accelerator="ethos-u55-128")


def test_one_that_hangs_is_stopped(tmp_path, monkeypatch):
    _program(tmp_path, monkeypatch, "exec sleep 30")
    monkeypatch.setattr(ethos, "TIMEOUT_S", 0.2)
    with pytest.raises(ValueError, match="Vela did not finish in 0.2 s"):
        ethos.compiled(b"", accelerator="ethos-u55-128")


def test_an_unknown_accelerator_and_a_missing_extra(monkeypatch):
    with pytest.raises(ValueError, match="accelerator 'ethos-u99' is unknown; give one of ethos-u55-128, "):
        ethos.compiled(b"", accelerator="ethos-u99")
    monkeypatch.setattr(ethos.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"Vela is not installed; run pip install 'kerasseg\[ethos\]'"):
        ethos.compiled(b"", accelerator="ethos-u55-128")
