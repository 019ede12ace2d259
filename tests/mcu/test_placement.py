import keras
import pytest

from kerasseg.lite.flatbuffer import Graph
from kerasseg.lite.surgery import Surgery
from kerasseg.mcu import offline, placement, runtime
from kerasseg.mcu.placement import Layout
from tests.lite.nets import int8, network
from tests.mcu.planning import assert_equal_in_both_engines, squeeze_excite


@pytest.fixture(scope="module")
def content():
    return int8(squeeze_excite())


def test_lifetimes_and_what_is_needed_at_once():
    image = keras.Input((16, 16, 3), batch_size=1)
    first = keras.layers.Conv2D(4, 1)(image)
    second = keras.layers.Conv2D(4, 1)(first)
    graph = Graph(int8(keras.Model(image, keras.layers.Add()([first, second]))))
    ends = [one.outputs[0] for one in graph.operators]
    assert [placement.lifetimes(graph)[tensor] for tensor in ends] == [(0, 2), (1, 2), (2, 2)]
    # 256 positions: image 768 and first 1024; first and second; the sum lies over one of the two.
    assert Layout(graph).bound() == [1792, 2048, 2048]
    assert Layout(graph, scratch=[0, 100, 0]).bound() == [1792, 2048 + 112, 2048]  # rounded up to 16


def test_a_sum_is_not_written_over_what_is_needed_again():
    image = keras.Input((16, 16, 3), batch_size=1)
    first = keras.layers.Conv2D(4, 1)(image)
    total = keras.layers.Add()([first, keras.layers.Conv2D(4, 1)(first)])
    graph = Graph(int8(keras.Model(image, keras.layers.Concatenate()([total, first]))))
    layout = Layout(graph)
    first, second, total, _ = (one.outputs[0] for one in graph.operators)
    offsets = layout.place()
    assert offsets[total] == offsets[second] != offsets[first]


def test_rows_lie_in_what_they_are_of():
    graph = Graph(int8(network(keras.layers.Conv2D(4, 1))))
    image, output = 0, graph.operators[0].outputs[0]
    surgery = Surgery(graph)
    halves, made = [], []
    for half in range(2):
        sliced = surgery.tensor(image, (1, 8, 16, 3), name=f"rows{half}")
        halves.append(surgery.tensor(output, (1, 8, 16, 4), name=f"half{half}"))
        ends = [image, surgery.integers([0, 8 * half, 0, 0]), surgery.integers([1, 8, 16, 3])]
        made += [
            surgery.operator("SLICE", ends, sliced),
            surgery.again(0, [sliced, *graph.operators[0].inputs[1:]], halves[-1:]),
        ]
    graph = surgery.graph([*made, surgery.operator("CONCATENATION", halves, output, axis=1)])
    offsets = Layout(graph).place()
    names = {graph.name(tensor): offset for tensor, offset in offsets.items()}
    assert names["rows1"] - names["rows0"] == 8 * 16 * 3
    assert names["half1"] - names["half0"] == 8 * 16 * 4
    # Slices first need nothing beside the image; at the end the second half of the image and both of the output are there.
    assert Layout(graph).bound() == [768, 768 + 512, 768 + 512, 384 + 1024, 1024]
    assert offline.spoiled(graph, offsets) == []


def test_a_plan_is_taken_by_tflite_micro_and_changes_no_number(content):
    graph = Graph(content)
    layout = Layout(graph)
    offsets = layout.place()
    assert layout.end(offsets) == max(layout.bound())
    planned = offline.with_offsets(graph, offsets).content()
    assert offline.offsets_of(Graph(planned)) == offsets
    before, after = runtime.measure_arena(content), runtime.measure_arena(planned)
    assert after.head_bytes == layout.end(offsets) < before.head_bytes
    assert after.tail_bytes == before.tail_bytes
    assert_equal_in_both_engines(content, planned)
    assert offline.offsets_of(Graph(offline.without_offsets(planned))) == {}


def test_a_plan_that_does_not_hold_is_found(content):
    graph = Graph(content)
    offsets = Layout(graph).place()
    assert offline.spoiled(graph, offsets) == []
    expanded = next(one for one in graph.operators if one.name == "DEPTHWISE_CONV_2D")
    # A depthwise convolution may not be written over what it reads, nor over the first tensor, which the sum needs.
    over = offsets | {expanded.outputs[0]: offsets[expanded.inputs[0]]}
    assert graph.name(expanded.inputs[0]) in offline.spoiled(graph, over)
    entry = graph.operators[0].outputs[0]
    assert graph.name(entry) in offline.spoiled(graph, offsets | {expanded.outputs[0]: offsets[entry]})


def test_covered_bytes():
    assert placement.covered([(0, 10), (5, 20), (30, 40), (32, 35)]) == 30
    assert placement.covered([]) == 0


def test_what_is_written_over_what_it_is_computed_from():
    image = keras.Input((16, 16, 3), batch_size=1)
    x = keras.layers.Conv2D(16, 1)(keras.layers.Rescaling(0.01, -1.0)(image))
    x = keras.layers.Activation("hard_silu")(x)
    x = keras.layers.Activation("sigmoid")(keras.layers.Add()([x, keras.layers.Conv2D(16, 3, padding="same")(x)]))
    weight = keras.layers.Activation("sigmoid")(keras.layers.GlobalAveragePooling2D(keepdims=True)(x))
    x = keras.layers.Activation("relu6")(keras.layers.Multiply()([x, weight]))
    content = int8(keras.Model(image, keras.layers.Reshape((256, 16))(x)))
    graph = Graph(content)
    offsets = Layout(graph).place()
    kinds = {one.name for one in graph.operators if offsets[one.outputs[0]] in {offsets.get(t) for t in one.inputs}}
    assert {"MUL", "ADD", "LOGISTIC", "HARD_SWISH", "RESHAPE"} <= kinds
    assert_equal_in_both_engines(content, offline.with_offsets(graph, offsets).content())


def test_an_output_is_not_written_over():
    image = keras.Input((16, 16, 3), batch_size=1)
    x = keras.layers.Conv2D(4, 1)(image)
    graph = Graph(int8(keras.Model(image, [x, keras.layers.Activation("sigmoid")(x)])))
    assert graph.operators[-1].name == "LOGISTIC"
    offsets = Layout(graph).place()
    assert offsets[graph.operators[0].outputs[0]] != offsets[graph.operators[-1].outputs[0]]
    assert offline.spoiled(graph, offsets) == []
