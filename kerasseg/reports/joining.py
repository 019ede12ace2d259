"""Further seeds of the rows of an earlier comparison. Plain Python on plain JSON."""

from kerasseg.errors import InputError

APART = ("seed", "data_dir", "cache_mib", "workers")  # settings in which runs of one row may differ
PROVENANCE = ("versions", "cpu", "commit")
SAME_ROW = ("model", "size", "output_stride", "weights", "epochs", "parameters")


def join(earlier: dict, report: dict) -> dict:
    """An earlier report with the seeds of `report` as further seeds of its rows; what it timed and counted stays.

    Args:
        earlier: a report of kerasseg.compare.
        report: another, of rows that `earlier` has too, by the same settings on the same pictures, with other seeds;
            the precision of training may differ.

    Returns:
        A report like `earlier`, in which `joined` says for each further seed its precision, and where it was scored.

    Raises:
        InputError: `earlier` is no such report, or a row or seed does not fit.
    """
    if not isinstance(earlier, dict) or not {"rows", "shared_settings", "pictures"} <= earlier.keys():
        raise InputError("the earlier comparison is not one; give a compare.json that kerasseg.compare wrote")
    for what, there, here in (
        *((name, earlier[name], report[name]) for name in ("dataset", "split", "pictures")),
        ("classes", *(", ".join(_class_names(one)) for one in (earlier, report))),
        ("holdout", *(one["shared_settings"].get("holdout") or "none" for one in (earlier, report))),
        ("validation pictures", *told_apart(*(one.get("data") for one in (earlier, report)))),
        ("other data", *("; ".join(one.get("other_data", [])) or "no other data" for one in (earlier, report))),
    ):
        if there != here:
            raise InputError(
                f"the runs to join have {what} {here}, the earlier comparison has {there}; join runs on the same data"
            )
    rows = [row | {"seeds": [*row["seeds"]]} for row in earlier["rows"]]
    joined = [*earlier.get("joined", [])]
    for new in report["rows"]:
        alike = [row for row in rows if all(row[name] == new[name] for name in SAME_ROW)]
        asked = report["shared_settings"] | new.get("settings", {})
        differing = [_different(earlier["shared_settings"] | row.get("settings", {}), asked) for row in alike]
        same = [row for row, different in zip(alike, differing, strict=True) if not different]
        if alike and not same:
            what, there, here = differing[0]
            raise InputError(
                f"the runs to join have {what} {here}, the earlier comparison has {there}; join runs that differ in the seed"
            )
        if len(same) != 1:
            settings = ", ".join(f"{name} {new[name]}" for name in SAME_ROW[1:])
            raise InputError(
                f"the earlier comparison has {len(same)} rows {new['model']} with {settings}, not one; compare new rows "
                "together with the old runs, for times of two sittings are not comparable"
            )
        for seed in new["seeds"]:
            if seed["seed"] in [known["seed"] for known in same[0]["seeds"]]:
                raise InputError(f"the earlier comparison has seed {seed['seed']} of {new['model']} already; give other seeds")
            same[0]["seeds"].append(seed)
            joined.append(
                {"model": new["model"], "seed": seed["seed"], "backend": new["backend"]}
                | {"precision": report["shared_settings"].get("precision")}
                | {name: report[name] for name in PROVENANCE}
            )
    return earlier | {"rows": rows, "joined": joined}


def told_apart(one: dict | None, other: dict | None) -> tuple[str, str]:
    """Two descriptions of a split (`kerasseg.run.origin`) in words, equal where the splits are, as far as both tell.

    Earlier versions described no splits, or not their contents.
    """
    if one is None or other is None:
        return "", ""
    known = [name for name in ("examples", "sizes", "fingerprint", "contents") if name in one and name in other]
    first, second = (", ".join(f"{name} {split[name]}" for name in known) for split in (one, other))
    return first, second


def _class_names(report: dict) -> list[str]:
    return report["rows"][0]["seeds"][0].get("float", {}).get("class_names", [])


def _different(there: dict, asked: dict) -> tuple:
    """The first setting, with both values, in which two runs differ that are no seeds of one row; empty where there is none.

    A setting that one of them does not know is newer than it, or differed among its rows before a row kept its own.
    """
    apart = (*APART, "precision")  # not every CPU can train in bfloat16
    names = (name for name in there if name in asked and name not in apart)
    return next(((name, there[name], asked[name]) for name in names if there[name] != asked[name]), ())
