"""The report of kerasseg.compare as a table, and what its figures show. Plain Python on plain JSON."""

import csv
import io
import statistics
from collections.abc import Sequence

from kerasseg.reports import seeds, tables

RECIPES = ("float32", "int8", "int8_qat")
SETTINGS = ("size", "epochs", "batch_size", "optimizer", "learning_rate", "weight_decay", "class_weights", "dice_weight")
COSTS = ("million parameters", "GMAC", "int8 latency, ms")
IN_COLUMNS = ("eval_size", "channels")  # that stand in a column of their own


def mious(row: dict, recipe: str) -> list[float]:
    """The mIoU of each seed, 0..1; `recipe` is "float", "int8" or "int8_qat"."""
    return [seed[recipe]["miou"] for seed in row["seeds"] if recipe in seed]


def labels(rows: Sequence[dict]) -> list[str]:
    """What each row is called: its model and, where several rows have that, the settings in which they differ."""
    found = []
    for row in rows:
        others = [other.get("settings", {}) for other in rows if other["model"] == row["model"]]
        told = [
            f"{name} {_told(value)}"
            for name, value in row.get("settings", {}).items()
            if name not in IN_COLUMNS and any(other.get(name) != value for other in others)
        ]
        found.append(", ".join([row["model"], *told]))
    return found


def _told(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value) if value != "" else "none"


def class_means(row: dict) -> dict:
    """`class_names`, the `iou` of each class and the `miou`, 0..1, of float: means over the seeds, or None."""
    seeds = [seed["float"] for seed in row["seeds"]]
    ious = zip(*(seed["iou"] for seed in seeds), strict=True)
    return {
        "class_names": seeds[0]["class_names"],
        "iou": [None if None in shares else statistics.mean(shares) for shares in ious],
        "miou": statistics.mean(mious(row, "float")),
    }


def markdown(report: dict) -> str:
    """The table, and how its numbers came to be."""
    columns, rows, method = table(report)
    return "\n".join([tables.markdown(columns, rows), "", method, ""])


def table(report: dict) -> tuple[tuple[str, ...], list[list[str]], str]:
    """Titles of the columns, cells a row, and how the numbers came to be."""
    columns = (
        "model", "input", "parameters", "change", "GMAC", "float mIoU", *["last epoch"] * _knows_last(report),
        "against the first", "int8", "int8 QAT", "int8 file", "float32", "int8 time", "arena", "trained for",
    )  # fmt: skip
    settings, rows = report["shared_settings"], report["rows"]
    timing = next((file["latency"] for row in rows for file in row.get("files", {}).values()), None)
    described = ", ".join(f"{name} {settings[name]}" for name in SETTINGS if name in settings)
    weights: dict[str, list[str]] = {}
    for row in rows:
        weights.setdefault(row["weights"], []).append(f"`{row['model']}`")
    weights = {source: list(dict.fromkeys(models)) for source, models in weights.items()}
    sources = "; ".join(f"`{source}` for {', '.join(models)}" for source, models in weights.items())
    held = f" (held out by '{settings['holdout']}')" if settings.get("holdout") else ""
    text = (
        f"{report['dataset']} {report['split']}{held}, {report['pictures']} pictures at the labels' own resolution, one scale; "
        f"the same for every row: {described}; {report['selection']}. With ± it is the mean of several seeds and their "
        "standard deviation, without of one seed. Against the first: points, seed by seed, and in brackets the 95 % interval "
        "of the mean (Student's t), which holds 0 where the seeds do not tell the rows apart. "
        f"Backbone weights: {sources}. Trained for: epochs times the median epoch of the first seed, without evaluation"
    )
    backends = sorted({row["backend"] for row in rows} - {""})
    text += f" ({', '.join([*backends, settings.get('precision', '')]).strip(', ')})." if backends else "."
    over = {seed["float"].get("miou_over", "") for row in rows for seed in row["seeds"]}
    if report.get("other_data"):
        text += f" Scored on other data than the runs were trained on: {'; '.join(report['other_data'])}."
    if any("no pixel" in one for one in over):
        text += f" Float mIoU is over {' or '.join(sorted(over - {''}))}."
    if timing:
        text += (
            f" Latency: medians of {timing['runs']} runs after {timing['warmup']}, {timing['interleaved']} files in turn in "
            f"one process, LiteRT {report['versions']['ai-edge-litert']} with XNNPACK, {timing['threads']} thread, "
            f"{report['cpu']}. Arena: measured by TFLite Micro."
        )
    if report.get("joined"):
        seeds = ", ".join(f"{one['seed']} of `{one['model']}` ({one['precision']}, {one['cpu']})" for one in report["joined"])
        text += f" Joined later, scored and not timed: seed {seeds}."
    cells = [_cells(row, rows[0], with_last=_knows_last(report)) for row in rows]
    for line, row, label in zip(cells, rows, labels(rows), strict=True):
        line[0] += label.removeprefix(row["model"])
    return columns, cells, text


