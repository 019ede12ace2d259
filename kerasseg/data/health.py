"""What is in a data set, and what is wrong with it: every problem at once."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kerasseg.data import findings, pairing
from kerasseg.data.datasets import Dataset
from kerasseg.data.findings import UNREADABLE, Finding
from kerasseg.data.labels import IGNORE_LABEL
from kerasseg.data.tally import Tally

MANY = 24  # classes; a table of more shows those with the most pixels


@dataclass(frozen=True)
class Health:
    """What was found.

    Attributes:
        dataset: Its name.
        class_names: One a class.
        tallies: Split -> Tally.
        findings: Errors first.
    """

    dataset: str
    class_names: tuple[str, ...]
    tallies: Mapping[str, Tally]
    findings: tuple[Finding, ...]

    def errors(self, accepted: Sequence[str] = ()) -> list[Finding]:
        """Those that training stops on."""
        return [one for one in self.findings if one.is_error and (one.kind not in accepted or one.kind in UNREADABLE)]

    def rows(self) -> list[dict]:
        """A row a class: id, name, pixels and share of the labelled pixels a split, pictures, mean area where it occurs."""
        tables = {split: tally.table for split, tally in self.tallies.items()}
        rows = []
        for i, name in enumerate(self.class_names):
            pixels = {split: int(table[:, i].sum()) for split, table in tables.items()}
            shares = {split: pixels[split] / max(1, int(table[:, :IGNORE_LABEL].sum())) for split, table in tables.items()}
            occurs = sum(int((table[:, i] > 0).sum()) for table in tables.values())
            mean = sum(pixels.values()) / occurs if occurs else 0.0
            rows.append({"id": i, "class": name, "pixels": pixels, "share": shares, "pictures": occurs, "mean_area": mean})
        return rows

    def sizes(self) -> list[tuple[tuple[int, int], int]]:
        """(height, width) and how many pictures have it, the most first."""
        return sum((tally.sizes for tally in self.tallies.values()), Counter()).most_common()

    def unlabelled(self) -> dict[str, float]:
        """Split -> share of its pixels that nobody labelled."""
        shares = {}
        for split, tally in self.tallies.items():
            total = int(tally.table.sum())
            shares[split] = int(tally.table[:, IGNORE_LABEL].sum()) / total if total else 0.0
        return shares

    def to_json(self) -> dict:
        """As plain JSON values."""
        return {
            "dataset": self.dataset,
            "pictures": {split: tally.examples - len(tally.refused) for split, tally in self.tallies.items()},
            "classes": self.rows(),
            "sizes": [[*size, count] for size, count in self.sizes()],
            "unlabelled": self.unlabelled(),
            "findings": [
                {"kind": one.kind, "error": one.is_error, "text": one.text, "files": list(one.files)} for one in self.findings
            ],
        }

    def table(self) -> str:
        """The rows, sizes and unlabelled shares as text; of many classes, those with the most pixels."""
        width = max(5, *map(len, self.class_names))
        head = "".join(f"{split + ' pixels':>16}  share" for split in self.tallies)
        lines = [f" id  {'class':<{width}}{head}  pictures  mean area"]
        rows = self.rows()
        most = sorted(rows, key=lambda row: -sum(row["pixels"].values()))[:MANY]
        if len(rows) > MANY:
            most = [row for row in most if row["pictures"]]
        for row in sorted(most, key=lambda row: row["id"]):
            cells = "".join(f"{row['pixels'][s]:>16,} {100 * row['share'][s]:>5.2f}%" for s in self.tallies)
            lines.append(f"{row['id']:>3}  {row['class']:<{width}}{cells}  {row['pictures']:>8}  {row['mean_area']:>9,.0f}")
        if len(rows) > MANY:
            lines.append(f"and {len(rows) - len(most)} classes with fewer pixels, or none")
        shown = [f"{height}x{width} ({count})" for (height, width), count in self.sizes()]
        lines.append(f"pictures, height x width: {pairing.named(shown)}")
        lines.append(
            "unlabelled: " + ", ".join(f"{100 * share:.2f} % of {split}" for split, share in self.unlabelled().items())
        )
        return "\n".join(lines)


def examine(dataset: Dataset, tallies: Mapping[str, Tally], *, data_dir: str = "") -> Health:
    """Everything that is in it, and that is wrong or may be.

    Args:
        dataset: As loaded.
        tallies: Of its splits, or of some of them.
        data_dir: Where it lies; with `folder`, it is looked at what else lies there.
    """
    found = findings.find(dataset, tallies, data_dir=data_dir)
    return Health(dataset.name, dataset.class_names, dict(tallies), tuple(found))
