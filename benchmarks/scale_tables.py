"""Tables about speed and memory past a few hundred pictures, from results/*.json."""

from pathlib import Path

from kerasseg import files
from kerasseg.reports import seeds


def scoring_table(results: Path) -> str:
    """Milliseconds of scoring."""
    found = files.read_json(results / "scoring.json")
    lines = [
        "| labels | classes | logits | class ids | confusion | boundary | a picture, beside the network |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in found["rows"]:
        ms, (height, width) = row["ms"], row["size"]
        parts = " | ".join(f"{ms[name]:.1f} ms" for name in ("class_ids", "confusion", "boundary_confusion"))
        stride = f"1/{row['logits_stride']}"
        lines.append(f"| {height}x{width} | {row['classes']} | {stride} | {parts} | {ms['eight_pictures'] / 8:.1f} ms |")
    return "\n".join([*lines, "", f"{found['method']}; {found['processors']} processors, {found['cpu']}."])


def together_table(results: Path) -> str:
    """One and four pictures at a time."""
    found = files.read_json(results / "scoring.json")
    lines = ["| backend | one at a time | four | times as fast | pixels that differ |", "|---|---:|---:|---:|---:|"]
    for row in found["together"]:
        one, four = row["ms"]
        lines.append(
            f"| {row['backend']} | {one:.0f} ms | {four:.0f} ms | {one / four:.2f} | {row['different']} of {row['of']:,} |"
        )
    return "\n".join(
        [
            *lines,
            "",
            f"`edge_small`, 384x480, fresh weights, a picture, in turn; {found['processors']} processors, {found['cpu']}.",
        ]
    )


def loss_table(results: Path) -> str:
    """Memory and time of the loss of many classes."""
    found = files.read_json(results / "loss_memory.json")
    lines = ["| backend | form | tensors of the logits' size | seconds |", "|---|---|---:|---:|"]
    for row in found["rows"]:
        lines.append(f"| {row['backend']} | {row['form']} | {row['tensors']:.1f} | {row['seconds']:.1f} |")
    shape = " x ".join(map(str, (found["batch_size"], *found["size"], found["classes"])))
    return "\n".join([*lines, "", f"Logits of {shape}: {found['method']}; {found['cpu']}."])


def loop_table(results: Path) -> str:
    """A step of `train` beside a bare one."""
    found = files.read_json(results / "training_loop.json")
    lines = [
        "| model | crops | backend | steps | bare step | step of `train` | ratio | of it, waiting |",
        "|---|---:|---|---:|---:|---:|---:|---:|",
    ]
    for row in found["rows"]:
        waited = 100 * row["waited"] / (row["train"] * row["steps"])
        steps = " | ".join(f"{1000 * row[name]:.0f} ms" for name in ("bare", "train"))
        crops = f"{found['batch_size']} of {row['side']}x{row['side']}"
        told = f"`{row['model']}` | {crops} | {row['backend']} | {row['steps']} | {steps}"
        lines.append(f"| {told} | {row['ratio']:.3f} | {waited:.0f} % |")
    method = "; ".join(found[name] for name in ("method", "remark") if name in found)
    return "\n".join([*lines, "", f"{method}; {found['processors']} processors, {found['cpu']}."])


def scale_table(results: Path) -> str:
    """How start, pace and memory grow with the pictures."""
    found = files.read_json(results / "scale.json")
    commands = [name for name in ("train", "evaluate", "convert") if all(f"{name}_peak_mib" in row for row in found["rows"])]
    peaks = " | ".join(f"peak of `{name}`" for name in commands)
    lines = [f"| pictures | lie as | height x width | first step | resumed | a second, in training | {peaks} |"]
    lines += [f"|---:|---|{'---:|' * (4 + len(commands))}"]
    for row in found["rows"]:
        seconds = " | ".join(
            f"{row[f'{name}first_step_s']:.1f} s ({row[f'{name}first_step_processor_s']:.1f})" for name in ("", "resumed_")
        )
        peaks = " | ".join(f"{row[f'{name}_peak_mib']:.0f} MiB" for name in commands)
        told = f"{row['pictures']:,} | {row['dataset']} | {row['height']}x{row['width']} | {seconds}"
        lines.append(f"| {told} | {row['train_images_per_s']:.0f} | {peaks} |")
    said = "; ".join(filter(None, (found["method"], "in brackets of processor time", found["cpu"], found["remark"])))
    return "\n".join([*lines, "", f"{said}."])


def crops_table(results: Path) -> str:
    """Processor time of a training crop."""
    found = files.read_json(results / "crops.json")
    lines = ["| picture | before | after |", "|---|---:|---:|"]
    for before, after in zip(*(found[name]["crops_per_s"] for name in ("before", "after")), strict=True):
        times = " | ".join(f"{one['processor_ms_a_crop']:.1f} ms" for one in (before, after))
        lines.append(f"| {before['picture'][0]}x{before['picture'][1]} | {times} |")
    height, width = found["after"]["size"]
    return "\n".join(
        [*lines, "", f"Processor time of a crop of {height}x{width}; {found['after']['method']}; {found['remark']}."]
    )


def crop_filter_table(results: Path) -> str:
    """Crops sampled as pictures are scored, or not."""
    found = files.read_json(results / "crop_filter.json")
    lines = [
        "| model | crops | epochs | seeds | aliased | antialiased | difference | last epochs |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in found["rows"]:
        settings, cells = row["settings"], []
        by_way = {
            name: [{one["seed"]: one[way][name] for one in row["seeds"]} for way in ("aliased", "antialiased")]
            for name in ("miou", "last_miou")
        }
        cells += [seeds.mean_and_deviation(list(shares.values())) for shares in by_way["miou"]]
        cells += [seeds.paired_difference(after, before) for before, after in by_way.values()]
        crops = f"{settings['size'][0]}x{settings['size'][1]} at {settings['scales'][0]} to {settings['scales'][1]}"
        lines.append(f"| `{row['model']}` | {crops} | {settings['epochs']} | {len(row['seeds'])} | {' | '.join(cells)} |")
    made = sorted({f"{one['backend']}, {one['cpu']}" for row in found["rows"] for one in row["seeds"]})
    return "\n".join(
        [
            *lines,
            "",
            f"{found['dataset']} {found['split']}, best evaluated epoch, and the mean difference seed by seed with its 95 % "
            f"interval (Student's t); the same settings but the commit; {'; '.join(made)}.",
        ]
    )


BLOCKS = {
    "crop_filter": crop_filter_table,
    "scoring": scoring_table,
    "together": together_table,
    "loss_memory": loss_table,
    "training_loop": loop_table,
    "scale": scale_table,
    "crops": crops_table,
}
