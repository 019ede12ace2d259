"""The report of tflite/micro.py as a page that needs nothing beside itself."""

from collections.abc import Iterable, Sequence
from html import escape

from kerasseg.mcu import firmware

KIB = 1024


def render(report: dict, *, figure: str) -> str:
    """HTML with the figure inside.

    Args:
        report: What report.json holds.
        figure: An SVG file's text.
    """
    svg = figure[figure.index("<svg") :]
    failures = report["failures"]
    verdict = (
        "".join(f'<span class="bad">NOT MET: {escape(failure)}</span><br>' for failure in failures)
        or '<span class="good">Everything that was asked holds.</span>'
    )
    sections = [
        ("Memory", _memory(report)),
        ("Where the activations go", svg + _live(report)),
        ("What would lower the peak", _savings(report)),
        ("Boards", _boards(report)),
        ("Against the reference kernels", _exactness(report)),
        ("Operators", _operators(report)),
    ]
    if report["accelerators"]:
        sections.insert(4, ("Ethos-U", _accelerators(report)))
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items() if version)
    return firmware.template("report.html").substitute(
        title=escape(f"{report['file']} on a microcontroller"),
        verdict=verdict,
        sections="\n".join(f"<h2>{title}</h2>\n{body}" for title, body in sections),
        footer=escape(f"sha256 {report['sha256']}; {versions}; {report['cpu']}"),
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns whose header ends in # hold numbers."""
    kinds = [' class="n"' if name.endswith("#") else "" for name in header]
    head = "".join(f"<th{kind}>{escape(name.removesuffix('#'))}</th>" for kind, name in zip(kinds, header, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{escape(str(cell))}</td>" for kind, cell in zip(kinds, row, strict=True)) + "</tr>\n"
        for row in rows
    )
    return f"<table><tr>{head}</tr>\n{body}</table>"


def _kib(count: float) -> str:
    return f"{count / KIB:.1f}"


def _memory(report: dict) -> str:
    arena = report["arena"]
    rows = [
        ("flash: the model", _kib(report["bytes"])),
        ("RAM: activations (arena head)", _kib(arena["head_bytes"])),
        ("RAM: structs that stay (arena tail)", _kib(arena["tail_bytes"])),
        ("RAM: arena, measured", _kib(arena["total_bytes"])),
        ("RAM: smallest arena that worked", _kib(arena["smallest_bytes"])),
        (f"RAM: arena in arena.h, with {arena['margin_percent']:g} % of margin", _kib(arena["with_margin_bytes"])),
    ]
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in report["unknown"])
    return _table(("", "KiB#"), rows) + f"<p>{report['macs'] / 1e6:.1f} million multiply-accumulates.</p>" + notes


def _live(report: dict) -> str:
    highest = sorted(report["memory"]["operators"], key=lambda one: -one["live_bytes"])[:10]
    rows = [
        (one["layer"], one["operator"], _kib(one["live_bytes"]), ", ".join(f"{n} {_kib(s)}" for n, _, s in one["tensors"][:4]))
        for one in highest
    ]
    return _table(("layer", "operator", "live KiB#", "largest tensors, KiB"), rows)


def _savings(report: dict) -> str:
    rows = [
        (one["change"], _kib(one["peak_bytes"]), _kib(one["saved_bytes"]), _kib(one["flash_bytes"]))
        for one in report["memory"]["savings"]
    ]
    return _table(("change", "peak then, KiB#", "saved#", "flash saved#"), rows)


def _boards(report: dict) -> str:
    rows = [
        (
            one["board"], one["about"], "yes" if one["fits"] else "NO",
            f"{one['flash_room_kib']:.0f}", f"{one['ram_room_kib']:.0f}", one["source"], one["note"],
        )
        for one in report["boards"]
    ]  # fmt: skip
    return _table(("board", "chip", "fits", "flash left, KiB#", "RAM left, KiB#", "source", ""), rows)


def _accelerators(report: dict) -> str:
    rows = [
        (one["accelerator"], f"{one['npu_ms']:.2f}", len(one["cpu_operators"]), f"{one['sram_kib']:.0f}", one["system"])
        for one in report["accelerators"]
    ]
    left = [f"{one['accelerator']}: {operator}" for one in report["accelerators"] for operator in one["cpu_operators"]]
    note = "<p>The time is Vela's estimate and counts no operator on the CPU.</p>"
    return (
        _table(("accelerator", "NPU ms#", "CPU operators#", "SRAM KiB#", "system assumed"), rows)
        + note
        + "".join(f"<p>{escape(line)}</p>" for line in left)
    )


def _exactness(report: dict) -> str:
    found = report["exactness"]
    line = (
        f"{found['equal']} of {found['runs']} outputs equal LiteRT's reference kernels to the bit; inputs: {report['source']}."
    )
    if found["first_operator"]:
        line += f" The first operator that differs: {found['first_operator']}; by up to {found['largest_difference']} steps."
    return f"<p>{escape(line)}</p>"


def _operators(report: dict) -> str:
    rows = [(kind, one["count"], "yes" if one["cmsis_nn"] else "no") for kind, one in report["operators"].items()]
    return _table(("operator", "count#", "CMSIS-NN kernel"), rows)
