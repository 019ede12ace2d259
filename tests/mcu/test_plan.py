import dataclasses

import keras
import numpy as np
import pytest

from kerasseg.errors import InputError
from kerasseg.lite.flatbuffer import Graph
from kerasseg.mcu import memory, offline, plan, planned, runtime, scratch
from tests.lite.nets import int8, network
from tests.mcu.planning import assert_equal_in_both_engines, batches, quantized, squeeze_excite

L = keras.layers


@pytest.fixture(scope="module")
def content():
    return quantized(squeeze_excite(side=32, channels=64))


@pytest.fixture(scope="module")
def found(content):
    return plan.search(content)


def test_a_plan_takes_less_and_gives_the_same_numbers(content, found):
    before = runtime.measure_arena(content)
    assert found.needed_bytes < 0.8 * (before.total_bytes + scratch.arena_growth(Graph(content)))
    assert [change.what for change in found.changes] == ["phases"]  # squeeze-excite leaves no rows to cut
    assert found.macs == Graph(content).macs()
    assert_equal_in_both_engines(content, found.content)
    graph = Graph(found.content)
    assert max(one.live_bytes for one in memory.live(graph)) == found.arena.head_bytes
    assert memory.savings(graph) == []


def test_a_stem_is_cut_into_strips_and_work_is_bounded():
    stem = [L.Conv2D(24, 3, strides=2, padding="same"), L.DepthwiseConv2D(3, strides=2, padding="same"), L.Conv2D(4, 1)]
    image = keras.Input((96, 96, 3), batch_size=1)
    x = image
    for layer in stem:
        x = layer(x)
    content = quantized(keras.Model(image, x))
    found = plan.search(content)
    assert {change.what for change in found.changes} == {"strips"}
    assert found.arena.total_bytes < 0.9 * runtime.measure_arena(content).total_bytes
    assert Graph(content).macs() < found.macs <= 1.1 * Graph(content).macs()
    more = plan.search(content, extra_macs_percent=50)
    assert more.needed_bytes < found.needed_bytes
    assert more.macs <= 1.5 * Graph(content).macs()
    assert_equal_in_both_engines(content, found.content)
    free = plan.search(content, extra_macs_percent=0)
    assert free is None or free.macs == Graph(content).macs()


def test_nothing_is_smaller_than_one_small_operator():
    assert plan.search(int8(network(L.Conv2D(4, 1)))) is None


def test_files_that_cannot_be_taken_apart(found):
    with pytest.raises(plan.CannotPlan, match="it has one already"):
        plan.search(found.content)
    graph = Graph(int8(network(L.Conv2D(4, 1))))
    graph.model.subgraphs = graph.model.subgraphs * 2
    with pytest.raises(plan.CannotPlan, match="it has 2 sub-graphs"):
        plan.refuse(graph)


def test_a_plan_is_held_against_its_file(content, found):
    given = batches(content)
    outcome = planned.hold(content, found, given, file="net_planned.tflite")
    assert outcome.runs == 3
    assert outcome.before.arena_bytes == runtime.measure_arena(content).total_bytes
    assert outcome.after.arena_bytes == outcome.after.head_bytes + outcome.after.tail_bytes == found.arena.total_bytes
    assert (outcome.before.macs, outcome.after.flash_bytes) == (Graph(content).macs(), len(found.content))
    assert outcome.time_ratio > 0
    text = planned.note(outcome)
    assert f"It takes {found.arena.total_bytes} bytes of arena" in text
    assert "OfflineMemoryAllocation" in text
    other = dataclasses.replace(found, content=quantized(squeeze_excite(side=32, channels=64)))  # other kernels
    with pytest.raises(InputError, match="gives other numbers in LiteRT for 3 of 3 inputs; leave out --memory_plan"):
        planned.hold(content, other, given, file="net_planned.tflite")


def test_a_scratch_buffer_takes_the_first_gap(content, found):
    graph = Graph(found.content)
    asked = scratch.cmsis_nn_scratch(graph)
    offsets = offline.offsets_of(graph)
    arena = found.arena.head_bytes
    for spans, count in zip(offline.spans(graph, offsets), asked, strict=True):
        free = sorted(
            set(range(0, arena + found.scratch_bytes, 16)) - {at for low, high in spans for at in range(low, high, 16)}
        )
        runs = np.split(free, np.flatnonzero(np.diff(free) > 16) + 1)
        assert not count or max(map(len, runs)) * 16 >= count


@pytest.mark.slow
def test_a_micro_row_on_real_pictures(shared):
    """What the plans are for: micro_96 gives the same numbers for CamVid, in both engines, in 0.9 of its arena."""
    from kerasseg import build_model, int8
    from kerasseg.data.letterbox import letterbox
    from kerasseg.data.pictures import read_image
    from kerasseg.int8 import calibration

    paths = sorted((shared / "data" / "camvid" / "val").glob("*.png"))[::40]
    images = np.stack([letterbox(read_image(path), size=(96, 96))[0] for path in paths])
    model = build_model("micro_96", num_classes=11, size=(96, 96), batch_size=1)
    content = int8.quantize(int8.prepare_model(model, calibration.representative(images)))
    given = [[(image[None].astype(np.int16) - 128).astype(np.int8)] for image in images]
    outcome = planned.hold(content, plan.search(content), given, file="micro_96_planned.tflite")
    assert outcome.runs == len(paths) >= 3
    assert outcome.after.arena_bytes < 0.9 * outcome.before.arena_bytes
    assert outcome.after.macs <= 1.1 * outcome.before.macs
