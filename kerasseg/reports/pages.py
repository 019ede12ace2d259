"""HTML pages that need nothing beside themselves."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from string import Template

import numpy as np
from PIL import Image

from kerasseg.data import labels as label_tables
from kerasseg.data.health import Health

WIDTH = 320  # pixels of a picture on the page


@dataclass(frozen=True)
class Shown:
    """A picture of the page.

    Attributes:
        caption: Under it.
        image: (H, W, 3) uint8.
    """

    caption: str
    image: np.ndarray


def health(
    found: Health, *, overlays: Sequence[Shown], crops: Sequence[Shown], suspicious: Sequence[Shown], size: tuple[int, int]
) -> str:
    """The page of `kerasseg inspect`.

    Args:
        found: What is in the data set, and what is wrong.
        overlays: Pictures under the colours of their labels.
        crops: The same as training crops.
        suspicious: Pictures that a finding names.
        size: (height, width) of a crop.
    """
    counts = ", ".join(f"{len(tally.names)} pictures in {split}" for split, tally in found.tallies.items())
    sizes = ", ".join(f"{height}x{width} ({count} pictures)" for (height, width), count in found.sizes()[:8])
    unlabelled = ", ".join(f"{100 * share:.2f} % of {split}" for split, share in found.unlabelled().items())
    more = f"<h2>Pictures that a warning names</h2>\n{_pictures(suspicious)}" if suspicious else ""
    return _template("health.html").substitute(
        title=escape(f"What is in {found.dataset}"),
        summary=escape(f"{counts}; {len(found.class_names)} classes."),
        findings=_findings(found),
        classes=_classes(found),
        sizes=escape(f"Height x width: {sizes}. Unlabelled: {unlabelled}."),
        overlays=_pictures(overlays),
        crops=_pictures(crops),
        size=escape(f"{size[0]}x{size[1]}"),
        suspicious=more,
    )


def _findings(found: Health) -> str:
    if not found.findings:
        return '<p class="good">Nothing.</p>'
    lines = []
    for one in found.findings:
        kind = '<span class="bad">error</span>' if one.is_error else '<span class="mild">warning</span>'
        names = "".join(f"<li>{escape(name)}</li>" for name in one.files)
        listed = f"<details><summary>{len(one.files)} names</summary><ul>{names}</ul></details>" if names else ""
        lines.append(f"<li>{kind} ({escape(one.kind)}): {escape(one.text)}{listed}</li>")
    return "<ul>" + "\n".join(lines) + "</ul>"


def _classes(found: Health) -> str:
    rows = found.rows()
    most = max((share for row in rows for share in row["share"].values()), default=0.0) or 1.0
    colors = label_tables.palette(found.class_names)
    head = "".join(f'<th class="n">{escape(split)} pixels</th><th class="n">share</th><th></th>' for split in found.tallies)
    lines = []
    for row, color in zip(rows, colors, strict=True):
        cells = "".join(
            f'<td class="n">{row["pixels"][split]:,}</td><td class="n">{100 * row["share"][split]:.2f} %</td>'
            f'<td><span class="bar" style="width: {6 * row["share"][split] / most:.2f}rem"></span></td>'
            for split in found.tallies
        )
        patch = f'<span class="patch" style="background: rgb{color}"></span>'
        lines.append(
            f'<tr><td class="n">{row["id"]}</td><td>{patch} {escape(row["class"])}</td>{cells}'
            f'<td class="n">{row["pictures"]}</td><td class="n">{row["mean_area"]:,.0f}</td></tr>'
        )
    title = f'<tr><th class="n">id</th><th>class</th>{head}<th class="n">pictures</th><th class="n">mean area</th></tr>'
    return f"<table>{title}\n" + "\n".join(lines) + "</table>"


def _pictures(shown: Sequence[Shown]) -> str:
    figures = (
        f'<figure><img src="{_source(one.image)}" alt="{escape(one.caption)}">'
        f"<figcaption>{escape(one.caption)}</figcaption></figure>"
        for one in shown
    )
    return '<div class="pictures">' + "\n".join(figures) + "</div>"


def _source(image: np.ndarray) -> str:
    picture = Image.fromarray(image)
    if picture.width > WIDTH:
        picture = picture.resize((WIDTH, max(1, round(picture.height * WIDTH / picture.width))), Image.Resampling.BILINEAR)
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"


def _template(name: str) -> Template:
    return Template((resources.files("kerasseg.reports") / "templates" / f"{name}.in").read_text(encoding="utf-8"))
