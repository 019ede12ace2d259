"""The tables about the paper's comparison, for readme.py."""

import statistics
from pathlib import Path

from kerasseg import files
from kerasseg.reports import comparison, seeds


def paper_table(results: Path) -> str:
    """Every architecture by one recipe."""
    return comparison.markdown(files.read_json(results / "paper.json")).strip()


def cut_table(results: Path) -> str:
    """What each row saves of the first, and where its multiply-adds are."""
    first, *rows = files.read_json(results / "paper.json")["rows"]
    lines = [
        f"| against `{first['model']}` | parameters | GMAC | int8 time | arena | float mIoU | best int8 | GMAC in decoder |",
        f"|---|{'---:|' * 7}",
        f"| `{first['model']}` | | | | | | | {_decoder(first)} |",
    ]
    for row in rows:
        cells = [f"{100 * row['change']:+.1f} %", _change(first, row, lambda one: one["macs"]["total"])]
        cells += [_change(first, row, lambda one: one["files"]["int8"]["latency"]["median_ms"])]
        cells += [_change(first, row, lambda one: one["files"]["int8"]["arena"]["total_bytes"])]
        cells += [
            seeds.paired_difference(comparison.by_seed(row), comparison.by_seed(first)),
            _points(first, row, _int8),
            _decoder(row),
        ]
        lines.append(f"| `{row['model']}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def _int8(row: dict) -> float:
    """The better of PTQ and QAT."""
    return max(statistics.mean(shares) for recipe in ("int8", "int8_qat") if (shares := comparison.mious(row, recipe)))


def _change(first: dict, row: dict, value) -> str:
    try:
        return f"{100 * (value(row) / value(first) - 1):+.1f} %"
    except KeyError:  # not measured for one of them
        return ""


def _points(first: dict, row: dict, value) -> str:
    try:
        return f"{100 * (value(row) - value(first)):+.2f}"
    except ValueError:  # nothing to take the best of
        return ""


def _decoder(row: dict) -> str:
    return f"{100 * row['macs']['decoder'] / row['macs']['total']:.0f} %"


def taught_table(results: Path) -> str:
    """Pairs of runs, with a teacher and without, after each third of their epochs."""
    found = files.read_json(results / "distillation.json")
    lines = ["| model | teacher | seed | epoch | alone | taught | |", "|---|---|---:|---:|---:|---:|---:|"]
    for row in found["rows"]:
        for third in (1, 2, 3):
            epoch = row["epochs"] * third // 3
            alone, taught = (row[way][str(epoch)] for way in ("alone", "taught"))
            shares = f"{100 * alone:.2f} % | {100 * taught:.2f} % | {100 * (taught - alone):+.2f}"
            lines.append(f"| `{row['model']}` | `{row['teacher']}` | {row['seed']} | {epoch} | {shares} |")
    kinds = sorted({f"weight {row['weight']:g}, temperature {row['temperature']:g}" for row in found["rows"]})
    height, width = found["size"]
    return "\n".join([*lines, "", f"CamVid val at {height}x{width}, mIoU, the paper's recipe; {'; '.join(kinds)}."])


BLOCKS = {"paper": paper_table, "cut": cut_table, "taught": taught_table}
