"""Networks of one channel, from training to the camera: grey is made alike everywhere, and as Pillow makes it."""

import dataclasses
import json
import re
import shutil
import threading

import keras
import numpy as np
import pytest
from PIL import Image

from kerasseg import files, grey, jobs
from kerasseg.browser import runtime as litertjs
from kerasseg.browser import server
from kerasseg.data import pipeline, shapes, workers
from kerasseg.data.augment import augment
from kerasseg.data.letterbox import letterbox, segment
from kerasseg.errors import InputError
from kerasseg.jobs import CompareSettings, ConversionSettings, ExportSettings
from kerasseg.lite import interpreter
from kerasseg.lite.flatbuffer import Graph
from kerasseg.mcu import runtime
from kerasseg.models import backbone, build_model, get_spec, pretrained
from kerasseg.run import directory, trained
from kerasseg.run.directory import open_run
from kerasseg.score import engines
from kerasseg.training import loop
from tests.conftest import SHORT, assert_one_line, kerasseg, write_picture

QAT = ConversionSettings(recipe="int8_qat", calibration_examples=4, epochs=1)


def _luma(rgb):
    """ITU-R BT.601-7's shares in Pillow's fixed point (Convert.c, L24)."""
    return (rgb.astype(int) @ [19595, 38470, 7471] + 32768) >> 16


def _drawn():
    return shapes.load()["val"][0].image[:96, :96]


def test_it_is_pillows_and_leaves_grey_as_it_is():
    images = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), np.uint8)
    found = grey.fitted(images, 1)
    assert (found.shape, found.dtype) == ((2, 5, 7, 1), np.uint8)
    np.testing.assert_array_equal(found[..., 0], _luma(images))
    np.testing.assert_array_equal(found[1, ..., 0], np.asarray(Image.fromarray(images[1]).convert("L")))
    np.testing.assert_array_equal(grey.fitted(images.astype(np.float32), 1), found)
    every = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, -1)
    np.testing.assert_array_equal(grey.fitted(every, 1), every[..., :1])
    assert grey.fitted(images, 3) is images
    assert grey.fitted(found, 1) is found


@pytest.mark.parametrize("ending", ["npz", "weights.h5"])
def test_before_training_it_is_the_colour_network_of_a_grey_picture(ending, tmp_path):
    reference = keras.applications.MobileNetV3Small(input_shape=(64, 64, 3), include_top=False, weights=None)
    rng = np.random.default_rng(1)
    for weight in reference.weights:
        weight.assign(rng.uniform(0.5, 1, weight.shape) if "variance" in weight.path else rng.normal(0, 0.3, weight.shape))
    path = tmp_path / f"small.{ending}"
    if ending == "npz":
        np.savez(path, **{f"{one.name}/{w.name}": np.array(w) for one in reference.layers for w in one.weights})
    else:
        reference.save_weights(path)
    outputs = []
    picture = rng.integers(0, 256, (1, 64, 64, 1)).astype(np.float32)
    for name, channels in (("micro_96", 3), ("micro_grey_96", 1)):
        spec = get_spec(name)
        image, low, high = backbone.features(spec, size=(64, 64), batch_size=1, bn_momentum=0.95)
        model = keras.Model(image, [low, high])
        pretrained.load_weights(model, spec, source=str(path))
        assert model.get_layer("conv").kernel.shape == (3, 3, channels, 16)
        outputs.append([keras.ops.convert_to_numpy(out) for out in model(np.repeat(picture, channels, -1), training=False)])
    for ours, theirs in zip(*outputs, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5 * np.abs(theirs).max())


def test_any_row_takes_grey_and_no_other_number():
    model = build_model(get_spec("tiny", channels=1), size=(64, 64))
    assert model.input.shape == (None, 64, 64, 1)
    with pytest.raises(
        InputError, match=r"channels=2 is not supported; give 1 for grey or 3 for RGB \(0 takes the model's own"
    ):
        get_spec("tiny", channels=2)


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_crops_become_grey_after_their_colours_changed(backend, monkeypatch):
    monkeypatch.setattr("keras.backend.backend", lambda: backend)
    config = dataclasses.replace(SHORT, model="tiny", channels=1, color=0.5, batch_size=2)
    split = shapes.load()["train"].first(2)
    ((images, _),) = (map(np.asarray, batch) for batch in pipeline.train_batches(split, config, epoch=3))
    assert (images.shape, images.dtype) == ((2, 64, 64, 1), np.float32)
    expected = []
    for i, example in enumerate(split.examples()):
        image, labels = augment(example.image, example.labels, config, random=np.random.default_rng((config.seed, 3, i)))
        expected.append(_luma(image)[..., None])
        np.testing.assert_array_equal(workers.crop(split, config, epoch=3, position=i)[1], labels)
    assert sorted(map(np.sum, images)) == sorted(map(np.sum, expected))


