"""The tables about edge rows, heads and minimalistic backbones that readme.py puts into docs/ and BUILD.md."""

import statistics
from pathlib import Path

from kerasseg import files
from kerasseg.reports import comparison

KIB = 1024


def edges_table(results: Path) -> str:
    """Edge rows with and without a minimalistic backbone, in turn, and how well those segment that have been trained."""
    found = files.read_json(results / "minimalistic.json")
    edges, mious = found["edges"], _trained(results)
    lines = [
        "| model | val mIoU, float | int8 | of `edge_sliced` | of `edge_small` | parameters | GMAC | file | its own float |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in edges["rows"]:
        lines.append(
            f"| `{row['model']}` | {mious.get(row['model'], '')} | {row['latency']['median_ms']:.1f} ms "
            f"| {row['of_edge_sliced']:.2f} | {row['of_edge_small']:.2f} | {row['parameters']:,} | {row['gmac']:.2f} "
            f"| {row['bytes'] / KIB:,.0f} KiB | {row['float_ms']:.1f} ms |"
        )
    height, width = edges["size"]
    said = f"{height}x{width}, {found['num_classes']} classes; {edges['method']}; {found['cpu']}"
    return "\n".join([*lines, "", f"{said}; mIoU of rows trained by the paper's recipe, CamVid, one seed unless it says more."])


def _trained(results: Path) -> dict[str, str]:
    """Row -> its val mIoU in float, of the paper's comparison or of the runs that remedies were tried on."""
    runs = [run for run in files.read_json(results / "remedies.json") if not run["note"]]
    found = {run["model"]: [run["rows"][0]["keras_miou"]] for run in runs}
    found |= {row["model"]: comparison.mious(row, "float") for row in files.read_json(results / "paper.json")["rows"]}
    return {
        model: f"{100 * statistics.mean(mious):.2f} %" + (f" ({len(mious)} seeds)" if len(mious) > 1 else "")
        for model, mious in found.items()
    }


def micro_table(results: Path) -> str:
    """Micro rows with and without a minimalistic backbone."""
    from kerasseg.models import MODELS, ModelSpec

    found = files.read_json(results / "minimalistic.json")["micro"]
    by_spec = {(row["side"], ModelSpec(**row["spec"] | {"rates": tuple(row["spec"]["rates"])})): row for row in found["rows"]}
    lines = [
        "| model | input | parameters | flash | arena | of today's row | million MACs "
        "| to the bit as LiteRT's reference kernels | as XNNPACK's |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for side in (96, 128, 160):
        rows = {name: by_spec[side, MODELS[name]] for name in (f"micro_{side}", f"micro_mini_{side}")}
        today = rows[f"micro_{side}"]["arena"]["total_bytes"]
        for name, row in rows.items():
            arena, exact = row["arena"]["total_bytes"], row["exactness"]
            equal = f"{exact['equal']} of {exact['runs']} | {row['equal_to_xnnpack']} of {exact['runs']}"
            lines.append(
                f"| `{name}` | {side}x{side} | {row['parameters']:,} | {row['flash_bytes'] / KIB:.0f} KiB "
                f"| {arena / KIB:.0f} KiB | {arena / today:.2f} | {row['macs'] / 1e6:.1f} | {equal} |"
            )
    return "\n".join([*lines, "", f"{found['method']}."])


def heads_table(results: Path) -> str:
    """Heads, one a line, on each sliced backbone."""
    found = files.read_json(results / "head_search.json")
    beside = [row for row in found["rows"] if ": " not in row["name"]]
    named = {tuple(row["name"].split(": ")): row for row in found["rows"] if row not in beside}
    backbones, heads = dict.fromkeys(name for name, _ in named), dict.fromkeys(name for _, name in named)
    lines = [f"| head | {' | '.join(backbones)} |", "|---|" + "---:|" * len(backbones)]
    for head in heads:
        cells = (_head(named[backbone, head]) if (backbone, head) in named else "" for backbone in backbones)
        lines.append(f"| {head} | {' | '.join(cells)} |")
    height, width = found["size"]
    rows = "; ".join(f"`{row['name']}` {row['median_ms']:.1f} ms, {_head(row)}" for row in beside)
    return "\n".join([*lines, "", f"{rows}. {height}x{width}, {found['method']}; {found['cpu']}."])


def _head(row: dict) -> str:
    of = row["times"]
    return f"{of['edge_small']:.2f}, {of['edge_sliced']:.2f}; {row['parameters'] / 1e6:.2f} M, {row['gmac']:.2f} G"


BLOCKS = {"minimalistic_edges": edges_table, "minimalistic_micro": micro_table, "heads": heads_table}
