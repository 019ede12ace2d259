"""The scores of a run on a split, with figures."""

from collections.abc import Callable
from pathlib import Path

from kerasseg import files, terminal
from kerasseg.data.letterbox import segment_all
from kerasseg.reports import plots
from kerasseg.run import origin, trained
from kerasseg.run.directory import open_run, refuse_as_output
from kerasseg.run.provenance import provenance
from kerasseg.score.evaluation import evaluate as score
from kerasseg.score.metrics import Scores
from kerasseg.training import backends, journal

EXAMPLES = 6  # on the sheet


def evaluate(
    workdir: str | Path,
    *,
    split: str = "val",
    data_dir: str = "",
    other_data: bool = False,
    output_dir: str | Path = "",
    log: Callable[[str], None] = lambda line: None,
) -> Scores:
    """Scores a run's best weights at the labels' own resolution; writes report.json, confusion.png and examples.png.

    Args:
        workdir: The run directory.
        split: To score.
        data_dir: Where the data set lies now; empty takes the run's own.
        other_data: Whether the data may be other than the run was trained on; the report says so then.
        output_dir: Where report and figures go; empty takes WORKDIR/evaluate_SPLIT.
        log: Gets a line a stage.

    Raises:
        InputError: no trained run, no such split, other data, pictures that cannot be read, or an `output_dir` that is a
            run directory or has somebody else's files.
    """
    run = open_run(workdir)
    output = Path(output_dir or run.directory.path / f"evaluate_{split}")
    refuse_as_output(output)
    written = [output / name for name in ("report.json", "confusion.png", "examples.png")]
    keys = {"split", "size", "scores", "other_data"}
    files.refuse_to_replace(written, command="kerasseg evaluate", told_by=written[0], keys=keys)
    files.refuse_unwritable(output, instead="--output_dir")
    dataset, differences = origin.load_data(run, splits=[split], data_dir=data_dir, other_data=other_data, log=log)
    examples = dataset.split(split)
    together = backends.scored_together(run.eval_size, run.num_classes, pictures=len(examples))
    predict = trained.predictor(trained.load_trained(run, batch_size=together))
    log(f"evaluating {run.config.model} on {len(examples)} pictures of {dataset.name} {split}")
    if state := journal.unfinished(run):
        log(f"{run.directory.path}: {state} Its best weights so far are taken")
    show = terminal.bar("pictures")
    scores = score(predict, examples, class_names=run.class_names, size=run.eval_size, together=together, show=show)
    report = {
        "split": split,
        "size": list(run.eval_size),
        "scores": scores.to_json(),
        "other_data": differences,
        **provenance(),
    }
    files.write_json(written[0], report)
    plots.confusion(scores, path=written[1])
    shown = list(examples.examples(examples.evenly(EXAMPLES)))
    all_preds = segment_all(predict, (e.image for e in shown), size=run.eval_size, together=together)
    rows = [(e.image, e.labels, preds) for e, preds in zip(shown, all_preds, strict=True)]
    plots.sheet(rows, class_names=run.class_names, path=written[2])
    log(f"wrote report.json, confusion.png and examples.png to {output}")
    return scores