def _grey(config):
    """In grey; batch norms know the last batch, so that eight steps are enough to see something."""
    return dataclasses.replace(config, channels=1, bn_momentum=0.0, ema_decay=0.0, train_examples=32)


@pytest.fixture(scope="module")
def run(short, tmp_path_factory):
    """A run directory of `short` in grey, with its int8 file; its logits are levelled, so that it sees more than one class."""
    folder = tmp_path_factory.mktemp("grey") / "run"
    loop.train(_grey(short), workdir=folder)
    model = trained.load_trained(open_run(folder))
    means = np.asarray(model(grey.fitted(_drawn()[None], 1).astype(np.float32), training=False)).mean((0, 1, 2))
    logits = model.get_layer("logits")
    logits.bias.assign(np.asarray(logits.bias) - means)
    model.save_weights(folder / "best.weights.h5")
    result = kerasseg("convert", f"--workdir={folder}", "--calibration_examples=4")
    assert result.returncode == 0, result.stderr
    return folder


def test_the_run_knows_and_another_number_is_refused(short, run):
    opened = open_run(run)
    assert files.read_json(run / "config.json")["config"]["channels"] == opened.spec.channels == 1
    assert "64x64, grey" not in (run / "report.html").read_text()
    assert "96x96, grey" in (run / "report.html").read_text()
    assert (
        "kerasseg train --model=short --dataset=shapes --size=64,64 --eval_size=96,96 --channels=1"
        in (run / "report.html").read_text()
    )
    with pytest.raises(InputError, match=r"holds a run with other settings: channels \(1 there, 3 asked\)"):
        loop.train(dataclasses.replace(_grey(short), channels=3), workdir=run)


def test_a_run_from_before_takes_three(short_run, tmp_path):
    copy = shutil.copytree(short_run, tmp_path / "run")
    stored = files.read_json(copy / "config.json")
    del stored["config"]["channels"]
    files.write_json(copy / "config.json", stored)
    assert open_run(copy).spec.channels == 3
    assert trained.load_trained(open_run(copy)).input.shape == (1, 96, 96, 3)
    directory.refuse_other(dataclasses.replace(open_run(copy), config=SHORT))  # nothing is


def test_colours_and_their_grey_are_one_picture(run, tmp_path):
    """To the run's model and to its file: (H, W, 3) comes in, as everywhere."""
    for predictor in (jobs.load_predictor(workdir=run), jobs.load_predictor(tflite=run / "int8.tflite")):
        image = _drawn()
        replicated = np.repeat(_luma(image)[..., None], 3, -1).astype(np.uint8)
        ids = predictor.predict(image[None])
        assert len(np.unique(ids)) > 1
        np.testing.assert_array_equal(ids, predictor.predict(replicated[None]))
    # And a grey PNG goes in as it is.
    path = write_picture(tmp_path / "in" / "a.png", replicated[..., 0])
    result = kerasseg("predict", f"--tflite={run / 'int8.tflite'}", path, f"--output_dir={tmp_path / 'out'}", "--save=index")
    assert result.returncode == 0, result.stderr
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out" / "a_index.png")), ids[0])


def test_the_file_takes_one_channel_and_its_papers_say_so(run):
    graph = Graph((run / "int8.tflite").read_bytes())
    assert graph.shape(int(graph.model.subgraphs[0].inputs[0])) == (1, 96, 96, 1)
    story = files.read_json(run / "int8.tflite.json")
    assert story["input"][:5] == [1, 96, 96, 1, "int8"]
    assert story["pixel_agreement"]["share"] > 0.8  # hardly trained: many pixels are near ties
    card = (run / "int8.tflite.md").read_text()
    assert "Input: a grey picture, values 0 to 255" in card
    assert "RGB" not in card


