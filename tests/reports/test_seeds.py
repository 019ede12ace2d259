import numpy as np
import pytest

from kerasseg.reports import seeds


def test_the_spread_is_that_of_a_sample():
    assert seeds.mean_and_deviation([]) == ""
    assert seeds.mean_and_deviation([0.5]) == "50.00 %"
    found = [0.70, 0.72, 0.77]
    assert seeds.mean_and_deviation(found) == f"73.00 ± {100 * np.std(found, ddof=1):.2f} %"


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        ({0: 0.71}, {0: 0.70}, "+1.00"),
        ({3: 0.71}, {0: 0.70, 1: 0.60}, "+6.00"),  # no common seed: means
        ({0: 0.71, 1: 0.71}, {0: 0.70, 1: 0.70}, "+1.00 (+1.00 to +1.00)"),
        # +1 and +2: mean 1.5, deviation 0.7071, over the root of 2 is 0.5, times 12.706.
        ({0: 0.71, 1: 0.72}, {0: 0.70, 1: 0.70, 2: 0.1}, "+1.50 (-4.85 to +7.85)"),
        # -1, 0, 1, 2: mean 0.5, deviation 1.29099, over 2, times 3.182.
        ({0: 0.69, 1: 0.70, 2: 0.71, 3: 0.72}, dict.fromkeys(range(4), 0.70), "+0.50 (-1.55 to +2.55)"),
    ],
)
def test_rows_are_compared_seed_by_seed(ours, theirs, said):
    assert seeds.paired_difference(ours, theirs) == said


def test_between_two_listed_degrees_of_freedom_the_wider_interval_is_taken():
    apart = [0.01 * i for i in range(13)]
    ours, theirs = dict(enumerate(apart)), dict.fromkeys(range(13), 0.0)
    half = 2.262 * 100 * np.std(apart, ddof=1) / np.sqrt(13)
    assert seeds.paired_difference(ours, theirs) == f"+6.00 ({6 - half:+.2f} to {6 + half:+.2f})"
