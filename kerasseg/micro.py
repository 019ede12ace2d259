"""kerasseg micro: what a microcontroller needs of an int8 .tflite file, with the memory measured."""

from dataclasses import dataclass

from kerasseg import cli
from kerasseg.config import setting
from kerasseg.errors import InputError
from kerasseg.jobs.settings import ExportSettings


@dataclass(frozen=True)
class MicroOptions(ExportSettings):
    """Measures a file in TFLite Micro, holds it against the reference kernels, and writes C++ sources and a report.

    Takes any int8 file. With --workdir or --images it is run on real pictures.
    """

    tflite: str = setting("", "int8 .tflite file", path=True)
    output_dir: str = setting("", "folder to write the sources, report.json and report.html to", path=True)
    workdir: str = setting("", "run directory of kerasseg train: compare on pictures of its data set", path=True)
    images: str = setting("", "or a folder of pictures to compare on", path=True)


def main(options: MicroOptions) -> int:
    if not options.tflite or not options.output_dir:
        raise InputError("--tflite or --output_dir is missing; give the int8 file and a folder for what is written")
    from kerasseg import jobs
    from kerasseg.reports import tables

    report = jobs.export(
        options.tflite, output_dir=options.output_dir, workdir=options.workdir, images=options.images,
        settings=cli.part(options, ExportSettings), log=cli.say,
    )  # fmt: skip
    print(tables.micro(report))
    for failure in report["failures"]:
        print(f"NOT MET: {failure}")
    return cli.EXIT_NOT_MET if report["failures"] else 0


if __name__ == "__main__":
    cli.run(main)
