"""What several seeds of the same settings say, and do not say."""

import math
import statistics
from collections.abc import Sequence

# Two-sided 95 % points of Student's t, by degrees of freedom (NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2).
STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262, 14: 2.145, 29: 2.045}


def mean_and_deviation(shares: Sequence[float]) -> str:
    """Percent: the mean and, of two or more, the standard deviation of a sample; empty where there is none."""
    if not shares:
        return ""
    spread = f" ± {100 * statistics.stdev(shares):.2f}" if len(shares) > 1 else ""
    return f"{100 * statistics.mean(shares):.2f}{spread} %"


def paired_difference(ours: dict[int, float], theirs: dict[int, float]) -> str:
    """Points by which one row is above another: the mean over the seeds that both have, and its 95 % interval by Student's t.

    Args:
        ours: Seed -> share, 0..1.
        theirs: Likewise, of the other row.

    Returns:
        "+1.21 (-4.88 to +7.30)"; one seed has no interval, and without a common one it is the difference of the means.
    """
    common = sorted(ours.keys() & theirs.keys())
    if not common:
        return f"{100 * (statistics.mean(ours.values()) - statistics.mean(theirs.values())):+.2f}"
    apart = [100 * (ours[seed] - theirs[seed]) for seed in common]
    mean = statistics.mean(apart)
    if len(apart) < 2:
        return f"{mean:+.2f}"
    student = STUDENT[max(freedom for freedom in STUDENT if freedom < len(apart))]
    half = student * statistics.stdev(apart) / math.sqrt(len(apart))
    return f"{mean:+.2f} ({mean - half:+.2f} to {mean + half:+.2f})"
