"""What a training looks at before its first step: every picture once, and what is wrong with them."""

from collections.abc import Callable, Sequence

from kerasseg.config import TrainConfig
from kerasseg.data import findings, health, tally
from kerasseg.data.datasets import Dataset
from kerasseg.data.health import Health
from kerasseg.errors import InputError


def check_accept(accept: Sequence[str]) -> None:
    """Raises InputError for a kind of error that is none, or that no training can let pass."""
    for kind in accept:
        if kind not in findings.ERRORS or kind in findings.UNREADABLE:
            known = ", ".join(kind for kind in findings.ERRORS if kind not in findings.UNREADABLE)
            raise InputError(f"--accept={kind} is unknown; give one of {known}")


def examine(
    dataset: Dataset, config: TrainConfig, *, accept: Sequence[str] = (), log: Callable[[str], None] = lambda line: None
) -> Health:
    """Reads every picture once, says what is there, and returns it.

    Raises:
        InputError: something is wrong with the data that is not accepted.
    """
    tallies = {}
    for name in ("train", "val"):
        log(f"reading {len(dataset.split(name))} {name} examples of {dataset.name}")
        tallies[name] = tally.count(dataset.split(name), limit_bytes=config.cache_mib * 2**20 // 2)
    found = health.examine(dataset, tallies, data_dir=config.data_dir)
    errors = found.errors(accept)
    if errors and errors[0].kind in findings.UNREADABLE:
        raise InputError(errors[0].text)
    for line in [*found.table().splitlines(), *(one.line() for one in found.findings)]:
        log(line)
    if errors:
        more = f", and {len(errors) - 1} more errors" if len(errors) > 1 else ""
        kind = errors[0].kind
        raise InputError(f"{errors[0].line().removeprefix('error ')}{more}; mend the data, or give --accept={kind}")
    hashes = tallies["train"].hashes
    if len(set(hashes)) == 1 < len(hashes):  # batch norms would see no variance
        first = tallies["train"].names[0]
        raise InputError(f"all {len(hashes)} training pictures are copies of {first}; give pictures that differ")
    return found
