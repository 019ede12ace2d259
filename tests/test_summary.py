import pytest

from tests.conftest import assert_one_line, command, kerasseg

pytestmark = pytest.mark.slow


def test_the_command_prints_the_table_and_refuses_sizes():
    result = command("-m", "kerasseg.summary", "--size=64,64")
    assert result.returncode == 0, result.stderr
    assert "5,659,605" in result.stdout
    assert "-51.86%" in result.stdout
    assert_one_line(kerasseg("summary", "--size=100,64"), "next sizes that do are 96,64 or 112,64")
