"""kerasseg predict: pictures, folders and videos in, overlays, class maps and polygons out."""

from dataclasses import dataclass

from kerasseg import cli, terminal
from kerasseg.config import setting
from kerasseg.errors import InputError
from kerasseg.jobs.settings import PredictSettings, input_range_setting


@dataclass(frozen=True)
class PredictOptions(PredictSettings):
    """Segments pictures, folders, patterns in quotes ("in/*.jpg"), videos, or a camera by its number.

    What cannot be read is named and left out, and the exit code is 1 then. legend.png has the names of the colours.
    """

    workdir: str = setting("", "run directory of kerasseg train", path=True)
    tflite: str = setting("", ".tflite file to use instead of the run's Keras weights", path=True)
    input_range: str = input_range_setting()
    output_dir: str = setting("", "where the files go", path=True)
    arguments: tuple[str, ...] = setting((), "PICTURE|FOLDER|VIDEO|CAMERA...", path=True)


def main(options: PredictOptions) -> int:
    if not options.arguments or not options.output_dir:
        raise InputError("PICTURE or --output_dir is missing; write kerasseg predict --workdir=RUN PICTURE... --output_dir=DIR")
    if not options.workdir and not options.tflite:
        raise InputError("give --workdir of a run, --tflite=FILE, or both")
    from kerasseg import jobs
    from kerasseg.data import pairing

    predictor = jobs.load_predictor(
        workdir=options.workdir, tflite=options.tflite, input_range=options.input_range, log=cli.say
    )  # fmt: skip
    cli.say(f"segmenting at {predictor.size[0]}x{predictor.size[1]}")
    found = jobs.predict(
        options.arguments, predictor, output_dir=options.output_dir, settings=cli.part(options, PredictSettings),
        log=cli.say, progress=terminal.bar("pictures"),
    )  # fmt: skip
    rate = found.pictures / max(found.seconds, 1e-6)
    print(f"{found.pictures} picture{'s' * (found.pictures > 1)} in {terminal.duration(found.seconds)}, {rate:.2f} a second")
    print(f"wrote {len(found.written)} files to {options.output_dir}: {found.written[0]} first, {found.written[-1].name} last")
    if found.refused:
        print(f"NOT MET: {len(found.refused)} could not be read: {pairing.named([place for place, _ in found.refused])}")
    return cli.EXIT_NOT_MET if found.refused else 0


if __name__ == "__main__":
    cli.run(main)
