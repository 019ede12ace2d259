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
    drives, many = any(row["holdout"] for row in rows), any(len(runs) > 1 for runs in alike.values())
    recipes = [recipe for recipe in RECIPES if any(recipe in row["recipes"] for row in rows)]
    words = ["model", *["drive"] * drives, "trained"]
    numbers = [*["runs"] * many, "Keras"]
    for recipe in recipes:
        numbers += [f"`{recipe}`", *["worst"] * many, "same pixels", "minutes"]
    lines = [f"| {' | '.join([*words, *numbers])} |", "|---" * len(words) + "|---:" * len(numbers) + "|"]
    for runs in alike.values():
        first = runs[0]
        cells = [f"`{first['model']}`", *[first["holdout"].removeprefix("^")] * drives, _trained(first)]
        cells += [str(len(runs))] * many
        cells.append(seeds.mean_and_deviation([next(iter(run["recipes"].values()))["keras_miou"] for run in runs]))
        for recipe in recipes:
            points, worst, *rest = _cells([run["recipes"][recipe] for run in runs if recipe in run["recipes"]], of=len(runs))
            cells += [points, *[worst] * many, *rest]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", _about(rows, many=many)])


def _trained(row: dict) -> str:
    """Epochs, crops, and what else is not as in the paper's recipe; of rows at a size of their own their page says it."""
    height, width = row["size"]
    own = row["different"].get("eval_size") == row["size"]
    more = [] if own else [f"`--{name}={_text(value)}`" for name, value in row["different"].items()]
    return ", ".join([f"{row['epochs']} epochs", f"{height}x{width}{' throughout' * own}", *more])


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


def _about(rows: list[dict], *, many: bool) -> str:
    qat = sorted({str(row["recipes"]["int8_qat"]["epochs"]) for row in rows if "int8_qat" in row["recipes"]})
    made = sorted({one["cpu"] for row in rows for one in row["recipes"].values()})
    pictures = ", ".join(map(str, sorted({row["pictures"] for row in rows})))
    points = ", mean ± standard deviation of a sample, and the worst of the runs; the fewest" if many else ", of one run;"
    median = "median " * many
    own = (
        ", and of rows at their own size what BUILD.md trains them by"
        if any("eval_size" in row["different"] for row in rows)
        else ""
    )
    tuned = f"`int8_qat` after {' or '.join(qat)} epochs at most, the best by these pictures; " if qat else ""
    return (
        f"CamVid, {pictures} pictures, by LiteRT with XNNPACK. Points of mIoU against Keras{points} pixels on which both "
        f"agree; {tuned}{median}minutes of `convert` on one core, beside other work. What the column does not say is the "
        f"paper's recipe{own}; {'; '.join(made)}."
    )


BLOCKS = {"int8_runs": val_table, "int8_folds": folds_table}
