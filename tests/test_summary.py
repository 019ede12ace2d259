from kerasseg.models import MODELS
from kerasseg.summary import summary
from tests.conftest import assert_one_line, command


def test_every_model_has_a_row():
    rows = summary(size=(64, 64), num_classes=21)
    assert [row["model"] for row in rows] == list(MODELS)
    by_name = {row["model"]: row for row in rows}
    assert by_name["v3large_sliced"]["parameters"] == 5_659_605
    assert round(100 * by_name["v3large_sliced"]["change"], 2) == -51.86
    for row in rows:
        parts = row["backbone_gmac"] + row["head_gmac"] + row["decoder_gmac"]
        assert abs(row["total_gmac"] - parts) < 1e-9


def test_the_command_prints_the_table_and_refuses_sizes():
    result = command("-m", "kerasseg.summary", "--size=64,64")
    assert result.returncode == 0, result.stderr
    assert "5,659,605" in result.stdout
    assert "-51.86%" in result.stdout
    assert_one_line(command("-m", "kerasseg.summary", "--size=100,64"), "next sizes that do are 96,64 or 112,64")
