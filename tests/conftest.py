"""What several tests share: the real data where it is there, a trained tiny run, and commands as a user types them."""

import contextlib
import dataclasses
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerasseg.config import TrainConfig

os.environ.setdefault(
    "JAX_DISABLE_MOST_OPTIMIZATIONS", "1"
)  # of this process and those it starts: compiling is what takes time
REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("KERASSEG_SHARED", REPOSITORY.parent / "shared"))

SHORT = TrainConfig(
    model="short",
    size=(64, 64),
    eval_size=(96, 96),
    backbone_weights="none",
    epochs=2,
    batch_size=4,
    train_examples=8,
    val_examples=4,
    learning_rate=1e-3,
)


# Files of the suite that take longest begin first: a worker that is left alone with one at the end would idle the other.
LONGEST = (
    "training/test_loop.py",
    "test_notebooks.py",
    "training/test_hosts.py",
    "training/test_distillation.py",
    "training/test_qat.py",
    "test_convert.py",
    "models/test_torch_kernels.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files in the order of LONGEST, then the others as they come."""
    order = {REPOSITORY / "tests" / name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET_CHROMIUM = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium driven by Playwright; tests that need it skip where it is absent."""
    if CHROMIUM is None:
        pytest.skip("no chromium on the PATH; Debian: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright; pip install 'kerasseg[test]'")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=list(QUIET_CHROMIUM))
        yield opened
        opened.close()


def looked_at(browser, page: Path, *, width: int, scheme: str):
    """Opens a page and holds it against what every page of ours has to be: no message, no broken picture, nothing too wide."""
    messages: list[str] = []
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab.on("console", lambda message: messages.append(message.text))
    tab.on("pageerror", lambda error: messages.append(str(error)))
    tab.on("request", lambda request: messages.append(request.url) if request.url.startswith("http") else None)
    tab.goto(page.as_uri())
    assert messages == []
    assert tab.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    return tab


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and weights; tests that need it skip where it is absent."""
    if not (SHARED / "data" / "camvid").is_dir():
        pytest.skip(f"no real data in {SHARED}; set KERASSEG_SHARED to the folder that holds data/camvid and weights")
    return SHARED


def add_short() -> None:
    """Adds a model called `short`, `tiny` without its later blocks and half of its head: tracing costs time a layer."""
    from kerasseg.models import variants

    variants.MODELS["short"] = dataclasses.replace(variants.MODELS["tiny"], last_block=1, rates=(2,), decoder_convolutions=1)


@pytest.fixture(scope="module")
def short() -> Iterator[TrainConfig]:
    """One epoch of `short`, which is in the table of models meanwhile."""
    with _short_is_known():
        yield dataclasses.replace(SHORT, epochs=1)


@contextlib.contextmanager
def _short_is_known() -> Iterator[None]:
    from kerasseg.models import variants

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(variants.MODELS, "short", None)
        add_short()
        yield


@pytest.fixture(scope="session")
def _trained(tmp_path_factory) -> tuple[Path, Path]:
    from kerasseg.training import loop as training

    folder = tmp_path_factory.mktemp("short")
    workdir, file = folder / "run", folder / "int8.tflite"
    with _short_is_known():
        training.train(SHORT, workdir=workdir, log=lambda line: None)
        result = kerasseg("convert", f"--workdir={workdir}", "--calibration_examples=4", f"--output={file}")
    assert result.returncode == 0, result.stderr
    return workdir, file


@pytest.fixture(scope="module")
def short_run(short, _trained) -> Path:
    """A run directory of `short`, trained for two epochs on shapes."""
    return _trained[0]


@pytest.fixture(scope="module")
def short_int8(short, _trained) -> Path:
    """The int8 file of `short_run`, with the JSON beside it."""
    return _trained[1]


def kerasseg(*arguments: object) -> subprocess.CompletedProcess:
    """Runs `kerasseg ARGUMENTS` in this process, which spares it a start of TensorFlow, and captures what it prints."""
    from kerasseg import __main__

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
        __main__.main([str(argument) for argument in arguments])
    return subprocess.CompletedProcess(arguments, ended.value.code, out.getvalue(), err.getvalue())


def command(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess:
    """Runs `python ARGUMENTS` as a user would and captures what it prints."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd or REPOSITORY,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=560,
        check=False,
    )


WITH_SHORT = (
    "import sys; from tests.conftest import add_short; from kerasseg import __main__; add_short(); __main__.main(sys.argv[1:])"
)


def assert_one_line(result: subprocess.CompletedProcess, *words: str) -> None:
    """Exit code 2 and one line on stderr that holds every word."""
    assert result.returncode == 2, result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0], lines[0]


def write_picture(path: Path, pixels: np.ndarray, **options) -> Path:
    """Writes an array as a picture, folders included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def write_video(path: Path, frames: Sequence[np.ndarray], *, rate: int = 10) -> Path:
    """Writes frames (H, W, 3) uint8 as a video."""
    from kerasseg.data import video

    with video.Writer(path, rate=Fraction(rate), comment="") as writer:
        for number, frame in enumerate(frames):
            writer.add(frame, at=Fraction(number, rate))
    return path


def folder_dataset(root: Path, *, count: int = 4, size: tuple[int, int] = (40, 60), classes: int = 3) -> Path:
    """A `folder` data set of random pictures."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for i in range(count):
            write_picture(root / "images" / split / f"p{i}.png", rng.integers(0, 256, (*size, 3), np.uint8))
            write_picture(root / "labels" / split / f"p{i}.png", rng.integers(0, classes, size, np.uint8))
    (root / "classes.txt").write_text("".join(f"class{i}\n" for i in range(classes)))
    return root
