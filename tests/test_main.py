import importlib

import pytest

import kerasseg as package
from kerasseg.__main__ import MODULES, VERBS
from tests.conftest import assert_one_line, command, kerasseg


def test_help_lists_every_verb_with_what_its_module_says():
    text = kerasseg("--help").stdout
    for verb, about in VERBS.items():
        assert f"  {verb:<10}{about}\n" in text
        assert importlib.import_module(f"kerasseg.{MODULES.get(verb, verb)}").__doc__ == f"kerasseg {verb}: {about}."
    assert kerasseg().stdout == kerasseg("help").stdout == text


def test_version_and_unknown_verbs():
    assert kerasseg("--version").stdout == f"kerasseg {package.__version__}\n"
    assert_one_line(kerasseg("trian"), "there is no command 'trian'", "train, evaluate")


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_has_help_of_its_own(verb):
    result = kerasseg(verb, "--help")
    assert result.returncode == 0
    assert result.stdout.startswith(f"usage: kerasseg {verb} [--name=value ...]")
    assert_one_line(kerasseg(verb, "--modell=tiny"), "Unknown command line flag 'modell'", "--help")


def test_the_module_is_the_console_command():
    result = command("-X", "importtime", "-m", "kerasseg", "--help")
    assert result.stdout == kerasseg("--help").stdout
    for heavy in ("tensorflow", "keras", "numpy", "absl"):
        assert f"| {heavy}\n" not in result.stderr
