"""kerasseg summary: every model with its parameters and multiply-accumulates."""

from dataclasses import dataclass
from pathlib import Path

from kerasseg import cli, files
from kerasseg.config import setting


@dataclass(frozen=True)
class SummaryOptions:
    """Prints every model with its parameters (as Keras counts them) and GMACs at its own output stride."""

    size: tuple[int, int] = setting((512, 512), "height,width of the input")
    num_classes: int = setting(21, "classes")
    json: str = setting("", "JSON file to write the table to", path=True)


def main(options: SummaryOptions) -> None:
    from kerasseg.models import macs

    if options.json:
        keys = {"size", "num_classes", "models"}
        files.refuse_to_replace([Path(options.json)], command="kerasseg summary", told_by=Path(options.json), keys=keys)
    rows = macs.summary(size=options.size, num_classes=options.num_classes)
    if options.json:
        table = {"size": list(options.size), "num_classes": options.num_classes, "models": rows}
        files.write_json(options.json, table)
    print(f"{options.size[0]}x{options.size[1]} input, {options.num_classes} classes; GMAC of convolutions, one image")
    print(f"{'model':<16}{'parameters':>12}{'change':>9}  {'tail':<7}{'stride':>6}  backbone    head  decoder   total")
    for row in rows:
        gmacs = "".join(f"{row[part + '_gmac']:>9.2f}" for part in ("backbone", "head", "decoder", "total"))
        change = f"{100 * row['change']:.2f}%"
        print(f"{row['model']:<16}{row['parameters']:>12,}{change:>9}  {row['tail']:<7}{row['output_stride']:>6} {gmacs}")


if __name__ == "__main__":
    cli.run(main)
