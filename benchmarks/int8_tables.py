"""The tables about quantization to int8, for readme.py."""

from pathlib import Path

from kerasseg import files

CONVERTED, QAT = "the outermost", "quantization-aware training"  # how the steps begin that `convert` ends with, by recipe


def camvid_table(results: Path) -> str:
    """CamVid: Keras and a file a recipe."""
    check = files.read_json(results / "camvid_v3large_sliced_recipes.json")
    names = {
        "float32.tflite": "`float32`",
        "float16.tflite": "`float16`", "dynamic.tflite": "`dynamic`", "int8.tflite": "`int8`", "int8_qat.tflite": "`int8_qat`",
    }  # fmt: skip
    entries = {entry["file"]: entry for entry in check["files"]}
    lines = [
        "| `v3large_sliced`, CamVid val | mIoU | against Keras | same pixels | size | 1 thread | 2 threads | p. |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
        f"| Keras | {percent(check['keras']['miou'])} | | | | | | |",
    ]  # fmt: skip
    for file, name in names.items():
        entry = entries[file]
        one, two = (timing["median_ms"] for timing in entry["latency"])
        lines.append(
            f"| {name} | {percent(entry['tflite']['miou'])} | {-entry['miou_drop_points']:+.2f} "
            f"| {percent(entry['pixel_agreement'])} "
            f"| {entry['bytes'] / 2**20:.1f} MiB | {one:.0f} ms | {two:.0f} ms | {entry['partitions']} |"
        )
    alone = files.read_json(results / "camvid_v3large_sliced_remedies.json")["rows"][0]["miou"]
    drop = 100 * (alone - check["keras"]["miou"])
    lines.insert(3, f"| int8 by TensorFlow alone | {percent(alone)} | {drop:+.2f} | | | XNNPACK refuses it | | |")
    stages = [files.read_json(results / f"camvid_v3large_sliced_{name}.json")["config"] for name in ("stage1", "train")]
    size, timing = check["size"], check["files"][0]["latency"][0]
    ranges = files.read_json(results / "camvid_v3large_sliced_qat_convert.json")["calibration"]
    lines += [
        "",
        f"Method: {check['pictures']} val pictures at the labels' own resolution (padded to {size[0]}x{size[1]}), "
        f"one scale, output stride 16. Trained on the train split in stages of {stages[0]['epochs']} and {stages[1]['epochs']} "
        "epochs (commands in BUILD.md); best evaluated epoch by val mIoU, of QAT too; one seed; int8 with ranges of "
        f"{ranges['calibration_examples']} training pictures ({ranges['calibration_choice']} choice); backbone from "
        f"`{stages[0]['backbone_weights']}` (ImageNet weights recovered from public int8 files). "
        '"Same pixels" is agreement with Keras. Latency: medians of '
        f"{timing['runs']} runs after {timing['warmup']}, all {timing['interleaved']} files in turn in one process, "
        f"LiteRT {check['versions']['ai-edge-litert']} with XNNPACK, {check['cpu']}; p.: partitions.",
    ]
    return "\n".join(lines)


def hurts_table(results: Path) -> str:
    """The layers that lose most signal-to-noise ratio in the int8 file."""
    check = files.read_json(results / "camvid_v3large_sliced_per_layer.json")
    worst = sorted(check["per_layer"], key=lambda one: -one["lost_db"])[:6]
    lines = ["| layer | operator | dB lost in it | dB left after it |", "|---|---|---:|---:|"]
    lines += [f"| `{one['layer']}` | {one['operator']} | {one['lost_db']:.1f} | {one['snr_db']:.1f} |" for one in worst]
    return "\n".join(lines)


def engines_table(results: Path) -> str:
    """Keras, LiteRT twice and TFLite Micro on the same few pictures."""
    check = files.read_json(results / "camvid_v3large_sliced_engines.json")
    sample = check["sample"]
    lines = [
        f"{len(sample['pictures'])} val pictures:",
        "",
        "| file | engine | mIoU | same pixels as Keras | largest logit difference from the reference kernels |",
        "|---|---|---:|---:|---:|",
    ]
    for row in sample["engines"]:
        far = f"{row['largest_difference']:.0f} LSB" if "unit" in row else ""
        lines.append(
            f"| `{row['file']}` | {row['kernels']} | {percent(row['miou'])} | {percent(row['pixel_agreement'])} | {far} |"
        )
    return "\n".join(lines)


