"""The tables about microcontrollers and calibration that readme.py puts into README.md and BUILD.md."""

from pathlib import Path

from int8_tables import percent

from kerasseg import files

KIB = 1024
ROWS = ("micro_96", "micro_128", "micro_160")
SHAPES_ROWS = ROWS  # trained on drawn pictures, too
# What a row may take: arena and file, KiB.
BUDGETS = {"micro_96": (160, 300), "micro_128": (256, 500), "micro_160": (384, 800)}


def micro_table(results: Path) -> str:
    """The rows for microcontrollers: memory, work, accuracy, Ethos-U."""
    return _measured(results, {name: f"camvid_{name}" for name in ROWS})


def grey_table(results: Path) -> str:
    """A row and its grey form, trained alike."""
    stems = {"micro_96": "camvid_micro_96_short", "micro_grey_96": "camvid_micro_grey_96"}
    epochs = {files.read_json(results / f"{stem}_check.json")["config"]["epochs"] for stem in stems.values()}
    assert len(epochs) == 1
    return f"{_measured(results, stems)} Both were trained for {epochs.pop()} epochs."


def _measured(results: Path, stems: dict[str, str]) -> str:
    """A row a model; `stems` has what the names of its results begin with."""
    lines = [
        "| model | input | flash | arena | million MACs | float | int8 | int8 after QAT | the same in TFLite Micro "
        "| Ethos-U55-256 | CPU operators |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, stem in stems.items():
        check, tflm, export = (files.read_json(results / f"{stem}_{kind}.json") for kind in ("check", "tflm", "export"))
        miou = {entry["file"]: entry["tflite"]["miou"] for entry in check["files"]}
        (npu,) = (one for one in export["accelerators"] if one["accelerator"] == "ethos-u55-256")
        side = check["size"][0]
        lines.append(
            f"| `{name}` | {side}x{side} | {export['bytes'] / KIB:.0f} KiB | {export['arena']['total_bytes'] / KIB:.0f} KiB "
            f"| {export['macs'] / 1e6:.1f} | {percent(check['keras']['miou'])} | {percent(miou['int8.tflite'])} "
            f"| {percent(miou['int8_qat.tflite'])} | {percent(tflm['files'][0]['tflite']['miou'])} "
            f"| {npu['npu_ms']:.1f} ms | {len(npu['cpu_operators'])} |"
        )
    lines += [
        "",
        f"CamVid val, {check['pictures']} pictures fitted into the square, mIoU at the labels' own resolution; one seed, best "
        "evaluated epoch by val. Arena: measured by TFLite Micro's recorder, without margin. "
        f"{export['exactness']['equal']} of {export['exactness']['runs']} pictures are bit-exact with LiteRT. "
        f"Ethos-U55: Vela's estimate at {npu['clock_mhz']:.0f} MHz ({npu['system']}), of what it puts on the NPU.",
    ]
    return "\n".join(lines)


def micro_shapes_table(results: Path) -> str:
    """The same rows on drawn pictures."""
    lines = ["| model | float | int8 |", "|---|---:|---:|"]
    for name in SHAPES_ROWS:
        check = files.read_json(results / f"shapes_{name}_check.json")
        (entry,) = check["files"]
        lines.append(f"| `{name}` | {percent(check['keras']['miou'])} | {percent(entry['tflite']['miou'])} |")
    return "\n".join(lines)


def boards_table(results: Path) -> str:
    """Which row fits which board."""
    exports = [files.read_json(results / f"camvid_{name}_export.json") for name in ROWS]
    lines = [
        f"| board | flash | RAM, one block | {' | '.join(f'`{name}`' for name in ROWS)} | source |",
        "|---|---:|---:|---|---|---|---|",
    ]
    for fits in zip(*(export["boards"] for export in exports), strict=True):
        board = fits[0]
        cells = [f"{'fits' if one['fits'] else 'NO'}, {one['ram_room_kib']:+.0f} KiB" for one in fits]
        sizes = f"{board['flash_kib']} KiB | {board['ram_kib']} KiB"
        lines.append(f"| {board['about']} | {sizes} | {' | '.join(cells)} | {board['source']} |")
    margin = exports[0]["arena"]["margin_percent"]
    return "\n".join(
        [*lines, "", f"RAM left beside the arena with {margin:g} % of margin. Where it says so, the file fits the flash, too."]
    )


def search_table(results: Path) -> str:
    """Every candidate at 128x128, and what fits the budgets at each size."""
    found = files.read_json(results / "micro_search.json")
    lines = [
        "| backbone | last block | width | stride | filters | activation | logits | flash | arena at 96 | 128 | 160 "
        "| million MACs at 128 |",
        "|---|---:|---:|---:|---:|---|---:|---:|---:|---:|---:|---:|",
    ]
    groups: dict[str, dict[int, dict]] = {}
    for row in found["rows"]:
        groups.setdefault(str(row["spec"]), {})[row["side"]] = row
    for rows in groups.values():
        middle, spec = rows[128], rows[128]["spec"]
        arenas = " | ".join(_against(rows[side], name) for side, name in zip((96, 128, 160), ROWS, strict=True))
        head = f"{spec['filters']}" + ("" if spec["separable"] else ", plain convs")
        lines.append(
            f"| {spec['backbone']} | {spec['last_block']} | {spec['alpha']:g} | {spec['output_stride']} | {head} "
            f"| {spec['activation']} | 1/{spec['logits_stride']} | {middle['flash_bytes'] / KIB:.0f} KiB | {arenas} "
            f"| {middle['macs'] / 1e6:.0f} |"
        )
    budgets = "; ".join(f"{name[6:]}: {arena} and {flash} KiB" for name, (arena, flash) in BUDGETS.items())
    return "\n".join([*lines, "", f"Arenas in KiB; bold where arena and file are within the budget of that size ({budgets})."])


def _against(row: dict, name: str) -> str:
    arena, flash = BUDGETS[name]
    text = f"{row['arena']['total_bytes'] / KIB:.0f}"
    fits = row["arena"]["total_bytes"] <= arena * KIB and row["flash_bytes"] <= flash * KIB
    return f"**{text}**" if fits else text


def calibration_table(results: Path) -> str:
    """Number, choice and seed of the calibration pictures."""
    found = files.read_json(results / "camvid_v3large_sliced_calibration.json")
    groups: dict[tuple[int, str], list[dict]] = {}
    for row in found["rows"]:
        groups.setdefault((row["count"], row["choice"]), []).append(row)
    lines = ["| pictures | choice | val mIoU, a seed each | seconds to prepare |", "|---:|---|---|---:|"]
    for (count, choice), rows in groups.items():
        scores = ", ".join(percent(row["miou"]) for row in rows)
        lines.append(f"| {count} | {choice} | {scores} | {min(row['seconds'] for row in rows):.0f} |")
    return "\n".join(
        [*lines, "", f"Float: {percent(found['keras_miou'])}. The machine was not idle: read the seconds as an order."]
    )


def memory_plan_table(results: Path) -> str:
    """What `--memory_plan` brings for each micro row."""
    found = files.read_json(results / "memory_plan.json")
    lines = [
        "| model | arena, KiB | with a plan | of it activations | of it what stays | CMSIS-NN's scratch | million MACs | time "
        "| flash, KiB | what was done, beside places |",
        "|---|---:|---:|---|---|---|---|---:|---|---|",
    ]
    for row in found["rows"]:
        before, after = row["before"], row["after"]
        kib = {key: f"{before[key] / KIB:.0f} -> {after[key] / KIB:.0f}" for key in before if key.endswith("_bytes")}
        done = "; ".join(f"{one['parts']} {one['what']}, `{one['first']}` to `{one['last']}`" for one in row["changes"])
        lines.append(
            f"| `{row['model']}` | {before['arena_bytes'] / KIB:.1f} | {after['arena_bytes'] / KIB:.1f} | {kib['head_bytes']} "
            f"| {kib['tail_bytes']} | {before['scratch_bytes'] / KIB:.1f} -> {after['scratch_bytes'] / KIB:.1f} "
            f"| {before['macs'] / 1e6:.2f} -> {after['macs'] / 1e6:.2f} | {row['time_ratio']:.2f} | {kib['flash_bytes']} "
            f"| {done or 'nothing'} |"
        )
    return "\n".join(
        [*lines, "", f"{found['method'][0].upper()}{found['method'][1:]}. Time: of a run, of that without a plan."]
    )


def tail_table(results: Path) -> str:
    """What the bytes that stay are, row by row."""
    rows = [row for row in files.read_json(results / "memory_plan.json")["rows"] if row["model"] in ROWS]
    header = " | ".join(f"`{row['model']}` | with a plan" for row in rows)
    lines = [f"| what stays | source | {header} |", "|---|---|" + "---:|---:|" * len(rows)]
    for i, part in enumerate(rows[0]["tail"]["before"]):
        cells = [row["tail"][when][i] for row in rows for when in ("before", "after")]
        shown = " | ".join(f"{cell['count']}: {cell['bytes'] / KIB:.1f}" for cell in cells)
        lines.append(f"| {part['what']} | {part['source']} | {shown} |")
    totals = (sum(part["bytes"] for part in row["tail"][when]) for row in rows for when in ("before", "after"))
    lines.append(f"| all | recorder | {' | '.join(f'{total / KIB:.1f}' for total in totals)} |")
    return "\n".join([*lines, "", "Number of them, and KiB of all."])


BLOCKS = {
    "memory_plan": memory_plan_table, "tail": tail_table,
    "calibration": calibration_table, "micro": micro_table, "micro_grey": grey_table, "micro_shapes": micro_shapes_table,
    "boards": boards_table, "micro_search": search_table,
}  # fmt: skip
