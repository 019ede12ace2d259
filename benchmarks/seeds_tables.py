"""The table of seeds by a short recipe, from results/seeds.json."""

from pathlib import Path

from kerasseg import files
from kerasseg.reports import seeds


def seeds_table(results: Path) -> str:
    """Mean and deviation a row, at the best epoch and at the last, and what the seeds say of each against the first."""
    found = files.read_json(results / "seeds.json")
    rows, settings = found["rows"], found["settings"]
    first = rows[0]
    lines = [
        f"| model | seeds | best epoch | last epoch | against `{first['model']}`, best | last |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        best, last = ({one["seed"]: one[kind] for one in row["seeds"]} for kind in ("miou", "last_miou"))
        against = [
            seeds.paired_difference(scores, {one["seed"]: one[kind] for one in first["seeds"]}) if row is not first else ""
            for kind, scores in (("miou", best), ("last_miou", last))
        ]
        means = (seeds.mean_and_deviation(list(scores.values())) for scores in (best, last))
        lines.append(f"| `{row['model']}` | {len(best)} | {' | '.join([*means, *against])} |")
    height, width = settings["size"]
    made = sorted({f"{one['backend']}, {one['cpu']}" for row in rows for one in row["seeds"]})
    text = (
        f"CamVid val at {settings['eval_size'][0]}x{settings['eval_size'][1]}, {settings['epochs']} epochs of {height}x{width} "
        f"crops, evaluated every {settings['eval_every']} epochs, everything else as in the comparison above; "
        f"{settings['precision']}, {'; '.join(made)}. Mean ± standard deviation of a sample; in points, the mean difference "
        "seed by seed and its 95 % interval (Student's t). The best epoch is chosen by the pictures that score it, the last "
        "by nobody."
    )
    return "\n".join([*lines, "", text])


BLOCKS = {"seeds": seeds_table}