def twin_line(results: Path) -> str:
    """Agreement of the quantized Keras model and its file."""
    story = files.read_json(results / "camvid_v3large_sliced_qat_convert.json")
    return (
        f"- QAT: {story['calibration']['epochs']} epochs, learning rate {story['calibration']['learning_rate']}; "
        f"the twin in Keras and the file agree on {percent(story['twin_agreement'])} of the pixels of "
        f"{story['pixel_agreement']['pictures']} training pictures."
    )


def remedies_table(results: Path) -> str:
    """What each remedy brought."""
    found = files.read_json(results / "camvid_v3large_sliced_remedies.json")
    check = files.read_json(results / "camvid_v3large_sliced_recipes.json")
    entries = {entry["file"]: entry for entry in check["files"]}
    rows = [(row["step"], row["miou"]) for row in found["rows"]]
    rows += [("quantization-aware training, after the fifth step", entries["int8_qat.tflite"]["tflite"]["miou"])]
    rows += [("Keras, float", check["keras"]["miou"])]
    return "\n".join(["| step | val mIoU |", "|---|---:|", *(f"| {step} | {percent(miou)} |" for step, miou in rows)])


def remedies_now_table(results: Path) -> str:
    """What each remedy of today brings, on every run that it was tried on."""
    runs = files.read_json(results / "remedies.json")
    steps = list(dict.fromkeys(row["step"] for run in runs for row in run["rows"]))
    lines = ["| step | " + " | ".join(f"`{run['model']}`" for run in runs) + " |", "|---|" + "---:|" * len(runs)]
    for step in steps:
        found = [next((row for row in run["rows"] if row["step"] == step), None) for run in runs]
        cells = (f"{100 * (row['miou'] - row['keras_miou']):+.2f}, {percent(row['agreement'])}" if row else "" for row in found)
        lines.append(f"| {step} | {' | '.join(cells)} |")
    about = "; ".join(
        f"`{run['model']}` {percent(run['rows'][0]['keras_miou'])} in Keras{', ' + run['note'] if run['note'] else ''}"
        for run in runs
    )
    said = "Points of val mIoU against Keras, and pixels on which both agree; CamVid, 101 pictures, one seed a row"
    return "\n".join([*lines, "", f"{said}; {about}; {runs[0]['cpu']}."])


def trained_table(results: Path) -> str:
    """The rows that were trained by the paper's recipe since its table, and what today's `convert` loses on them."""
    runs = [run for run in files.read_json(results / "remedies.json") if not run["note"]]
    runs = [run for run in runs if any(row["step"].startswith(CONVERTED) for row in run["rows"])]
    lines = ["| model | val mIoU, Keras | `int8` | same pixels | `int8_qat` | same pixels |", "|---|" + "---:|" * 5]
    for run in sorted(runs, key=lambda run: -run["rows"][0]["keras_miou"]):
        cells = []
        for step in (CONVERTED, QAT):
            row = next((row for row in run["rows"] if row["step"].startswith(step)), None)
            cells += [f"{100 * (row['miou'] - row['keras_miou']):+.2f}", percent(row["agreement"])] if row else ["", ""]
        lines.append(f"| `{run['model']}` | {percent(run['rows'][0]['keras_miou'])} | {' | '.join(cells)} |")
    epochs = " and ".join(sorted({str(run["epochs"]) for run in runs}))
    return "\n".join([*lines, "", f"CamVid, 101 pictures, {epochs} epochs by the paper's recipe, one seed a row."])


def wide_table(results: Path) -> str:
    """A trained row with int8 and with int16 activations."""
    check = files.read_json(results / "camvid_edge_small_int16x8.json")
    lines = ["| file | mIoU | against Keras | same pixels | size |", "|---|---:|---:|---:|---:|"]
    for name, entry in zip(("int8", "int16x8"), check["files"], strict=True):
        lines.append(
            f"| `{name}` | {percent(entry['tflite']['miou'])} | {-entry['miou_drop_points']:+.2f} "
            f"| {percent(entry['pixel_agreement'])} | {entry['bytes'] / 1024:,.0f} KiB |"
        )
    keras = percent(check["keras"]["miou"])
    said = f"`{check['model']}` on {check['pictures']} val pictures of CamVid, one seed, {keras} in Keras."
    return "\n".join([*lines, "", said])