def _knows_last(report: dict) -> bool:
    return any("last_miou" in seed for row in report["rows"] for seed in row["seeds"])


def by_seed(row: dict) -> dict[int, float]:
    """Seed -> the mIoU of float, 0..1."""
    return {seed["seed"]: seed["float"]["miou"] for seed in row["seeds"]}


def _cells(row: dict, first: dict, *, with_last: bool) -> list[str]:
    files = row.get("files", {})
    last = [seed["last_miou"] for seed in row["seeds"] if "last_miou" in seed]
    int8 = files.get("int8", files.get("int8_qat"))
    return [
        f"`{row['model']}`",
        "{}x{}".format(*row["size"]) + (" grey" if row.get("channels") == 1 else ""),
        f"{row['parameters']:,}",
        f"{100 * row['change']:+.2f} %",
        f"{row['macs']['total'] / 1e9:.2f}",
        seeds.mean_and_deviation(mious(row, "float")),
        *[seeds.mean_and_deviation(last)] * with_last,
        "" if row is first else seeds.paired_difference(by_seed(row), by_seed(first)),
        seeds.mean_and_deviation(mious(row, "int8")),
        seeds.mean_and_deviation(mious(row, "int8_qat")),
        f"{int8['bytes'] / 1024:,.0f} KiB" if int8 else "",
        f"{files['float32']['latency']['median_ms']:.1f} ms" if "float32" in files else "",
        f"{int8['latency']['median_ms']:.1f} ms" if int8 else "",
        f"{int8['arena']['total_bytes'] / 1024:,.0f} KiB" if int8 and "arena" in int8 else "",
        f"{row['train_seconds'] / 60:.0f} min" if row["train_seconds"] else "",
    ]


def table_csv(report: dict) -> str:
    """A line a row, numbers as they are: bytes, milliseconds, shares 0..1; empty where something was not measured."""
    lines = []
    for row, label in zip(report["rows"], labels(report["rows"]), strict=True):
        files = row.get("files", {})
        line = {"model": label, "height": row["size"][0], "width": row["size"][1], "weights": row["weights"]}
        line |= {"parameters": row["parameters"], "macs": row["macs"]["total"], "seeds": len(row["seeds"])}
        for recipe in ("float", *RECIPES[1:]):
            shares = mious(row, recipe)
            line |= {f"{recipe}_miou": statistics.mean(shares) if shares else ""}
            line |= {f"{recipe}_miou_deviation": statistics.stdev(shares) if len(shares) > 1 else ""}
        for recipe in RECIPES:
            file = files.get(recipe)
            line |= {f"{recipe}_bytes": file["bytes"] if file else ""}
            line |= {f"{recipe}_median_ms": file["latency"]["median_ms"] if file else ""}
        line["arena_bytes"] = files.get("int8", {}).get("arena", {}).get("total_bytes", "")
        lines.append(line)
    text = io.StringIO()
    writer = csv.DictWriter(text, lines[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def tradeoffs(report: dict) -> dict[str, list[tuple[str, float, float]]]:
    """For each of COSTS, (model, cost, mIoU 0..1) of the rows where both are known.

    Parameters and GMAC stand beside float's mIoU, latency beside that of the int8 file that has it: the better of PTQ and QAT.
    """
    found: dict[str, list[tuple[str, float, float]]] = {cost: [] for cost in COSTS}
    for row, label in zip(report["rows"], labels(report["rows"]), strict=True):
        miou = statistics.mean(mious(row, "float"))
        found[COSTS[0]].append((label, row["parameters"] / 1e6, miou))
        found[COSTS[1]].append((label, row["macs"]["total"] / 1e9, miou))
        int8 = [
            (statistics.mean(mious(row, recipe)), row["files"][recipe]["latency"]["median_ms"])
            for recipe in RECIPES[1:]
            if recipe in row.get("files", {})
        ]
        if int8:
            score, median_ms = max(int8)
            found[COSTS[2]].append((label, median_ms, score))
    return found


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """Positions of the (cost, score) that no other point beats: none costs less, or as little, and scores more, or as much.

    In order of cost. Of equal points the first stays.
    """
    front, best = [], float("-inf")
    for i in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        if points[i][1] > best:
            front.append(i)
            best = points[i][1]
    return front
