"""`make test-all`: the quick tests and the main job with the wheel, on every Python that is there and on Colab's versions."""

import os
import shutil
import subprocess
from pathlib import Path

import nox

PYTHONS = ("3.11", "3.12", "3.13")
COLAB = "3.13"
TRAIN = (
    "--model=tiny", "--dataset=shapes", "--size=64,64", "--backbone_weights=none", "--epochs=1", "--train_examples=8",
    "--val_examples=4", "--batch_size=4", "--workdir=run",
)  # fmt: skip

nox.options.reuse_existing_virtualenvs = False
nox.options.error_on_missing_interpreters = False


def interpreter(version: str) -> str:
    """A Python of that version that runs: on the PATH, or among pyenv's; else the bare name, which nox skips visibly."""
    name = f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [shutil.which(name), *sorted(map(str, pyenv.glob(f"{version}.*/bin/python")))]
    for candidate in filter(None, candidates):
        if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return candidate
    return name


def build(session: nox.Session) -> str:
    """The wheel of this checkout, built once a run of nox."""
    folder = Path(session.cache_dir).resolve() / "wheel"
    shutil.rmtree(folder, ignore_errors=True)
    session.run("pip", "wheel", "--quiet", "--no-deps", f"--wheel-dir={folder}", ".", external=False)
    (wheel,) = folder.glob("*.whl")
    return str(wheel)


def use(session: nox.Session, *, constraints: str) -> None:
    """Installs the wheel, runs the quick tests against it, and then a user's main job away from the checkout."""
    wheel = build(session)
    session.install(
        "--quiet", "--constraint", constraints, f"{wheel}[tfds]", "pytest>=9.2", "pytest-xdist>=3.8", "scikit-learn"
    )
    session.run("python", "-c", "import kerasseg; assert 'site-packages' in kerasseg.__file__, kerasseg.__file__")
    tests = Path.cwd()
    session.run("pytest", "-q", "-m", "not slow", "--override-ini=pythonpath=", str(tests / "tests"))
    with session.chdir(session.create_tmp()):
        session.run("kerasseg", "train", *TRAIN)
        session.run("kerasseg", "convert", "--workdir=run", "--calibration_examples=4")
        session.run("kerasseg", "check", "--workdir=run", "--tflite=run/int8.tflite", "--max_miou_drop=100")


@nox.session(python=[interpreter(version) for version in PYTHONS])
def pythons(session: nox.Session) -> None:
    """With the versions of the published numbers."""
    use(session, constraints="constraints.txt")


@nox.session(python=interpreter(COLAB))
def colab(session: nox.Session) -> None:
    """With the versions that Colab has, the oldest that are accepted."""
    use(session, constraints="constraints-colab.txt")
