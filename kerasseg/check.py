"""kerasseg check: how accurate .tflite files are beside their Keras model, where they lose it, and how fast."""

import json
from dataclasses import dataclass
from pathlib import Path

from kerasseg import cli, files
from kerasseg.config import setting
from kerasseg.errors import InputError
from kerasseg.jobs.settings import CheckSettings


@dataclass(frozen=True)
class CheckOptions(CheckSettings):
    """Scores .tflite files and their Keras model on the same pixels, and times them in turn; exits 1 past a limit.

    Without --workdir it only times and lints, any files that take a picture.
    """

    workdir: str = setting("", "run directory of kerasseg train that the files came from", path=True)
    tflite: tuple[str, ...] = setting((), ".tflite files to check, comma-separated", path=True)
    report: str = setting("", "JSON file to write; with --per_layer a figure beside it", path=True)
    json: bool = setting(False, "print the report as JSON instead of a table")


def main(options: CheckOptions) -> int:
    if not options.tflite:
        raise InputError("--tflite is missing; give the .tflite files to check, and --workdir of their run to score them")
    written = [Path(options.report)] * bool(options.report)
    figures = [path.with_suffix(".png") for path in written] * options.per_layer
    for paths, keys in ((written, {"files", "failures"}), (figures, {"files", "failures", "per_layer"})):
        files.refuse_to_replace(paths, command="kerasseg check", told_by=Path(options.report), keys=keys)
    if options.per_layer:  # converts the run's model again
        cli.use_tensorflow()
    from kerasseg import jobs
    from kerasseg.reports import plots, tables

    say = cli.silent if options.json else cli.say
    report = jobs.check(options.tflite, workdir=options.workdir, settings=cli.part(options, CheckSettings), log=say)
    if options.report:
        files.write_json(options.report, report)
        if "per_layer" in report:
            plots.noise(report["per_layer"], path=Path(options.report).with_suffix(".png"))
    print(json.dumps(report, indent=2) if options.json else tables.check(report))
    for failure in report["failures"]:
        say(f"NOT MET: {failure}")
    return cli.EXIT_NOT_MET if report["failures"] else 0


if __name__ == "__main__":
    cli.run(main)
