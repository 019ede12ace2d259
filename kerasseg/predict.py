"""kerasseg predict: pictures in, overlays and index maps out."""

from dataclasses import dataclass

from kerasseg import cli
from kerasseg.config import setting
from kerasseg.errors import InputError


@dataclass(frozen=True)
class PredictOptions:
    """Writes a colour overlay and an index PNG for every IMAGE, and legend.png with the class names."""

    workdir: str = setting("", "run directory of kerasseg train", path=True)
    tflite: str = setting("", ".tflite file to use instead of the run's Keras weights", path=True)
    output_dir: str = setting("", "where the pictures go", path=True)
    arguments: tuple[str, ...] = setting((), "IMAGE...")


def main(options: PredictOptions) -> None:
    if not options.arguments or not options.output_dir:
        raise InputError("IMAGE or --output_dir is missing; write kerasseg predict --workdir=RUN IMAGE... --output_dir=DIR")
    if not options.workdir and not options.tflite:
        raise InputError("give --workdir of a run, --tflite=FILE, or both")
    from kerasseg import jobs

    predictor = jobs.load_predictor(workdir=options.workdir, tflite=options.tflite, log=cli.say)
    print(f"segmenting {len(options.arguments)} pictures at {predictor.size[0]}x{predictor.size[1]}", flush=True)
    for path in jobs.predict(options.arguments, predictor, output_dir=options.output_dir):
        print(path)


if __name__ == "__main__":
    cli.run(main)
