"""One page of a run: what it learned from, how it went, what its files kept of it, and what they take on a device."""

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kerasseg import files
from kerasseg.errors import InputError
from kerasseg.jobs.settings import CheckSettings
from kerasseg.jobs.verification import check
from kerasseg.reports import pages, plots
from kerasseg.run import origin, sidecar, trained
from kerasseg.run.directory import Run, open_run
from kerasseg.run.lock import locked
from kerasseg.run.provenance import provenance
from kerasseg.score.evaluation import evaluate
from kerasseg.training import backends, journal

HURTS = 12  # layers of the table
Log = Callable[[str], None]


def report(
    workdir: str | Path,
    *,
    measure: bool = True,
    exports: Sequence[str | Path] = (),
    data_dir: str = "",
    output: str | Path = "",
    log: Log = lambda line: None,
) -> Path:
    """Writes the page of a run.

    Files of `kerasseg convert` in the run directory are scored and timed together, unless WORKDIR/check.json already speaks of
    these files; that takes minutes, and is kept there.

    Args:
        workdir: The run directory.
        measure: Whether to score and time files that no check.json speaks of.
        exports: Folders that `kerasseg micro` wrote; those inside the run directory are found.
        data_dir: Where the data set lies now; empty takes the run's own.
        output: The page; empty takes WORKDIR/report.html.
        log: Gets a line a stage.

    Returns:
        Where the page is.

    Raises:
        InputError: no run, no weights yet, other data than the run's, an export that is not of a file in the run directory, or
            a check.json there that is not of all of val.
    """
    run = open_run(workdir)
    page = Path(output or run.directory.page)
    if page != run.directory.page and page.exists() and not (page.is_file() and pages.is_page(page)):
        files.refuse_to_replace([page], command="kerasseg report")
    fixed = page != run.directory.page and not os.access(run.directory.path, os.W_OK)  # an archived run, or a colleague's
    with contextlib.nullcontext() if fixed else locked(run.directory.path):  # nothing trains there meanwhile
        return _report(run, measure, exports, data_dir, page, _once(log))


def _once(log: Log) -> Log:
    """The data set is loaded by the check, too, and what is said of it is said of both."""
    said = set[str]()

    def say(line: str) -> None:
        if line not in said:
            said.add(line)
            log(line)

    return say


def _report(run: Run, measure: bool, exports: Sequence[str | Path], data_dir: str, output: Path, log: Log) -> Path:
    dataset, _ = origin.load_data(run, splits=["val"], data_dir=data_dir, log=log)
    split = dataset.split("val")
    together = backends.scored_together(run.eval_size, run.num_classes, pictures=len(split))
    predict = trained.predictor(trained.load_trained(run, batch_size=together))
    best = journal.kept(run)
    if best is None:
        log(f"evaluating {run.config.model} on {len(split)} pictures of {dataset.name} val")
        epoch = files.read_json(run.directory.report)["best_epoch"] if run.directory.report.is_file() else 0
        best = journal.Evaluation(epoch, {})
        names, size = run.class_names, run.eval_size
        best.scores = evaluate(predict, split, class_names=names, size=size, together=together, each=best.add).to_json()
        journal.keep(run, best)
    shown = journal.samples(run, split, predict, best.by_picture, together=together)
    entries, checked = _files(run, measure, len(split), data_dir, log)
    story = journal.story(
        run,
        best=best,
        shown=shown,
        about=provenance(),
        commands=[journal.train_command(run), *(one["command"] for one in entries if "command" in one)],
        keras=checked.get("keras"),
        files=entries,
        checked=_method(checked),
        exports=_exports(run, [Path(one) for one in exports], {one["sha256"] for one in entries}),
        **_hurting(run, checked),
    )
    files.write_text(output, pages.run(story))
    log(f"wrote {output}")
    return output


