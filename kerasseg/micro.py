"""kerasseg micro: what a microcontroller needs of an int8 .tflite file, with the memory measured."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from kerasseg import cli
from kerasseg.config import setting
from kerasseg.errors import InputError
from kerasseg.jobs.settings import ExportSettings


@dataclass(frozen=True)
class MicroOptions(ExportSettings):
    """Measures a file in TFLite Micro, holds it against the reference kernels, and writes C++ sources and a report.

    Takes any int8 file. With --workdir or --images it is run on real pictures. --log reads what a board printed, instead.
    """

    tflite: str = setting("", "int8 .tflite file", path=True)
    output_dir: str = setting("", "folder to write the sources and reports to; of --log, that of the export", path=True)
    workdir: str = setting("", "run directory of kerasseg train: compare on pictures of its data set", path=True)
    images: str = setting("", "or a folder of pictures to compare on", path=True)
    log: str = setting(
        "", "instead of an export: what main.cc printed on a board, to hold its class map against LiteRT's", path=True
    )
    min_iou: float = setting(1.0, "of --log: smallest accepted mean IoU, 0 to 1")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.log:
            given = [
                one.name for one in dataclasses.fields(self)
                if one.name not in ("tflite", "output_dir", "log", "min_iou") and getattr(self, one.name) != one.default
            ]  # fmt: skip
            if given:
                raise InputError(f"--log reads a log and exports nothing; leave out --{given[0]}, or --log")
        elif self.min_iou != 1.0:
            raise InputError(f"--min_iou={self.min_iou:g} is for a board's log; give --log, or leave it out")


def main(options: MicroOptions) -> int:
    if not options.tflite or not options.output_dir:
        raise InputError("--tflite or --output_dir is missing; give the int8 file and a folder for what is written")
    from kerasseg import jobs
    from kerasseg.reports import tables

    if options.log:
        report = jobs.read_log(
            options.log, tflite=options.tflite, output_dir=options.output_dir, min_iou=options.min_iou, log=cli.say
        )  # fmt: skip
        return _told(tables.board_log(report), report["failures"])
    report = jobs.export(
        options.tflite, output_dir=options.output_dir, workdir=options.workdir, images=options.images,
        settings=cli.part(options, ExportSettings), log=cli.say,
    )  # fmt: skip
    return _told(tables.micro(report), report["failures"])


def _told(text: str, failures: Sequence[str]) -> int:
    print(text)
    for failure in failures:
        print(f"NOT MET: {failure}")
    return cli.EXIT_NOT_MET if failures else 0


if __name__ == "__main__":
    cli.run(main)
