"""python benchmarks/readme.py: writes the tables between the markers in README.md, BUILD.md and docs/ from results/*.json."""

import dataclasses
import importlib
import inspect
import re
import statistics
import typing
from dataclasses import dataclass
from pathlib import Path

import folds_tables
import int8_runs_tables
import int8_tables
import micro_tables
import minimalistic_tables
import paper_tables
import scale_tables
import seeds_tables
from int8_tables import percent

from kerasseg import cli, files
from kerasseg.__main__ import MODULES, VERBS
from kerasseg.reports import comparison

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class ReadmeOptions:
    """Writes the tables in README.md, BUILD.md and docs/ from results/*.json; every number there comes from here."""


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


def edge_table(results: Path) -> str:
    """The output strides that edge_sliced was trained with."""
    lines = ["| output stride | rates | val mIoU, best of the epochs | epochs |", "|---:|---:|---:|---:|"]
    for stride, rates in ((16, "6, 12, 18"), (32, "3, 6, 9")):
        report = files.read_json(results / f"camvid_edge_sliced_stride{stride}_train.json")
        lines.append(f"| {stride} | {rates} | {percent(report['scores']['miou'])} | {report['config']['epochs']} |")
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
        f"`make demo`, `{check['model']}` on {check['pictures']} shapes: Keras {percent(check['keras']['miou'])} mIoU, "
        f"int8 {percent(entry['tflite']['miou'])}, {entry['bytes'] / 1024:.0f} KiB, {timing['median_ms']:.1f} ms "
        f"({timing['threads']} thread, {check['cpu']})."
    )


