"""The tables of what int8 loses seed by seed and on drives held out, from results/int8_runs.json."""

import statistics
from pathlib import Path

from int8_tables import percent

from kerasseg import files
from kerasseg.reports import seeds

RECIPES = ("int8", "int8_qat")


def val_table(results: Path) -> str:
    """Runs that were trained with every drive, scored on val."""
    return _table([row for row in _rows(results) if not row["holdout"]])


def folds_table(results: Path) -> str:
    """Runs that were trained without a drive, scored on that drive, which calibration did not see either."""
    return _table([row for row in _rows(results) if row["holdout"]])


def _rows(results: Path) -> list[dict]:
    return files.read_json(results / "int8_runs.json")["rows"]


def _table(rows: list[dict]) -> str:
    """A line for the runs that differ by their seeds alone."""
    alike: dict[str, list[dict]] = {}
    for row in rows:
        alike.setdefault(str({**row, "seed": None, "recipes": None}), []).append(row)
    drives = any(row["holdout"] for row in rows)
    heads = ["model", *["drive"] * drives, "trained", "runs", "Keras"]
    heads += [head for recipe in RECIPES for head in (f"`{recipe}`", "worst", "same pixels", "minutes")]
    lines = [f"| {' | '.join(heads)} |", "|---" * (len(heads) - 10) + "|---:" * 10 + "|"]
    for runs in alike.values():
        first = runs[0]
        cells = [f"`{first['model']}`", *[first["holdout"].removeprefix("^")] * drives, _trained(first), str(len(runs))]
        cells.append(seeds.mean_and_deviation([next(iter(run["recipes"].values()))["keras_miou"] for run in runs]))
        for recipe in RECIPES:
            cells += _cells([run["recipes"][recipe] for run in runs if recipe in run["recipes"]], of=len(runs))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", _about(rows)])


def _trained(row: dict) -> str:
    """Epochs, crops, and what else is not as in the paper's recipe."""
    height, width = row["size"]
    more = " ".join(f"--{name}={_text(value)}" for name, value in row["different"].items() if name != "eval_size")
    return f"{row['epochs']} epochs, {height}x{width}" + (f", `{more}`" if more else "")


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _cells(found: list[dict], *, of: int) -> list[str]:
    """Mean and deviation of the points against Keras, the worst, the fewest same pixels, minutes; empty without a file."""
    if not found:
        return [""] * 4
    points = [100 * (one["miou"] - one["keras_miou"]) for one in found]
    spread = f" ± {statistics.stdev(points):.2f}" if len(points) > 1 else ""
    of_some = f" (of {len(found)})" if len(found) < of else ""
    seconds = [one["seconds"] for one in found if one["seconds"]]
    return [
        f"{statistics.mean(points):+.2f}{spread}{of_some}", f"{min(points):+.2f}",
        percent(min(one["agreement"] for one in found)), f"{statistics.median(seconds) / 60:.0f}" if seconds else "",
    ]  # fmt: skip


def _about(rows: list[dict]) -> str:
    qat = sorted({str(row["recipes"]["int8_qat"]["epochs"]) for row in rows if "int8_qat" in row["recipes"]})
    made = sorted({one["cpu"] for row in rows for one in row["recipes"].values()})
    pictures = " and ".join(sorted({str(row["pictures"]) for row in rows}))
    tuned = f"`int8_qat` after {' or '.join(qat)} epochs at most, the best by these pictures; " if qat else ""
    return (
        f"CamVid, {pictures} pictures, by LiteRT with XNNPACK. Points of mIoU against Keras, mean ± standard deviation of a "
        f"sample, and the worst of the runs; the fewest pixels on which both agree; {tuned}median minutes of `convert` on one "
        f"core. What the column does not say is the paper's recipe; {'; '.join(made)}."
    )


BLOCKS = {"int8_runs": val_table, "int8_folds": folds_table}
