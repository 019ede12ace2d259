import json
import socket
import struct
import threading
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from kerasseg import jobs
from kerasseg.browser import runtime, server
from kerasseg.data import letterbox
from kerasseg.errors import InputError
from kerasseg.jobs import PredictSettings, WebSettings
from kerasseg.logits import class_ids
from tests.conftest import assert_one_line, kerasseg, write_picture
from tests.lite.nets import int8, network

# Larger and smaller than the input, wider and higher, one that fits as it is, and one of a single row.
SIZES = [(96, 96), (130, 100), (80, 121), (40, 70), (1, 33), (60, 217), (96, 50)]


@pytest.fixture(scope="module")
def litertjs():
    """The runtime, which the page needs; the tests skip where neither the cache nor the registry has it."""
    try:
        return runtime.contents()
    except InputError as error:
        pytest.skip(str(error))


@pytest.fixture
def opened(browser):
    """Serves a folder and opens it in a tab."""
    running = []

    def open_folder(folder: Path, *, page: str = "index.html", width: int = 1000):
        running.append(server.serving(folder))
        threading.Thread(target=running[-1].serve_forever, daemon=True).start()
        tab = browser.new_page(viewport={"width": width, "height": 900})
        tab.goto(f"http://{server.HOST}:{running[-1].server_port}/{page}")
        return tab

    yield open_folder
    for one in running:
        one.shutdown()
        one.server_close()


