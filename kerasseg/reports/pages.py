"""HTML pages that need nothing beside themselves, from Jinja2 templates that escape all text."""

import base64
import functools
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup
from PIL import Image

from kerasseg.data.health import Health
from kerasseg.data.labels import palette
from kerasseg.reports import comparison
from kerasseg.reports.story import RunStory, Sample, Shown

WIDTH = 320  # pixels of a picture on a page
PANELS = ("image", "labels", "prediction", "errors")


def is_page(path: Path) -> bool:
    """Whether a file is a page that was made here."""
    with path.open("rb") as file:
        return b'<meta name="generator" content="kerasseg">' in file.read(400)


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
    return _render(
        "health.html.jinja", title=f"What is in {found.dataset}", data=_with_looks(found.to_json()), overlays=overlays,
        crops=crops, suspicious=suspicious, size=size,
    )  # fmt: skip


def run(story: RunStory) -> str:
    """The page of a training run."""
    told = {name: getattr(story, name) for name in story.__dataclass_fields__} | {
        "curve": story.curve,
        "data": _with_looks(story.data) if story.data else None,
        "colors": palette(story.class_names),
        "shares": story.shares(),
        "confused": story.confused(),
        "noise": _inline(story.noise),
        "exports": [{"report": one["report"], "figure": _inline(one["figure"])} for one in story.exports],
        "shown": [_panels(one) for one in story.shown],
    }
    return _render("run.html.jinja", title=story.title, story=told)


def micro(report: Mapping[str, Any], *, figure: str) -> str:
    """The page of `kerasseg micro`.

    Args:
        report: What report.json holds.
        figure: An SVG file's text.
    """
    return _render("micro.html.jinja", title=f"{report['file']} on a microcontroller", report=report, figure=_inline(figure))


def compare(report: Mapping[str, Any], *, tradeoffs: str, classes: str, pictures: bytes) -> str:
    """The page of `kerasseg compare`.

    Args:
        report: What compare.json holds.
        tradeoffs: The text of tradeoffs.svg.
        classes: Of classes.svg; "" where there is none.
        pictures: The content of pictures.png.
    """
    header, rows, method = comparison.table(dict(report))
    title = f"{len(rows)} models on {report['dataset']} {report['split']}"
    return _render(
        "compare.html.jinja", title=title, header=[header[0], *(f"{name}#" for name in header[1:])],
        rows=[[cell.strip("`") for cell in row] for row in rows], method=method.replace("`", ""),
        tradeoffs=_inline(tradeoffs), classes=_inline(classes), pictures=_embedded(pictures, "png"),
    )  # fmt: skip


def card(
    file: Mapping[str, Any],
    *,
    recipe: str,
    about: str,
    command: str,
    state: str,
    coarse: bool,
    scores: Mapping[str, Any] | None,
) -> str:
    """A model card in Markdown.

    Args:
        file: `kerasseg.run.sidecar.Sidecar.to_json()`.
        recipe: What the file is, for people: "int8".
        about: How that recipe makes it.
        command: That trained the run.
        state: What is to be said of a training that has not come to its end.
        coarse: Whether the logits are coarser than the input.
        scores: `Scores.to_json()` of the Keras model on val; None where nobody knows.
    """
    values = {
        "file": file, "recipe": recipe, "about": about, "command": f"`{command}`", "state": state, "coarse": coarse,
        "scores": scores,
    }  # fmt: skip
    return _render("card.md.jinja", html=False, **values)


@functools.cache
def _environment(*, html: bool) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("kerasseg.reports"), autoescape=html, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters["percent"] = lambda share: "-" if share is None else f"{100 * share:.2f} %"
    environment.filters["kib"] = lambda count: f"{count / 1024:,.1f}"
    environment.filters["source"] = _photograph
    environment.filters["cell"] = _cell
    return environment


def _render(template: str, *, html: bool = True, **values: Any) -> str:
    text = _environment(html=html).get_template(template).render(**values)
    # Names of files that the locale could not decode: what they are in UTF-8, as far as they are.
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _cell(text: str) -> str:
    """Text that Markdown takes for nothing but text, in a table too."""
    return re.sub(r"([\\`*_\[\]|<&])", r"\\\1", text)


def _with_looks(data: Mapping[str, Any]) -> dict[str, Any]:
    """`Health.to_json()` with a colour a class, and the largest share, to which bars are drawn."""
    names = tuple(row["class"] for row in data["classes"])
    most = max((share for row in data["classes"] for share in row["share"].values()), default=0.0) or 1.0
    return {**data, "colors": palette(names), "most": most}


def _inline(svg: str) -> Markup:
    """An SVG file of `plots` as an element of the page, in the page's colours."""
    if not svg:
        return Markup()
    return Markup(svg[svg.index("<svg") :].replace("#000000", "currentColor").replace("fill: #ffffff", "fill: none"))


def _panels(one: Sample) -> dict[str, Any]:
    flat = (_flat(pixels) for pixels in (one.labels, one.prediction, one.errors))
    sources = [_photograph(one.image), *flat]
    panels = [{"what": what, "source": source} for what, source in zip(PANELS, sources, strict=True)]
    return {"rank": one.rank, "name": one.name, "miou": one.miou, "panels": panels}


def _photograph(image: np.ndarray) -> str:
    content = io.BytesIO()
    _small(image, Image.Resampling.BILINEAR).save(content, "JPEG", quality=85)
    return _embedded(content.getvalue(), "jpeg")


def _flat(image: np.ndarray) -> str:
    """Of few colours, none of which is to be blurred."""
    content = io.BytesIO()
    _small(image, Image.Resampling.NEAREST).quantize(256).save(content, "PNG", optimize=True)
    return _embedded(content.getvalue(), "png")


def _small(image: np.ndarray, how: Image.Resampling) -> Image.Image:
    picture = Image.fromarray(image)
    if picture.width <= WIDTH:
        return picture
    return picture.resize((WIDTH, max(1, round(picture.height * WIDTH / picture.width))), how)


def _embedded(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
