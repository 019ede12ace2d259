"""The tables of drives that were held out and of pictures that are alike, from results/*.json."""

import statistics
from pathlib import Path

from int8_tables import percent

from kerasseg import files

METHOD = (
    "CamVid's drives 0001TP, 0006R0 and 0016E5, each held out of training with all its pictures of train and val, and then the "
    "validation split; nothing else of val is trained on. Best evaluated epoch by these pictures, in brackets the last one, "
    "which nothing was chosen by; plain: val, whose drive is in train."
)


def folds_table(results: Path) -> str:
    """Held-out scores, a row a model and variant; a sentence where there are none."""
    path = results / "folds.json"
    if not path.is_file():
        return "No drive has been held out for this page yet."
    rows = files.read_json(path)["rows"]
    drives = sorted({fold["drive"] for row in rows for fold in row["folds"]})
    lines = [
        f"| model | settings | epochs, crops | seed | mean | {' | '.join(drives)} | plain val |",
        f"|---|---|---:|---:|{'---:|' * len(drives)}---:|---:|",
    ]
    for row in rows:
        there = {fold["drive"]: fold for fold in row["folds"]}
        cells = [_cell(there.get(drive)) for drive in drives]
        last = statistics.mean(fold["last_miou"] for fold in row["folds"])
        mean = _cell({"miou": row["mean"], "last_miou": last}) if len(there) == 3 else ""  # of fewer, another average a row
        told = [f"`{row['model']}`", _settings(row), f"{row['epochs']}, {row['size'][0]}x{row['size'][1]}", str(row["seed"])]
        lines.append(f"| {' | '.join([*told, mean, *cells, _cell(row['plain'])])} |")
    return "\n".join([*lines, "", " ".join([METHOD, *_lacking(rows), *_made(rows)])])


def _settings(row: dict) -> str:
    """The extra settings but for those that have a column of their own."""
    shown = [word for word in row["extra"].split() if not word.startswith(("--size=", "--epochs=", "--eval_every="))]
    return " ".join(f"`{word}`" for word in shown) or "the recipe's"


def _cell(fold: dict | None) -> str:
    return f"{percent(fold['miou'])} ({percent(fold['last_miou'])})" if fold else ""


def _lacking(rows: list[dict]) -> list[str]:
    """Says of which drives mIoU is over fewer classes."""
    over = {fold["drive"]: fold["over"] for row in rows for fold in row["folds"] if "no pixel" in fold["over"]}
    return [f"{drive}: over {text}." for drive, text in sorted(over.items())]


def _made(rows: list[dict]) -> list[str]:
    by = sorted({f"{row['precision']}, {row['backend']}, {row['cpu']}" for row in rows})
    return [f"{'; '.join(by)}."]


def likeness_lines(results: Path) -> str:
    """What the threshold of near copies was chosen by."""
    found = files.read_json(results / "likeness.json")
    lines = [
        f"- {one['what']}: {one['near']} of {one['pictures']} reach {found['near']}; {one['least']:.2f} to {one['most']:.2f}"
        for one in found["sets"]
    ]
    return "\n".join([*lines, "", f"{found['method']}."])


def int8_table(results: Path) -> str:
    """What int8 and QAT lose on a drive that neither training nor calibration saw."""
    check = files.read_json(results / "camvid_edge_small_0001TP_check.json")
    lines = ["| file | mIoU | against Keras | same pixels |", "|---|---:|---:|---:|"]
    for entry in check["files"]:
        name = entry["file"].removesuffix(".tflite")
        score, share = percent(entry["tflite"]["miou"]), percent(entry["pixel_agreement"])
        lines.append(f"| `{name}` | {score} | {-entry['miou_drop_points']:+.2f} | {share} |")
    return "\n".join(
        [
            *lines, "",
            f"`{check['model']}` of the table above, drive 0001TP held out, {check['pictures']} pictures, one seed; Keras "
            f"{percent(check['keras']['miou'])}. Calibrated on the other drives; QAT keeps the epoch that scores most on these "
            "pictures.",
        ]
    )  # fmt: skip


BLOCKS = {"folds": folds_table, "folds_int8": int8_table, "likeness": likeness_lines}