def gpu_line(results: Path) -> str:
    """What was seen on a GPU."""
    seen = files.read_json(results / "gpu.json")
    step, train = seen["step"], seen["train"]
    rates = train["ms_a_step"]
    return "\n".join(
        (
            f"- `{step['model']}`, {step['size'][0]}x{step['size'][1]}, batch {step['batch_size']}, {step['precision']}: "
            f"{min(step['ms']):.1f} to {max(step['ms']):.1f} ms a step, {step['kernels']:,} kernels, "
            f"{step['peak_memory_mib']:.0f} MiB at most.",
            f"- `train` on CamVid, {train['size'][0]}x{train['size'][1]}, batch {train['batch_size']}: "
            f"{rates['median']} ms a step ({rates['least']} to {rates['most']}); {train['from_command_to_first_step_s']} s "
            f"from the command to the first step; {train['epochs_in_155_s']} of 45 epochs in 155 s, then the time was over.",
            f"- Before: {seen['before']}.",
            "",
            seen["method"],
        )
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


def winograd_table(results: Path) -> str:
    """A training step with direct convolutions and with Winograd's."""
    found = files.read_json(results / "winograd.json")
    lines = ["| model | direct | Winograd | times as fast |", "|---|---:|---:|---:|"]
    for row in found["rows"]:
        lines.append(f"| `{row['model']}` | {row['direct']:.2f} s | {row['winograd']:.2f} s | {row['speedup']:.1f} |")
    height, width = found["size"]
    text = f"A float32 step of {found['batch_size']} crops of {height}x{width}; {found['method']}; PyTorch {found['torch']}, "
    return "\n".join([*lines, "", f"{text}{found['threads']} threads, {found['cpu']}."])


def three_table(results: Path) -> str:
    """Three rows for whoever has a device and half a minute."""
    rows = {row["model"]: row for row in files.read_json(results / "paper.json")["rows"]}
    lines = ["| for | model, input | mIoU float | int8 | file | time | RAM (arena) |", "|---|---|---:|---:|---:|---:|---:|"]
    for device, name in (("a phone", "v3large_sliced"), ("a Raspberry Pi, a browser", "edge_sliced")):
        row = rows[name]
        means = {kind: statistics.mean(comparison.mious(row, kind)) for kind in ("float", "int8", "int8_qat")}
        best = max(("int8", "int8_qat"), key=means.__getitem__)
        file = row["files"][best]
        arena = row["files"]["int8"]["arena"]["total_bytes"]
        height, width = row["size"]
        lines.append(
            f"| {device} | `{name}`, {height}x{width} | {percent(means['float'])} | {percent(means[best])} | "
            f"{file['bytes'] / 1024:,.0f} KiB | {file['latency']['median_ms']:.1f} ms | {arena / 1024:,.0f} KiB |"
        )
    check, export = (files.read_json(results / f"camvid_micro_128_{kind}.json") for kind in ("check", "export"))
    entry = next(one for one in check["files"] if one["file"] == "int8_qat.tflite")
    height, width = check["size"]
    npu = export["accelerators"][0]
    lines.append(
        f"| a microcontroller | `micro_128`, {height}x{width} | {percent(check['keras']['miou'])} | "
        f"{percent(entry['tflite']['miou'])} | {entry['bytes'] / 1024:,.0f} KiB | {npu['npu_ms']:.1f} ms on an Ethos-U55 | "
        f"{export['arena']['total_bytes'] / 1024:,.0f} KiB |"
    )
    cpu = files.read_json(results / "paper.json")["cpu"]
    method = (
        f"CamVid val, 101 pictures, best evaluated epoch by val; int8 is the better of PTQ and QAT. Time: one thread, {cpu}; "
        "Ethos-U55: Vela's estimate."
    )
    return "\n".join([*lines, "", method])


def commands_table(results: Path) -> str:
    """Every command with its settings, from the dataclasses that hold them."""
    lines = []
    for verb, about in VERBS.items():
        module = importlib.import_module(f"kerasseg.{MODULES.get(verb, verb)}")
        options = typing.get_type_hints(module.main)["options"]
        lines += [f"## {verb}", "", f"{about[0].upper()}{about[1:]}. {inspect.getdoc(options)}", ""]
        lines += ["| setting | default | |", "|---|---|---|"]
        for field in dataclasses.fields(options):
            default = field.default
            shown = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
            text = field.metadata["help"]
            if field.metadata["choices"]:
                text += f" ({', '.join(field.metadata['choices'])})"
            name = text if field.name == "arguments" else f"--{field.name}"
            text = "" if field.name == "arguments" else text
            lines.append(f"| `{name}` | {f'`{shown}`' if shown else ''} | {text.replace('|', '&#124;')} |")
        lines.append("")
    return "\n".join(lines).rstrip()


BLOCKS = {
    "three": three_table, "commands": commands_table,
    "models": models_table, "demo": demo_table, "pipeline": pipeline_line, "stages": stages_line, "edge": edge_table,
    "steps": steps_table, "winograd": winograd_table, "gpu": gpu_line,
    **int8_tables.BLOCKS, **int8_runs_tables.BLOCKS, **micro_tables.BLOCKS, **paper_tables.BLOCKS,
    **minimalistic_tables.BLOCKS, **scale_tables.BLOCKS, **folds_tables.BLOCKS, **seeds_tables.BLOCKS,
}  # fmt: skip


def fill(text: str, *, results: Path) -> str:
    """`text` with what stands between `<!-- NAME -->` and `<!-- end -->` made again, for every NAME of BLOCKS."""

    def block(match: re.Match) -> str:
        return f"<!-- {match[1]} -->\n{BLOCKS[match[1]](results)}\n<!-- end -->"

    return re.sub(rf"<!-- ({'|'.join(BLOCKS)}) -->\n.*?<!-- end -->", block, text, flags=re.DOTALL)


def pages() -> list[Path]:
    """Every page that has numbers."""
    return [ROOT / "README.md", ROOT / "BUILD.md", *sorted((ROOT / "docs").rglob("*.md"))]


def main(options: ReadmeOptions) -> None:
    for path in pages():
        files.write_text(path, fill(path.read_text(encoding="utf-8"), results=ROOT / "results"))
        print(f"wrote the tables of {path.relative_to(ROOT)}")


if __name__ == "__main__":
    cli.run(main)