def _pictures(folder):
    rng = np.random.default_rng(0)
    paths = []
    for i, size in enumerate(SIZES):
        coarse = rng.integers(0, 256, (*(max(1, side // 8) for side in size), 3), np.uint8)
        smooth = np.asarray(Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BILINEAR))
        paths.append(write_picture(folder / f"p{i}.png", smooth))
    return paths


def _agreement(tab, path, folder):
    """Share of pixels that the page and `predict` see alike."""
    there = tab.evaluate(
        """async (bytes) => {
            const found = await kerasseg.runBlob(new Blob([Uint8Array.from(bytes)], {type: "image/png"}));
            return {ids: [...found.ids], size: [found.height, found.width]};
        }""",
        list(path.read_bytes()),
    )
    here = np.asarray(Image.open(folder / f"{path.stem}_index.png"))
    return (np.reshape(there["ids"], there["size"]) == here).mean()


def test_a_browser_that_leaves_in_the_midst_of_a_file_is_no_error(tmp_path, capfd):
    (tmp_path / "large.bin").write_bytes(bytes(2**25))
    serving = server.serving(tmp_path)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    for _ in range(3):
        with socket.create_connection((server.HOST, serving.server_port)) as link:
            link.sendall(b"GET /large.bin HTTP/1.0\r\n\r\n")
            link.recv(100)
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, not a farewell
    serving.shutdown()
    serving.server_close()  # waits for what is still sent
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_the_page_sees_what_predict_sees(short_run, short_int8, litertjs, opened, tmp_path):
    paths = _pictures(tmp_path / "in")
    float32 = tmp_path / "float32.tflite"
    assert kerasseg("convert", f"--workdir={short_run}", "--recipe=float32", f"--output={float32}").returncode == 0
    coarse = tmp_path / "coarse.tflite"  # of unknown origin, and logits at an eighth of the input
    coarse.write_bytes(int8(network(*(keras.layers.Conv2D(5, 3, strides=2, padding="same") for _ in range(3)))))
    for file, least, workdir in ((short_int8, 1.0, short_run), (float32, 0.999, short_run), (coarse, 1.0, "")):
        folder = tmp_path / f"{file.stem}_page"
        jobs.publish(file, output_dir=folder, workdir=workdir)
        predictor = jobs.load_predictor(tflite=file)
        settings = PredictSettings(save=("index",))
        jobs.predict(paths, predictor, output_dir=tmp_path / file.stem, settings=settings)
        tab = opened(folder)
        tab.wait_for_function("globalThis.kerasseg", timeout=60_000)
        for path in paths:
            assert _agreement(tab, path, tmp_path / file.stem) >= least, (file.stem, path.stem)
        shares = tab.evaluate("[...document.querySelectorAll('#legend .n')].map(cell => parseFloat(cell.textContent))")
        assert sum(shares) == pytest.approx(100, abs=0.05)
        if workdir:
            assert tab.locator("#examples img").count() == 3
            names = tab.evaluate("[...document.querySelectorAll('#legend tr')].map(row => row.cells[1].textContent)")
            assert names == list(predictor.class_names)


@pytest.fixture
def scripts(opened, tmp_path):
    """A tab that has the functions of segment.js."""
    source = Path(runtime.__file__).parent / "files" / "segment.js"
    (tmp_path / "segment.js").write_bytes(source.read_bytes())
    text = "<script type=module>import * as all from './segment.js'; globalThis.all = all;</script>"
    (tmp_path / "page.html").write_text(text)
    tab = opened(tmp_path, page="page.html")
    tab.wait_for_function("globalThis.all")
    return tab


def test_pictures_are_fitted_and_restored_as_pillow_does(scripts):
    rng = np.random.default_rng(1)
    for size in SIZES:
        image = rng.integers(0, 256, (*size, 3), np.uint8)
        boxed, placement = letterbox.letterbox(image, size=(96, 96))
        rgba = np.dstack([image, np.full(size, 255, np.uint8)])
        ids = rng.integers(0, 7, (96, 96), np.uint8)
        found = scripts.evaluate(
            """([data, width, height, ids]) => {
                const {pixels, inner} = all.letterbox({width, height, data}, [96, 96]);
                return {pixels: [...pixels], inner, ids: [...all.restore(ids, [96, 96], inner, height, width)]};
            }""",
            [rgba.ravel().tolist(), size[1], size[0], ids.ravel().tolist()],
        )
        assert tuple(found["inner"]) == placement.inner
        np.testing.assert_array_equal(np.reshape(found["pixels"], boxed.shape), boxed)
        np.testing.assert_array_equal(np.reshape(found["ids"], size), letterbox.restore(ids, placement))


def test_coarse_logits_are_resized_as_predict_does(scripts):
    """Whole numbers and floats, by ratios that are powers of two and by others."""
    rng = np.random.default_rng(2)
    for shape in ((96, 64), (48, 32), (24, 16), (12, 8), (13, 9), (95, 63), (1, 1)):
        floats = rng.normal(size=(1, *shape, 5)).astype(np.float32)
        for logits, offset in ((floats, 0), ((40 * floats).astype(np.int8), 128)):
            found = scripts.evaluate(
                "([logits, shape, offset]) => [...all.classIds(Float32Array.from(logits), shape, [96, 64], -offset)]",
                [(logits.astype(float) + offset).ravel().tolist(), list(logits.shape[1:]), offset],
            )
            np.testing.assert_array_equal(np.reshape(found, (1, 96, 64)), class_ids(logits, size=(96, 64)))


def test_logits_that_are_not_finite_are_refused(scripts):
    for shape in ((96, 64), (48, 32)):
        said = scripts.evaluate(
            """([height, width]) => {
                const logits = new Float32Array(height * width * 3);
                logits[7] = NaN;
                try { all.classIds(logits, [height, width, 3], [96, 64], 0); } catch (error) { return error.message; }
            }""",
            list(shape),
        )
        assert said == "a logit is not finite: the weights overflowed"


def test_a_cdn_page_needs_nothing_but_its_files(short_int8, tmp_path):
    picture = write_picture(tmp_path / "street.png", np.zeros((20, 30, 3), np.uint8))
    page = jobs.publish(short_int8, output_dir=tmp_path / "out", settings=WebSettings(runtime="cdn", pictures=(str(picture),)))
    assert {str(path.relative_to(page.parent)) for path in page.parent.rglob("*") if path.is_file()} == {
        "index.html", "app.js", "segment.js", "model.json", "model.tflite", "examples/street.png",
    }  # fmt: skip
    text = page.read_text(encoding="utf-8")
    assert f'"@litertjs/core": "https://cdn.jsdelivr.net/npm/@litertjs/core@{runtime.VERSION}/dist/index.js"' in text
    about = json.loads((page.parent / "model.json").read_text())
    assert about["name"] == "short, int8"
    assert about["lookup"] == list(range(256))
    assert about["class_names"][1] == "disc"


def test_a_page_takes_the_place_of_another_and_of_nothing_else(short_int8, tmp_path):
    def publish():
        return jobs.publish(short_int8, output_dir=tmp_path, settings=WebSettings(runtime="cdn"))

    (tmp_path / "index.html").write_text("mine")
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(InputError, match=r"index.html, model.json in .* would be written over, and kerasseg web did not"):
        publish()
    assert sorted((path.name, path.read_text()) for path in tmp_path.iterdir()) == [
        ("index.html", "mine"),
        ("model.json", "{}"),
    ]
    for path in list(tmp_path.iterdir()):
        path.unlink()
    assert publish() == publish()


def test_pictures_of_one_name_are_all_shown(short_int8, tmp_path):
    paths = tuple(str(write_picture(tmp_path / f"{at}/a.png", np.full((20, 30, 3), at, np.uint8))) for at in (10, 20))
    page = jobs.publish(short_int8, output_dir=tmp_path / "out", settings=WebSettings(runtime="cdn", pictures=paths))
    assert json.loads((page.parent / "model.json").read_text())["examples"] == ["0_a.png", "1_a.png"]
    assert [np.asarray(Image.open(page.parent / "examples" / f"{i}_a.png")).max() for i in (0, 1)] == [10, 20]


def test_what_cannot_be_shown_is_refused(short_run, tmp_path, monkeypatch):
    assert_one_line(kerasseg("web"), "--tflite or --output_dir is missing")
    classifier = tmp_path / "net.tflite"
    classifier.write_bytes(int8(network(keras.layers.Conv2D(4, 3, strides=2), keras.layers.Flatten(), keras.layers.Dense(3))))
    result = kerasseg("web", f"--tflite={classifier}", f"--output_dir={tmp_path / 'out'}")
    assert_one_line(result, "logits are (1, height, width, classes)")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"cannot be had .*; connect once, .* or give --runtime=cdn"):
        runtime.contents()
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: (tmp_path / "net.tflite").open("rb"))
    with pytest.raises(InputError, match="is not what npm published as @litertjs/core"):
        runtime.contents()
    assert not (tmp_path / "out").exists()