def gates_table(results: Path) -> str:
    """Latency of both forms of hard-swish's gate."""
    found = files.read_json(results / "gates.json")
    lines = ["| model | a sum with a constant | a 1x1 depthwise convolution | of it |", "|---|---:|---:|---:|"]
    for row in found["rows"]:
        median = row["median_ms"]
        lines.append(f"| `{row['model']}` | {median['sum']:.1f} ms | {median['depthwise']:.1f} ms | {row['ratio']:.2f} |")
    said = f"{found['method'][0].upper()}{found['method'][1:]}; {found['cpu']}."
    return "\n".join([*lines, "", said])


def float_layers_table(results: Path) -> str:
    """Latency and mIoU against the number of layers left in float."""
    check = files.read_json(results / "camvid_v3large_sliced_float_layers.json")
    lines = ["| file | val mIoU | against Keras | latency | partitions |", "|---|---:|---:|---:|---:|"]
    for entry in check["files"]:
        lines.append(
            f"| `{entry['file']}` | {percent(entry['tflite']['miou'])} | {-entry['miou_drop_points']:+.2f} "
            f"| {entry['latency'][0]['median_ms']:.0f} ms | {entry['partitions']} |"
        )
    return "\n".join(lines)


def latency_table(results: Path) -> str:
    """float32, int8 by TensorFlow, int8 of ours."""
    found = files.read_json(results / "latency.json")
    cells = {(row["model"], row["size"][0], row["file"]): row for row in found["rows"]}
    kinds = list(dict.fromkeys(row["file"] for row in found["rows"]))
    lines = [f"| model | size | {' | '.join(kinds)} |", f"|---|---:|{'---:|' * len(kinds)}"]
    for model, side in dict.fromkeys((row["model"], row["size"][0]) for row in found["rows"]):
        rows = [cells[model, side, kind] for kind in kinds]
        texts = [
            f"{row['median_ms']:.1f} ms" + ("" if i == 0 else f" ({row['faster_than_float']:.1f}x, {row['partitions']} p.)")
            for i, row in enumerate(rows)
        ]
        lines.append(f"| `{model}` | {side}x{side} | {' | '.join(texts)} |")
    lines += [
        "",
        f"Latency, times faster than the model's own float32, XNNPACK partitions (p.); {found['method']}, "
        f"{found['threads']} thread, {found['cpu']}.",
    ]
    return "\n".join(lines)


def peers_table(results: Path) -> str:
    """Our int8 beside files of others."""
    found = files.read_json(results / "peers.json")
    lines = ["| file | input | 1 thread | 2 threads | size |", "|---|---:|---:|---:|---:|"]
    for name in dict.fromkeys(row["file"] for row in found["rows"]):
        one, two = (row for row in found["rows"] if row["file"] == name)
        lines.append(
            f"| `{name}` | {one['size'][0]}x{one['size'][1]} | {one['median_ms']:.1f} ms | {two['median_ms']:.1f} ms "
            f"| {one['bytes'] / 1024:.0f} KiB |"
        )
    return "\n".join([*lines, "", f"{found['method']}, {found['cpu']}."])


def resize_table(results: Path) -> str:
    """Ways to end the network."""
    found = files.read_json(results / "camvid_v3large_sliced_resize.json")
    lines = ["| end of the network | val mIoU | in the file | outside |", "|---|---:|---:|---:|"]
    for row in found["rows"]:
        lines.append(
            f"| {row['form']} | {percent(row['miou'])} | {row['file_ms']:.1f} ms | {row['outside_ms']:.1f} ms |"
        )  # fmt: skip
    return "\n".join([*lines, "", f"{found['method']}, {found['size'][0]}x{found['size'][1]}, {found['cpu']}."])


def activations_table(results: Path) -> str:
    """Fine-tuned from the same weights with other activations."""
    lines = ["| activation | val mIoU, best of the epochs | epochs |", "|---|---:|---:|"]
    for name in ("hard_swish", "swish"):
        report = files.read_json(results / f"camvid_v3large_sliced_{name}_train.json")
        lines.append(f"| `{name}` | {percent(report['scores']['miou'])} | {report['config']['epochs']} |")
    return "\n".join(lines)


def percent(share: float) -> str:
    """A share 0..1 as the tables write it."""
    return f"{100 * share:.2f} %"


BLOCKS = {
    "camvid": camvid_table, "hurts": hurts_table, "engines": engines_table, "twin": twin_line, "remedies": remedies_table,
    "remedies_now": remedies_now_table, "trained": trained_table, "gates": gates_table, "wide": wide_table,
    "float_layers": float_layers_table, "latency": latency_table, "peers": peers_table, "resize": resize_table,
    "activations": activations_table,
}  # fmt: skip
