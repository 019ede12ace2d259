"""python benchmarks/readme.py: writes the tables between the markers in README.md from results/*.json."""

import re
from dataclasses import dataclass
from pathlib import Path

import micro_tables
import paper_tables

from kerasseg import cli, files

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class ReadmeOptions:
    """Writes the tables in README.md and BUILD.md from results/*.json; every number there comes from here."""


def models_table(results: Path) -> str:
    """Parameters and GMACs of every model."""
    table = files.read_json(results / "summary.json")
    height, width = table["size"]
    lines = [
        f"{table['num_classes']} classes, {height}x{width} input, multiply-accumulates of the convolutions for one image:",
        "",
        "| model | tail | parameters | against v3large | GMAC | backbone | head | decoder |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in table["models"]:
        gmacs = " | ".join(f"{row[part + '_gmac']:.2f}" for part in ("total", "backbone", "head", "decoder"))
        change = f"{100 * row['change']:+.2f} %"
        lines.append(f"| `{row['model']}` | {row['tail']} | {row['parameters']:,} | {change} | {gmacs} |")
    return "\n".join(lines)


def camvid_table(results: Path) -> str:
    """CamVid: Keras and a file a recipe."""
    check = files.read_json(results / "camvid_v3large_sliced_recipes.json")
    names = {
        "float32.tflite": "`float32`",
        "float16.tflite": "`float16`", "dynamic.tflite": "`dynamic`", "int8.tflite": "`int8`", "int8_qat.tflite": "`int8_qat`",
    }  # fmt: skip
    entries = {entry["file"]: entry for entry in check["files"]}
    lines = [
        "| `v3large_sliced`, CamVid val | mIoU | against Keras | same pixels | boundary | size | 1 thread | 2 threads | p. |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        f"| Keras | {_percent(check['keras']['miou'])} | | | {_percent(check['keras']['boundary_iou'])} | | | | |",
    ]  # fmt: skip
    for file, name in names.items():
        entry = entries[file]
        one, two = (timing["median_ms"] for timing in entry["latency"])
        lines.append(
            f"| {name} | {_percent(entry['tflite']['miou'])} | {-entry['miou_drop_points']:+.2f} "
            f"| {_percent(entry['pixel_agreement'])} | {_percent(entry['tflite']['boundary_iou'])} "
            f"| {entry['bytes'] / 2**20:.1f} MiB | {one:.0f} ms | {two:.0f} ms | {entry['partitions']} |"
        )
    alone = files.read_json(results / "camvid_v3large_sliced_remedies.json")["rows"][0]["miou"]
    drop = 100 * (alone - check["keras"]["miou"])
    lines.insert(3, f"| int8 by TensorFlow alone | {_percent(alone)} | {drop:+.2f} | | | | XNNPACK refuses it | | |")
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
        '"Same pixels" is agreement with Keras, "boundary" the boundary IoU. Latency: medians of '
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
            f"| `{row['file']}` | {row['kernels']} | {_percent(row['miou'])} | {_percent(row['pixel_agreement'])} | {far} |"
        )
    return "\n".join(lines)


