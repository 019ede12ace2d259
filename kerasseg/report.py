"""kerasseg report: one page of a run, with its curves, scores, pictures, files and memory."""

from dataclasses import dataclass

from kerasseg import cli
from kerasseg.config import setting
from kerasseg.errors import InputError


@dataclass(frozen=True)
class ReportOptions:
    """Writes one HTML file that needs no network: data, curves, scores, pictures, .tflite files, memory on a device.

    Files that kerasseg convert left in the run directory are scored and timed first, and that is kept in WORKDIR/check.json.
    """

    workdir: str = setting("", "run directory of kerasseg train", path=True)
    measure: bool = setting(True, "score and time .tflite files that WORKDIR/check.json does not speak of")
    micro: tuple[str, ...] = setting((), "folders that kerasseg micro wrote; those in WORKDIR are found", path=True)
    data_dir: str = setting("", "where the data set lies now; empty takes the run's own", path=True)
    output: str = setting("", "file to write; empty takes WORKDIR/report.html", path=True)


def main(options: ReportOptions) -> None:
    if not options.workdir:
        raise InputError("--workdir is missing; give the run directory of kerasseg train")
    if options.measure:  # converts the run's model again
        cli.use_tensorflow()
    from kerasseg import jobs

    jobs.report(
        options.workdir, measure=options.measure, exports=options.micro, data_dir=options.data_dir, output=options.output,
        log=cli.say,
    )  # fmt: skip


if __name__ == "__main__":
    cli.run(main)