def _files(run: Run, measure: bool, pictures: int, data_dir: str, log: Log) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """A row a .tflite file in the run directory, and the check that its numbers are of."""
    rows, sound = [], []
    for path in sorted(run.directory.path.glob("*.tflite")):
        row: dict[str, Any] = {"file": path.name, "sha256": files.sha256(path), "bytes": path.stat().st_size}
        try:
            found = sidecar.hold_against(path, run)
            if found is None:
                row["refused"] = "of unknown origin: no JSON beside it says what it was made from"
            else:
                row["command"] = f"kerasseg convert --workdir={run.directory.path} --recipe={found.recipe} --output={path}"
                sound.append((path, row, found))
        except InputError as error:
            row["refused"] = str(error)
        rows.append(row)
    if not sound:
        return rows, {}
    kept = run.directory.path / "check.json"
    checked = _kept(kept, pictures, measure, log)
    of_hash = {one["sha256"]: one for one in checked.get("files", [])}
    if measure and not all(row["sha256"] in of_hash for _, row, _ in sound):
        # --per_layer takes the first: one of int8 activations before one of int16
        sound.sort(key=lambda one: (one[2].calibration is None, one[2].recipe == "int16x8"))
        settings = CheckSettings(max_miou_drop=100.0, per_layer=sound[0][2].calibration is not None, data_dir=data_dir)
        checked = check([path for path, _, _ in sound], workdir=run.directory.path, settings=settings, log=log)
        files.write_json(kept, checked)
        of_hash = {one["sha256"]: one for one in checked["files"]}
    for _, row, _ in sound:
        row |= of_hash.get(row["sha256"], {})
    return rows, checked


def _kept(path: Path, pictures: int, measure: bool, log: Log) -> dict[str, Any]:
    """The check that lies in the run directory; empty where there is none, or one that does not count.

    Raises:
        InputError: it is not of all of val, and another one would be written over it.
    """
    checked: dict[str, Any] = files.read_json(path) if path.is_file() else {}
    others = checked.get("other_data")
    if not checked or ((checked.get("split"), checked.get("pictures")) == ("val", pictures) and not others):
        return checked
    about = f"{checked['pictures']} pictures of {checked['split']}" if "split" in checked else "times alone, without --workdir"
    about += " of other data" if others else ""
    if measure:
        raise InputError(f"{path} is of {about}, not of the {pictures} of val; move it, and report measures these")
    log(f"left out {path}, which is of {about}, not of the {pictures} of val")
    return {}


def _method(checked: dict[str, Any]) -> str:
    if not checked:
        return ""
    timing = checked["files"][0]["latency"][0]
    return (
        f"{checked['pictures']} pictures of {checked['split']} at the labels' own resolution; latency: medians of "
        f"{timing['runs']} runs after {timing['warmup']}, {timing['interleaved']} files in turn in one process, LiteRT "
        f"{checked['versions']['ai-edge-litert']} ({checked['kernels']}), {timing['threads']} thread(s), {checked['cpu']}."
    )


def _hurting(run: Run, checked: dict[str, Any]) -> dict[str, Any]:
    """The layers that lose most, and the figure of all."""
    found = checked.get("per_layer")
    if not found:
        return {}
    path = run.directory.path / "where_int8_hurts.svg"
    plots.noise(found, path=path)
    worst = sorted(found, key=lambda one: -one["lost_db"])[:HURTS]
    of = Path(checked["files"][0]["file"]).name
    return {"hurts": worst, "hurts_file": of, "noise": path.read_text(encoding="utf-8")}


def _exports(run: Run, asked: Sequence[Path], hashes: set[str]) -> list[dict[str, Any]]:
    """Reports of `kerasseg micro` about files of the run directory, and their figures."""
    found = []
    inside = dict.fromkeys(path.parent for path in sorted(run.directory.path.glob("*/*arena.h")))  # NAME_arena.h
    for folder in [*asked, *(folder for folder in inside if folder not in asked)]:
        if not (folder / "report.json").is_file() or not (folder / "memory.svg").is_file():
            raise InputError(f"{folder} holds no export of kerasseg micro (report.json and memory.svg); check --micro")
        told = files.read_json(folder / "report.json")
        if told.get("sha256") in hashes:
            found.append({"report": told, "figure": (folder / "memory.svg").read_text(encoding="utf-8")})
        elif folder in asked:
            raise InputError(f"{folder} is of a file that is not in {run.directory.path}; export it again, or leave it out")
    return found
