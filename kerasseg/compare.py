"""kerasseg compare: several runs in one table, with what each costs and reaches in float and in int8."""

from dataclasses import dataclass

from kerasseg import cli
from kerasseg.config import setting
from kerasseg.errors import InputError
from kerasseg.jobs.settings import CompareSettings


@dataclass(frozen=True)
class CompareOptions(CompareSettings):
    """Writes compare.html, .md, .csv, .json and figures about runs on the same data; runs that differ in the seed share a row.

    Files that `kerasseg convert` left in a run directory (float32, int8 and int8_qat.tflite) are scored and timed, too.
    """

    workdirs: tuple[str, ...] = setting(
        (), "run directories of kerasseg train, comma-separated; the first row is the yardstick", path=True
    )
    output_dir: str = setting("", "where table and figures go", path=True)
    earlier: str = setting("", "a compare.json whose rows the runs join as further seeds; the times in it stay", path=True)


def main(options: CompareOptions) -> None:
    if not options.workdirs or not options.output_dir:
        raise InputError("--workdirs or --output_dir is missing; give run directories of kerasseg train, and where to write")
    from kerasseg import jobs
    from kerasseg.reports import comparison

    settings = cli.part(options, CompareSettings)
    report = jobs.compare(
        options.workdirs, output_dir=options.output_dir, earlier=options.earlier, settings=settings, log=cli.say
    )
    print(comparison.markdown(report))


if __name__ == "__main__":
    cli.run(main)
