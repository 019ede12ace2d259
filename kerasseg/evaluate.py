"""kerasseg evaluate: the scores of a run on a split."""

from dataclasses import dataclass

from kerasseg import cli
from kerasseg.config import setting
from kerasseg.errors import InputError


@dataclass(frozen=True)
class EvaluateOptions:
    """Scores a run at the labels' own resolution and draws a confusion matrix and a sheet of examples."""

    workdir: str = setting("", "run directory of kerasseg train", path=True)
    split: str = setting("val", "split to score")
    data_dir: str = setting("", "where the data set lies now; empty takes the run's own", path=True)
    other_data: bool = setting(False, "take data that is not what the run was trained on; the report says so")
    output_dir: str = setting("", "where report and figures go; empty takes WORKDIR/evaluate_SPLIT", path=True)


def main(options: EvaluateOptions) -> None:
    if not options.workdir:
        raise InputError("--workdir is missing; give the run directory of kerasseg train")
    from kerasseg import jobs

    scores = jobs.evaluate(
        options.workdir, split=options.split, data_dir=options.data_dir, other_data=options.other_data,
        output_dir=options.output_dir, log=cli.say,
    )  # fmt: skip
    print(scores.table())


if __name__ == "__main__":
    cli.run(main)