@pytest.mark.slow
def test_evaluate_check_and_report(run):
    assert kerasseg("evaluate", f"--workdir={run}").returncode == 0
    page = jobs.report(run).read_text()  # checks, and ranks the layers
    assert "<td>int8.tflite</td><td>0..255</td>" in page
    assert "Where int8.tflite hurts" in page
    report = files.read_json(run / "check.json")
    assert report["config"]["channels"] == 1
    assert report["keras"]["miou"] == files.read_json(run / "evaluate_val" / "report.json")["scores"]["miou"]
    assert report["files"][0]["pixel_agreement"] > 0.8
    if runtime.is_installed():
        flags = ("--kernels=micro", "--examples=1", "--max_miou_drop=100", "--json")
        result = kerasseg("check", f"--workdir={run}", f"--tflite={run / 'int8.tflite'}", *flags)
        assert result.returncode == 0, result.stderr
        assert json.loads(result.stdout)["config"]["channels"] == 1
        micro, reference = (
            interpreter.predictor(engines.load(run / "int8.tflite", kernels=kernels))(_drawn()[None])
            for kernels in ("micro", "reference")
        )
        assert (micro == reference).mean() > 0.99


@pytest.mark.slow
def test_a_comparison_tells_it_from_the_same_row_in_colours(short_run, run, tmp_path):
    settings = CompareSettings(runs=1, warmup=0, pictures=1)
    report = jobs.compare([short_run, run], output_dir=tmp_path, settings=settings)
    assert [row["channels"] for row in report["rows"]] == [3, 1]
    table = (tmp_path / "compare.md").read_text()
    cells = [line.split(" | ")[1] for line in table.splitlines() if line.startswith("| `short`")]
    assert cells == ["96x96", "96x96 grey"]


@pytest.mark.slow
def test_fine_tuned_in_eight_bits(run, tmp_path):
    pytest.importorskip("tensorflow_model_optimization", reason="the extra qat is not installed")
    copy = shutil.copytree(run, tmp_path / "run")
    found = jobs.convert(copy, settings=QAT)
    assert found.input[:4] == [1, 96, 96, 1]
    assert found.twin_agreement == 1.0


def test_a_colour_camera_gives_what_predict_sees(run, tmp_path):
    if not runtime.is_installed():
        pytest.skip("TFLite Micro is not installed")
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    write_picture(tmp_path / "in" / "a.png", image)
    settings = ExportSettings(pictures=1, input_format="rgb888", frame=(60, 80))
    report = jobs.export(run / "int8.tflite", output_dir=tmp_path / "mcu", images=tmp_path / "in", settings=settings)
    assert report["failures"] == []
    header = (tmp_path / "mcu" / "mcu_input.h").read_text()
    assert "constexpr int kChannels = 1;" in header
    assert "constexpr int kValues = 3;" in header
    text = re.search(r"kTestInput0\[\] = \{(.*?)\}", (tmp_path / "mcu" / "mcu_test_vector.cc").read_text(), re.DOTALL)[1]
    given = np.frombuffer(bytes(int(number, 16) for number in re.findall("0x..", text)), np.int8).reshape(96, 96)
    np.testing.assert_array_equal(given, _luma(letterbox(image, size=(96, 96))[0]) - 128)


def test_a_page_sees_what_predict_sees(run, browser, tmp_path):
    try:
        litertjs.contents()
    except InputError as error:
        pytest.skip(str(error))
    image = np.asarray(Image.fromarray(_drawn()).resize((120, 90), Image.Resampling.BILINEAR))
    path = write_picture(tmp_path / "a.png", image)
    jobs.publish(run / "int8.tflite", output_dir=tmp_path / "page")
    running = server.serving(tmp_path / "page")
    threading.Thread(target=running.serve_forever, daemon=True).start()
    tab = browser.new_page()
    tab.goto(f"http://{server.HOST}:{running.server_port}/index.html")
    tab.wait_for_function("globalThis.kerasseg", timeout=60_000)
    found = tab.evaluate(
        """async (bytes) => [...(await kerasseg.runBlob(new Blob([Uint8Array.from(bytes)], {type: "image/png"}))).ids]""",
        list(path.read_bytes()),
    )
    running.shutdown()
    running.server_close()
    predictor = jobs.load_predictor(tflite=run / "int8.tflite")
    assert len(np.unique(found)) > 1
    np.testing.assert_array_equal(np.reshape(found, (90, 120)), segment(predictor.predict, image, size=predictor.size))


def test_what_cannot_be_is_one_line(run, tmp_path):
    result = kerasseg("train", "--model=tiny", "--channels=2", f"--workdir={tmp_path / 'run'}")
    assert_one_line(result, "channels=2 is not supported")
    weights = run / "best.weights.h5"
    result = kerasseg(
        "train", "--model=short", "--size=64,64", f"--init_weights={weights}", "--train_examples=4", "--val_examples=2",
        f"--workdir={tmp_path / 'run'}",
    )  # fmt: skip
    assert_one_line(result, "is of short with 1 channel and 6 classes, and this is short with 3 channels and 6 classes; give")
    assert not (tmp_path / "run" / "config.json").exists()
