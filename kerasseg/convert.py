"""kerasseg convert: a run directory in, a .tflite file that loads out."""

from dataclasses import dataclass

from kerasseg import cli
from kerasseg.config import setting
from kerasseg.errors import InputError
from kerasseg.jobs.settings import ConversionSettings


@dataclass(frozen=True)
class ConvertOptions(ConversionSettings):
    """Converts the best weights of a run to a .tflite file, with a JSON beside it that says how it was made."""

    workdir: str = setting("", "run directory of kerasseg train", path=True)
    output: str = setting("", "file to write; empty takes WORKDIR/RECIPE.tflite", path=True)
    strict: bool = setting(False, "exit 1 when the linter finds something")


def main(options: ConvertOptions) -> int:
    if not options.workdir:
        raise InputError("--workdir is missing; give the run directory of kerasseg train")
    cli.use_tensorflow()
    from kerasseg import jobs
    from kerasseg.jobs.conversion import LEAST_AGREEMENT

    settings = cli.part(options, ConversionSettings)
    found = jobs.convert(options.workdir, output=options.output, settings=settings, log=cli.say)
    share, pictures = found.pixel_agreement["share"], found.pixel_agreement["pictures"]
    print(f"agrees with Keras on {100 * share:.2f} % of the pixels of {pictures} training pictures")
    if share < LEAST_AGREEMENT:
        print("WARNING: that is a loss of accuracy; run kerasseg check for what it costs in mIoU, or use --recipe=float16")
    if found.twin_agreement is not None:
        print(f"agrees with the fake-quantized model on {100 * found.twin_agreement:.2f} %")
    for finding in found.lint:
        print(f"lint: {finding['rule']}: {finding['text']}")
    print(f"wrote {found.file}, {found.bytes / 1024:.0f} KiB, and {found.file}.json beside it")
    return cli.EXIT_NOT_MET if options.strict and found.lint else 0


if __name__ == "__main__":
    cli.run(main)
