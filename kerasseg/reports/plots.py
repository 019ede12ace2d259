"""Figures. With `fonts`, the only importer of matplotlib."""

import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullFormatter

from kerasseg import files
from kerasseg.data.labels import palette
from kerasseg.reports import fonts
from kerasseg.reports.coloring import UNLABELLED, colorize, errors
from kerasseg.reports.comparison import pareto

# Figures of our own, beside pyplot: a notebook's plots, and how they are shown, stay its own.
_STYLE = matplotlib.rc_context(
    {
        "svg.hashsalt": "kerasseg",  # names inside an SVG are random without
        "svg.fonttype": "none",  # text stays text
        "text.parse_math": False,  # a class may be called a$b$
    }
)
_TOLD = "told:"


@_STYLE
def save_legend(class_names: tuple[str, ...], *, path: Path, software: str = "kerasseg") -> None:
    """Writes a PNG with a patch of colour and a name a class; the file says by what software it was made."""
    columns = -(-len(class_names) // 24)
    figure = Figure(figsize=(2.4 * columns, 0.25 * min(len(class_names), 24) + 0.3))
    figure.legend(handles=_patches(class_names), loc="center", ncols=columns, frameon=False)
    _save(figure, path, software=software)


@_STYLE
def confusion(scores, *, path: Path) -> None:
    """Writes a confusion matrix as a PNG, in per cent of each class's labelled pixels.

    Args:
        scores: A `kerasseg.score.metrics.Scores`.
        path: Of the PNG.
    """
    counts = np.array(scores.confusion, float)
    rows = counts.sum(1, keepdims=True)
    shares = 100 * np.divide(counts, rows, out=np.zeros_like(counts), where=rows > 0)
    side = max(4.0, 0.5 * len(counts) + 2)
    figure, axes = _subplots(figsize=(side, side))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    axes.set_xticks(range(len(counts)), scores.class_names, rotation=90)
    axes.set_yticks(range(len(counts)), scores.class_names)
    axes.set_xlabel("prediction")
    axes.set_ylabel("label")
    axes.set_title(f"% of labelled pixels; mIoU {100 * scores.miou:.2f} % over {scores.scored_classes}", wrap=True)
    if len(counts) <= 30:
        for (row, column), share in np.ndenumerate(shares):
            axes.text(
                column, row, f"{share:.0f}", ha="center", va="center", fontsize=8, color="white" if share > 50 else "black"
            )
    _save(figure, path)


@_STYLE
def sheet(
    rows: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], *, class_names: tuple[str, ...], path: Path
) -> None:  # fmt: skip
    """Writes a PNG with a row a picture: image | labels | prediction | errors.

    Args:
        rows: (image (H, W, 3) uint8, labels (H, W) uint8, preds (H, W) uint8).
        class_names: One a class.
        path: Of the PNG.
    """
    height, width = rows[0][1].shape
    figure, grid = _subplots(len(rows), 4, figsize=(12, 3 * len(rows) * height / width + 0.9), squeeze=False)
    for line, (image, labels, preds) in zip(grid, rows, strict=True):
        panels = (image, colorize(labels, class_names), colorize(preds, class_names), errors(labels, preds))
        for axes, panel in zip(line, panels, strict=True):
            axes.imshow(panel, interpolation="nearest")
            axes.set_axis_off()
    for axes, title in zip(grid[0], ("image", "labels", "prediction", "errors"), strict=True):
        axes.set_title(title)
    handles = [*_patches(class_names), _patch(UNLABELLED, "unlabelled")]
    figure.legend(handles=handles, loc="lower center", ncols=8, frameon=False, fontsize=8)
    figure.tight_layout(rect=(0, 0.9 * (-(-len(handles) // 8)) / 4 / figure.get_figheight(), 1, 1))
    _save(figure, path)


@_STYLE
def noise(found: Sequence[dict], *, path: Path) -> None:
    """Writes a PNG of the signal-to-noise ratio along an int8 network, with the layers that lose most named.

    Args:
        found: A row an operator in order of execution, the fields of `kerasseg.int8.noise.Noise`.
        path: Of the PNG.
    """
    shown = [one for one in found if abs(one["snr_db"]) < 100]  # tensors without noise, or without signal
    figure, axes = _subplots(figsize=(10, 4.5))
    axes.plot([one["snr_db"] for one in shown], color="tab:blue", linewidth=1.2)
    worst = sorted(range(len(shown)), key=lambda i: -shown[i]["lost_db"])[:10]
    for rank, i in enumerate(worst, start=1):
        label = f"{rank}  {shown[i]['layer']}, -{shown[i]['lost_db']:.0f} dB"
        axes.plot(i, shown[i]["snr_db"], "o", color="tab:red", markersize=5, label=label)
        axes.annotate(str(rank), (i, shown[i]["snr_db"]), textcoords="offset points", xytext=(4, -11), fontsize=9)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8, handlelength=0)
    axes.set_xlabel("operator, in order of execution")
    axes.set_ylabel("signal to noise against float, dB")
    axes.set_title("where int8 hurts: the ten layers that lose most")
    axes.grid(alpha=0.3)
    _save(figure, path)


@_STYLE
def memory(found: Sequence[dict], *, path: Path) -> None:
    """Writes a figure of the bytes that are alive while each operator of a .tflite file runs, with the peak named.

    Args:
        found: A row an operator in order of execution, the fields of `kerasseg.mcu.memory.Live`.
        path: Of the PNG or SVG.
    """
    sizes = [one["live_bytes"] / 1024 for one in found]
    top = int(np.argmax(sizes))
    figure, axes = _subplots(figsize=(10, 3.6))
    axes.bar(range(len(sizes)), sizes, width=1.0, color=["tab:red" if i == top else "tab:blue" for i in range(len(sizes))])
    axes.annotate(
        f"{found[top]['layer']} ({found[top]['operator']}): {sizes[top]:.0f} KiB",
        (top, sizes[top]), xytext=(0, 6), textcoords="offset points", ha="left" if top < len(sizes) / 2 else "right",
    )  # fmt: skip
    axes.set_ylim(0, 1.15 * sizes[top])
    axes.set_xlim(-0.5, len(sizes) - 0.5)
    axes.set_xlabel("operator, in order of execution")
    axes.set_ylabel("live activations, KiB")
    axes.grid(axis="y", alpha=0.3)
    _save(figure, path)


@_STYLE
def tradeoffs(panels: Mapping[str, Sequence[tuple[str, float, float]]], *, path: Path) -> None:
    """Writes a figure with a panel a cost: mIoU over it, logarithmic, with the Pareto front as a line.

    Args:
        panels: Cost -> (name, cost, mIoU 0..1) of each point; a panel without points is left out.
        path: Of the PNG or SVG.
    """
    panels = {cost: points for cost, points in panels.items() if points}
    names = list(dict.fromkeys(name for points in panels.values() for name, *_ in points))
    looks = {name: _look(i) for i, name in enumerate(names)}
    figure, line = _subplots(1, len(panels), figsize=(5.2 * len(panels), 4.6), squeeze=False)
    for axes, (cost, points) in zip(line[0], panels.items(), strict=True):
        front = [points[i] for i in pareto([(x, y) for _, x, y in points])]
        axes.plot([x for _, x, _ in front], [100 * y for *_, y in front], color="0.6", label="Pareto front", zorder=1)
        for name, x, y in points:
            (mark,) = axes.plot(x, 100 * y, linestyle="", markersize=7, label=name, **looks[name])
            mark.set_gid(f"{_TOLD}{name}: {x:.3g} {cost}, {100 * y:.2f} %")
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.margins(x=0.1, y=0.1)
        axes.set_xlabel(cost)
        axes.set_ylabel("val mIoU, %")
        axes.grid(alpha=0.3, which="both")
    legend = {name: handle for axes in line[0] for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(legend.values(), legend.keys(), loc="upper center", bbox_to_anchor=(0.5, 0), ncols=7, frameon=False)
    figure.tight_layout()
    _save(figure, path)


@_STYLE
def class_iou(scored: Sequence[tuple[str, dict]], *, path: Path) -> None:
    """Writes a figure of the IoU of every class, models side by side.

    Args:
        scored: (name, `kerasseg.score.metrics.Scores` as JSON) of each model.
        path: Of the PNG or SVG.
    """
    names = scored[0][1]["class_names"]
    places, width = np.arange(len(names)), 0.8 / len(scored)
    figure, axes = _subplots(figsize=(max(6, 0.75 * len(names) + 2), 3.8))
    for i, (model, scores) in enumerate(scored):
        heights = [100 * (share or 0) for share in scores["iou"]]
        bars = axes.bar(
            places + (i - (len(scored) - 1) / 2) * width, heights, width, label=f"{model}, mIoU {100 * scores['miou']:.1f} %"
        )
        axes.bar_label(bars, fmt="%.0f", fontsize=6)
    axes.set_xticks(places, names, rotation=45, ha="right")
    axes.set_ylabel("IoU, %")
    axes.set_ylim(0, 108)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(scored), frameon=False, fontsize=8)
    _save(figure, path)


@_STYLE
def segmented(
    rows: Sequence[tuple[np.ndarray, np.ndarray, Sequence[np.ndarray]]],
    *,
    names: Sequence[str],
    class_names: tuple[str, ...],
    path: Path,
) -> None:
    """Writes a PNG with a row a picture: image | labels | the prediction of each model.

    Args:
        rows: (image (H, W, 3) uint8, labels (H, W) uint8, preds (H, W) uint8 of each model).
        names: Of the models.
        class_names: One a class.
        path: Of the PNG.
    """
    height, width = rows[0][1].shape
    columns = 2 + len(names)
    deep = -(-columns // 6)
    across = -(-columns // deep)
    figure, grid = _subplots(
        len(rows) * deep, across, figsize=(3 * across, len(rows) * deep * (3 * height / width + 0.25)), squeeze=False
    )
    for number, (image, labels, preds) in enumerate(rows):
        panels = [image, *(colorize(ids, class_names) for ids in (labels, *preds))]
        line = grid[number * deep : (number + 1) * deep].ravel()
        for axes in line:
            axes.set_axis_off()
        for axes, panel, title in zip(line, panels, ("image", "labels", *names), strict=False):
            axes.imshow(panel, interpolation="nearest")
            axes.set_title(title, fontsize=9)
    figure.legend(
        handles=_patches(class_names), loc="upper center", bbox_to_anchor=(0.5, 0), ncols=8, frameon=False, fontsize=8
    )
    figure.tight_layout()
    _save(figure, path)


def _subplots(rows: int = 1, columns: int = 1, *, figsize: tuple[float, float], squeeze: bool = True) -> tuple[Figure, Any]:
    figure = Figure(figsize=figsize)
    return figure, figure.subplots(rows, columns, squeeze=squeeze)


def _look(i: int) -> dict[str, str]:
    """Marker and colour of point i; 7 and 10 share no factor, so 70 points look different."""
    return {"marker": "os^DvPX"[i % 7], "color": f"C{i % 10}"}


def _patches(class_names: tuple[str, ...]) -> list[Patch]:
    colors = palette(class_names)
    return [_patch(color, name) for color, name in zip(colors, class_names, strict=True)]


def _patch(color: tuple[int, int, int], name: str) -> Patch:
    red, green, blue = color
    return Patch(color=(red / 255, green / 255, blue / 255), label=name)


def _save(figure: Figure, path: Path, *, software: str = "kerasseg") -> None:
    fonts.fit(figure, file=path.name)
    with files.replacing(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # `fonts` has said so, in one line
        told = {"Date": None} if path.suffix == ".svg" else {"Software": software}  # the same figure, the same file
        figure.savefig(temporary, dpi=110, bbox_inches="tight", metadata=told)
        if path.suffix == ".svg":
            temporary.write_text(_telling(temporary.read_text(encoding="utf-8")), encoding="utf-8")


def _telling(svg: str) -> str:
    """Marks whose id begins with _TOLD get the rest of it as what is said when they are pointed at."""
    return re.sub(f' id="{_TOLD}([^"]*)">', r"><title>\1</title>", svg)
