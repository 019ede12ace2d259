"""python benchmarks/readme.py: writes the tables between the markers in README.md from results/*.json."""

import re
from dataclasses import dataclass
from pathlib import Path

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
    """CamVid: Keras, float32 and int8 files."""
    train = files.read_json(results / "camvid_v3large_sliced_train.json")
    checks = [files.read_json(results / f"camvid_v3large_sliced_{recipe}.json") for recipe in ("float32", "int8")]
    size = train["size"]
    lines = [
        "| `v3large_sliced`, CamVid val | mIoU | pixel accuracy | boundary IoU | same pixels | file | latency |",
        "|---|---:|---:|---:|---:|---:|---:|",
        f"| Keras | {_scores(checks[0]['keras'])} | | | |",
    ]
    for name, check in zip(("float32 .tflite", "int8 .tflite (plain PTQ)"), checks, strict=True):
        timing = check["latency"]
        lines.append(
            f"| {name} | {_scores(check['tflite'])} | {100 * check['pixel_agreement']:.2f} % "
            f"| {check['bytes'] / 2**20:.1f} MiB | {timing['median_ms']:.0f} ms (p90 {timing['p90_ms']:.0f}) |"
        )
    timing = checks[0]["latency"]
    weights = files.read_json(results / "camvid_v3large_sliced_stage1.json")["config"]["backbone_weights"]
    lines += [
        "",
        f"Method: {train['scores']['pictures']} val pictures at the labels' own resolution (padded to {size[0]}x{size[1]}), "
        "one scale, output stride 16. Trained on the train split in two stages (commands in BUILD.md); best evaluated epoch "
        f"by val mIoU; one seed; backbone from `{weights}` (ImageNet weights recovered from public int8 files). "
        '"Same pixels" is agreement with Keras. Latency: median (p90) of '
        f"{timing['runs']} runs after {timing['warmup']}, LiteRT {checks[0]['versions']['ai-edge-litert']} with XNNPACK, "
        f"{timing['threads']} thread, {checks[0]['cpu']}.",
    ]
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
    return (
        f"`make demo`, `{check['model']}` on {check['pictures']} shapes: Keras {100 * check['keras']['miou']:.2f} % mIoU, "
        f"int8 {100 * check['tflite']['miou']:.2f} %, {check['bytes'] / 1024:.0f} KiB, {check['latency']['median_ms']:.1f} ms "
        f"({check['latency']['threads']} thread, {check['cpu']})."
    )


def pipeline_line(results: Path) -> str:
    """The input pipeline against the training step."""
    rates = [files.read_json(results / f"input_pipeline_{name}.json") for name in ("float32", "mixed_bfloat16")]
    return "\n".join(
        f"- {rate['precision']}: the pipeline gives {rate['pipeline_images_per_s']:.0f} images/s, a training step takes "
        f"{rate['step_images_per_s']:.1f}: {rate['ratio']:.0f} times what is needed ({rate['method']}; {rate['cpu']})."
        for rate in rates
    )


def _scores(scores: dict) -> str:
    return " | ".join(f"{100 * scores[name]:.2f} %" for name in ("miou", "pixel_accuracy", "boundary_iou"))


BLOCKS = {"models": models_table, "camvid": camvid_table, "demo": demo_table, "pipeline": pipeline_line, "stages": stages_line}


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