def twin_line(results: Path) -> str:
    """Agreement of the quantized Keras model and its file."""
    story = files.read_json(results / "camvid_v3large_sliced_qat_convert.json")
    return (
        f"- QAT: {story['calibration']['epochs']} epochs, learning rate {story['calibration']['learning_rate']}; "
        f"the twin in Keras and the file agree on {_percent(story['twin_agreement'])} of the pixels of "
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
    return "\n".join(["| step | val mIoU |", "|---|---:|", *(f"| {step} | {_percent(miou)} |" for step, miou in rows)])


def float_layers_table(results: Path) -> str:
    """Latency and mIoU against the number of layers left in float."""
    check = files.read_json(results / "camvid_v3large_sliced_float_layers.json")
    lines = ["| file | val mIoU | against Keras | latency | partitions |", "|---|---:|---:|---:|---:|"]
    for entry in check["files"]:
        lines.append(
            f"| `{entry['file']}` | {_percent(entry['tflite']['miou'])} | {-entry['miou_drop_points']:+.2f} "
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
            f"| {row['form']} | {_percent(row['miou'])} | {row['file_ms']:.1f} ms | {row['outside_ms']:.1f} ms |"
        )  # fmt: skip
    return "\n".join([*lines, "", f"{found['method']}, {found['size'][0]}x{found['size'][1]}, {found['cpu']}."])


def activations_table(results: Path) -> str:
    """Fine-tuned from the same weights with other activations."""
    lines = ["| activation | val mIoU, best of the epochs | epochs |", "|---|---:|---:|"]
    for name in ("hard_swish", "swish"):
        report = files.read_json(results / f"camvid_v3large_sliced_{name}_train.json")
        lines.append(f"| `{name}` | {_percent(report['scores']['miou'])} | {report['config']['epochs']} |")
    return "\n".join(lines)


def edge_table(results: Path) -> str:
    """The output strides that edge_sliced was trained with."""
    lines = ["| output stride | rates | val mIoU, best of the epochs | epochs |", "|---:|---:|---:|---:|"]
    for stride, rates in ((16, "6, 12, 18"), (32, "3, 6, 9")):
        report = files.read_json(results / f"camvid_edge_sliced_stride{stride}_train.json")
        lines.append(f"| {stride} | {rates} | {_percent(report['scores']['miou'])} | {report['config']['epochs']} |")
    return "\n".join(lines)


def stages_line(results: Path) -> str:
    """What each stage of the CamVid run came to."""
    lines = []
    for number, name in enumerate(("stage1", "train"), start=1):
        report = files.read_json(results / f"camvid_v3large_sliced_{name}.json")
        config = report["config"]
        lines.append(
            f"- stage {number}: {config['epochs']} epochs of {config['size'][0]}x{config['size'][1]} crops, val mIoU "
            f"{100 * report['scores']['miou']:.2f} % after epoch {report['best_epoch']}"
        )
    return "\n".join(lines)


def demo_table(results: Path) -> str:
    """What `make demo` printed."""
    check = files.read_json(results / "demo_int8.json")
    (entry,) = check["files"]
    timing = entry["latency"][0]
    return (
        f"`make demo`, `{check['model']}` on {check['pictures']} shapes: Keras {_percent(check['keras']['miou'])} mIoU, "
        f"int8 {_percent(entry['tflite']['miou'])}, {entry['bytes'] / 1024:.0f} KiB, {timing['median_ms']:.1f} ms "
        f"({timing['threads']} thread, {check['cpu']})."
    )


def pipeline_line(results: Path) -> str:
    """The input pipeline against the training step."""
    rates = [files.read_json(results / f"input_pipeline_{name}.json") for name in ("float32", "mixed_bfloat16")]
    return "\n".join(
        f"- {rate['precision']}: the pipeline gives {rate['pipeline_images_per_s']:.0f} images/s, a training step takes "
        f"{rate['step_images_per_s']:.1f}: {rate['ratio']:.0f} times what is needed ({rate['method']}; {rate['cpu']})."
        for rate in rates
    )


def steps_table(results: Path) -> str:
    """A training step under each backend."""
    found = files.read_json(results / "training_step.json")
    first, *others = found["backends"]
    lines = [
        f"| model | precision | {first} {found['backends'][first]} | "
        + " | ".join(f"{name} {found['backends'][name]} | times as fast" for name in others)
        + " |",
        "|---|---|---:" + "|---:|---:" * len(others) + "|",
    ]
    for name, precision in dict.fromkeys((row["model"], row["precision"]) for row in found["rows"]):
        start, *rest = (row for row in found["rows"] if (row["model"], row["precision"]) == (name, precision))
        cells = [f"{start['seconds']:.2f} s"]
        cells += [cell for row in rest for cell in (f"{row['seconds']:.2f} s", f"{row['speedup']:.1f}")]
        lines.append(f"| `{name}` | {precision} | {' | '.join(cells)} |")
    height, width = found["size"]
    text = f"A step of {found['batch_size']} crops of {height}x{width}; {found['method']}; {found['threads']} threads, "
    return "\n".join([*lines, "", f"{text}{found['cpu']}."])


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


BLOCKS = {
    "models": models_table, "camvid": camvid_table, "demo": demo_table, "pipeline": pipeline_line, "stages": stages_line,
    "hurts": hurts_table, "engines": engines_table, "remedies": remedies_table,
    "float_layers": float_layers_table, "latency": latency_table, "peers": peers_table, "resize": resize_table,
    "activations": activations_table, "edge": edge_table, "twin": twin_line, "calibration": micro_tables.calibration_table,
    "micro": micro_tables.micro_table, "micro_shapes": micro_tables.micro_shapes_table, "boards": micro_tables.boards_table,
    "micro_search": micro_tables.search_table, "steps": steps_table, "paper": paper_tables.paper_table,
    "cut": paper_tables.cut_table,
}  # fmt: skip


def fill(text: str, *, results: Path) -> str:
    """`text` with what stands between `<!-- NAME -->` and `<!-- end -->` made again, for every NAME of BLOCKS."""

    def block(match: re.Match) -> str:
        return f"<!-- {match[1]} -->\n{BLOCKS[match[1]](results)}\n<!-- end -->"

    return re.sub(rf"<!-- ({'|'.join(BLOCKS)}) -->\n.*?<!-- end -->", block, text, flags=re.DOTALL)


def main(options: ReadmeOptions) -> None:
    for name in ("README.md", "BUILD.md"):
        path = ROOT / name
        files.write_text(path, fill(path.read_text(encoding="utf-8"), results=ROOT / "results"))
        print(f"wrote the tables of {name}")


if __name__ == "__main__":
    cli.run(main, ReadmeOptions)
