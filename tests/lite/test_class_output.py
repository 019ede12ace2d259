import numpy as np
import pytest

from kerasseg.lite.class_output import ClassMap, Logits, OneChannel, class_output
from kerasseg.lite.flatbuffer import Graph
from kerasseg.lite.tensors import Tensor
from tests.lite import foreign
from tests.lite.foreign import Made


def _tensor(shape, dtype, *, scale=0.0, zero_point=0):
    return Tensor(0, shape, np.dtype(dtype), scale, zero_point)


def test_one_channel_passes_its_threshold_in_the_files_own_steps():
    # 0.5 = (0 - -128) / 256: an int8 sigmoid passes it from 1 on
    sigmoid = OneChannel(_tensor((1, 1, 4, 1), np.int8, scale=1 / 256, zero_point=-128), 2, (1, 4), 0.5)
    raw = np.array([-128, 0, 1, 127], np.int8).reshape(1, 1, 4, 1)
    np.testing.assert_array_equal(sigmoid.ids(raw), [[[0, 0, 1, 1]]])
    # The same without a channel, in floats, half as large: bilinear gives -1, -0.5, 0.5, 1 for -1, 1.
    logit = OneChannel(_tensor((1, 1, 2), np.float32), 2, (2, 4), 0.0)
    np.testing.assert_array_equal(logit.ids(np.array([[[-1, 1]]], np.float32)), [[[0, 0, 1, 1]] * 2])
    with pytest.raises(ValueError, match="are not finite"):
        logit.ids(np.full((1, 1, 2), np.nan, np.float32))


def test_a_coarse_class_map_is_repeated_never_mixed():
    coarse = ClassMap(_tensor((1, 1, 2), np.int64), 6, (2, 4))
    np.testing.assert_array_equal(coarse.ids(np.array([[[1, 5]]], np.int64)), [[[1, 1, 5, 5]] * 2])
    with pytest.raises(ValueError, match="the model gives class 1 to 6, of 6; it is no map of class ids"):
        coarse.ids(np.array([[[1, 6]]], np.int64))


def test_more_classes_than_a_byte_has_room_for_are_refused():
    graph = Graph(foreign.make(Made()))
    output = graph.model.subgraphs[0].tensors[int(graph.model.subgraphs[0].outputs[0])]
    output.shape = [1, 16, 16, 254]
    assert class_output(graph, size=(16, 16), channels_first=False, file="m").num_classes == 254
    output.shape = [1, 16, 16, 255]
    with pytest.raises(ValueError, match="m gives 255 classes; 254 are the most"):
        class_output(graph, size=(16, 16), channels_first=False, file="m")


@pytest.mark.parametrize("first", [False, True])
def test_logits_that_could_be_read_either_way_stand_as_the_picture_does(first):
    # (1, 16, 16, 16): 16 classes of 16x16 pixels, first or last
    graph = Graph(foreign.make(Made()))
    graph.model.subgraphs[0].tensors[int(graph.model.subgraphs[0].outputs[0])].shape = [1, 16, 16, 16]
    found = class_output(graph, size=(16, 16), channels_first=first, file="m")
    assert isinstance(found, Logits)
    assert (found.num_classes, found.channels_first) == (16, first)
    logits = np.zeros((1, 16, 16, 16), np.float32)
    logits[0, 3, 2, 1] = 1  # class 3 at (2, 1), or class 1 at (3, 2)
    ids = found.ids(logits)
    assert ids[0, 2, 1] == (3 if first else 0)
    assert ids[0, 3, 2] == (0 if first else 1)
