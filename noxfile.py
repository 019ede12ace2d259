"""`make test-all`: the quick tests and the main job with the wheel, on every Python that is there and on Colab's versions."""

import os
import shutil
import subprocess
from pathlib import Path

import nox

PYTHONS = ("3.11", "3.12", "3.13")
COLAB = "3.13"
ROOT = Path(__file__).resolve().parent
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


def use(session: nox.Session, *, constraints: str) -> None:
    """Installs the wheel, runs the quick tests against it, and then a user's main job, both away from the checkout."""
    folder = Path(session.create_tmp()).resolve()
    shutil.rmtree(folder)
    # Without kerasseg/, so that the tests import what was installed.
    shutil.copytree(ROOT, folder / "suite", ignore=shutil.ignore_patterns(".*", "kerasseg", "runs", "demo", "build"))
    session.run("python", "-m", "pip", "wheel", "--quiet", "--no-deps", f"--wheel-dir={folder}", str(ROOT))
    (wheel,) = folder.glob("*.whl")
    session.install("--quiet", "--constraint", constraints, f"{wheel}[test]")
    with session.chdir(folder / "suite"):
        session.run("python", "-m", "pytest", "-q", "-m", "not slow")
    with session.chdir(folder):
        session.run("kerasseg", "train", *TRAIN)
        session.run("kerasseg", "convert", "--workdir=run", "--calibration_examples=4")
        session.run("kerasseg", "check", "--workdir=run", "--tflite=run/int8.tflite", "--max_miou_drop=100")
    shutil.rmtree(session.virtualenv.location)  # gigabytes each


def with_published_versions(session: nox.Session) -> None:
    """With the versions of the published numbers."""
    use(session, constraints=str(ROOT / "constraints.txt"))


for version in PYTHONS:
    nox.session(with_published_versions, python=interpreter(version), name=f"python{version}")


@nox.session(python=interpreter(COLAB))
def colab(session: nox.Session) -> None:
    """With the versions that Colab has, the oldest that are accepted; and the tests that fill new environments."""
    use(session, constraints=str(ROOT / "constraints-colab.txt"))
    session.run(str(ROOT / ".venv" / "bin" / "python"), "-m", "pytest", "-m", "install", external=True)
