import json
import re
from dataclasses import dataclass
from importlib import metadata

import pytest

from kerasseg import cli
from kerasseg.check import CheckOptions
from kerasseg.config import TrainConfig, setting
from kerasseg.train import TrainOptions
from tests.conftest import assert_one_line, command


@dataclass(frozen=True)
class Options:
    """Something to do."""

    size: tuple[int, int] = setting((8, 8), "a size")
    deep: bool = setting(True, "a switch")
    kind: str = setting("a", "a word", choices=("a", "b"))
    threads: tuple[int, ...] = setting((1,), "numbers")
    arguments: tuple[str, ...] = setting((), "FILE...")


def test_flags_become_fields():
    options = cli.parse(Options, ["x", "--size=4,6", "--nodeep", "--kind=b", "--threads=1,2,4", "one", "two"])
    assert options == Options(size=(4, 6), deep=False, kind="b", threads=(1, 2, 4), arguments=("one", "two"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sise=4,6"], "Unknown command line flag 'sise'"),
        (["--size=4"], "--size=4 is no size; write height,width, such as 256,256"),
        (["--size=4,x"], "--size=4,x is no size"),
        (["--kind=c"], r"--kind=c: value should be one of <a\|b>"),
        (["--deep=perhaps"], "deep"),
        (["--threads=1,two"], "--threads=1,two is no list of whole numbers; write them like 1,2"),
    ],
)
def test_bad_flags_say_what_is_accepted(arguments, message):
    with pytest.raises(ValueError, match=message):
        cli.parse(Options, ["x", *arguments])


def test_free_arguments_are_refused_where_none_belong():
    with pytest.raises(ValueError, match="unexpected argument 'stray'"):
        cli.parse(TrainOptions, ["x", "stray"])


def test_a_config_file_gives_settings_and_flags_override_them(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"format": 1, "config": {"epochs": 3, "seed": 5}, "resolved": {}}))
    options = cli.parse(TrainOptions, ["x", f"--config={path}", "--seed=6"])
    assert (options.epochs, options.seed, options.batch_size) == (3, 6, TrainConfig.batch_size)
    path.write_text("[1]")
    with pytest.raises(ValueError, match=r"config.json is no JSON object of settings; write one like"):
        cli.parse(TrainOptions, ["x", f"--config={path}"])
    path.write_text("{")
    with pytest.raises(ValueError, match=r"config.json is not a readable JSON file"):
        cli.parse(TrainOptions, ["x", f"--config={path}"])


def test_help_is_quick_complete_and_loads_no_tensorflow():
    result = command("-X", "importtime", "-m", "kerasseg.train", "--help")
    assert result.returncode == 0
    for name in TrainConfig.__dataclass_fields__:
        assert re.search(rf"^  --{name}$", result.stdout, re.MULTILINE)
    imported = set(re.findall(r"\| +([\w.]+)$", result.stderr, re.MULTILINE))
    assert "absl.flags" in imported
    assert not imported & {"tensorflow", "keras", "jax", "numpy"}


@pytest.mark.parametrize("script", ["tflite/convert.py", "tflite/check.py", "tflite/micro.py"])
def test_scripts_have_help_too(script):
    result = command(script, "--help")
    assert result.returncode == 0
    assert f"usage: python {script}" in result.stdout


def test_what_needs_no_tensorflow_is_refused_without_it(tmp_path):
    for name in ("keras", "tensorflow"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('loaded')")
    assert_one_line(command("tflite/convert.py", PYTHONPATH=str(tmp_path)), "--workdir is missing")
    path = tmp_path / "no"
    flags = (f"--tflite={path}", f"--output_dir={tmp_path / 'out'}")
    assert_one_line(command("-m", "kerasseg", "micro", *flags, PYTHONPATH=str(tmp_path)), f"no file {path}")


@pytest.mark.parametrize("first", ["keras", "tensorflow"])
def test_the_first_import_of_tensorflow_is_quiet(first):
    program = (
        "import sys; from kerasseg import quiet; quiet.hush_imports()\n"
        f"import {first}; import keras, tensorflow as tf\n"
        "print(tf.__version__, keras.__version__, float(keras.ops.sum(tf.ones(3))))\n"
        "print({'IPython', 'jax', 'matplotlib', 'sklearn'} & sys.modules.keys())\n"
        "import matplotlib.pyplot"
    )
    result = command("-c", program, KERAS_BACKEND="tensorflow")
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    tensorflow, keras, total, needless = result.stdout.split()
    assert (tensorflow, keras, total) == (metadata.version("tensorflow"), metadata.version("keras"), "3.0")
    assert needless == "set()"


@pytest.mark.parametrize("program", [["-m", "kerasseg.train"], ["-m", "kerasseg", "evaluate"], ["tflite/convert.py"]])
def test_an_unknown_flag_is_one_line_and_exit_2(program):
    assert_one_line(command(*program, "--modell=tiny"), "Unknown command line flag 'modell'", "--help")


def test_home_is_expanded_in_every_path(monkeypatch, tmp_path):
    """Bash expands no ~ after =."""
    monkeypatch.setenv("HOME", str(tmp_path))
    options = cli.parse(TrainOptions, ["x", "--workdir=~/run", "--data_dir=~", "--model=~"])
    assert (options.workdir, options.data_dir, options.model) == (str(tmp_path / "run"), str(tmp_path), "~")
    (tmp_path / "settings.json").write_text('{"data_dir": "~/pictures"}')
    assert cli.parse(TrainOptions, ["x", "--config=~/settings.json"]).data_dir == str(tmp_path / "pictures")
    assert cli.parse(CheckOptions, ["x", "--tflite=~/a,b, ~/c"]).tflite == (str(tmp_path / "a"), "b", str(tmp_path / "c"))


def test_a_path_in_a_list_may_hold_a_comma(tmp_path):
    for name in ("a,b.tflite", "c"):
        (tmp_path / name).write_text("")
    flag = f"--tflite={tmp_path}/a,b.tflite,{tmp_path}/c,{tmp_path}/gone"
    assert cli.parse(CheckOptions, ["x", flag]).tflite == tuple(f"{tmp_path}/{name}" for name in ("a,b.tflite", "c", "gone"))


@pytest.mark.parametrize("backend", ["nonsense"])
def test_an_unknown_backend_is_one_line(tmp_path, backend):
    result = command("-m", "kerasseg", "evaluate", f"--workdir={tmp_path}", KERAS_BACKEND=backend)
    assert_one_line(result, "Keras cannot start", backend, "must be tensorflow, jax or torch")


def test_a_file_that_looks_like_a_flag_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-p.png").touch()
    with pytest.raises(ValueError, match=r"'p.png'; --help lists the flags; the file is \./-p\.png$"):
        cli.parse(Options, ["x", "-p.png"])


@pytest.mark.parametrize("verb", ["evaluate", "train"])
def test_a_name_that_is_too_long_is_one_line(verb, tmp_path):
    result = command("-m", "kerasseg", verb, f"--workdir={tmp_path / ('w' * 300)}", *["--dataset=shapes"] * (verb == "train"))
    assert_one_line(result, "is longer than a name can be here; give a shorter one")
