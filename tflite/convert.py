"""python tflite/convert.py: a run directory in, a .tflite file that loads out."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kerasseg import cli
from kerasseg.config import setting
from kerasseg.errors import InputError

PROBES = 8  # training pictures on which the file is held against Keras before it is handed out
WARN_BELOW = 97.0  # per cent of pixels, a choice: files that kept their mIoU agreed on more, one that lost many points on less


@dataclass(frozen=True)
class ConvertOptions:
    """Converts the best weights of a run to a .tflite file, with a JSON beside it that says how it was made."""

    workdir: str = setting("", "run directory of kerasseg.train")
    recipe: str = setting("int8", "int8 (full integer), float32, float16 or dynamic")
    output: str = setting("", "file to write; empty takes WORKDIR/RECIPE.tflite")
    io_type: str = setting("int8", "type of input and output of an int8 file: int8, uint8 or float32")
    calibration_examples: int = setting(100, "training pictures that activation ranges are measured on")
    calibration_seed: int = setting(0, "which pictures those are")
    data_dir: str = setting("", "where the data set lies now; empty takes the run's own")


def convert(options: ConvertOptions) -> dict:
    """Converts, proves that the file loads and runs under LiteRT's defaults, and only then writes it.

    Returns:
        What the JSON beside the file holds.
    """
    from kerasseg import config, files, rundir
    from kerasseg.data.datasets import load_for_run
    from kerasseg.data.letterbox import letterbox
    from kerasseg.lite import calibration, converter, interpreter, ranges, recipes
    from kerasseg.models import trained
    from kerasseg.provenance import provenance

    recipe = recipes.get_recipe(options.recipe)
    recipes.check_io_type(options.io_type)
    directory = rundir.RunDir(Path(options.workdir))
    run = rundir.read(directory)
    model = trained.load_trained(directory, run)
    output = Path(options.output or directory.path / f"{options.recipe}.tflite")
    split = load_for_run(run.config, data_dir=options.data_dir).split("train")
    names, representative = [], None
    if recipe.calibrated:
        chosen = calibration.choose(len(split), count=options.calibration_examples, seed=options.calibration_seed)
        print(f"calibrating on {len(chosen)} training pictures of {run.config.dataset}", flush=True)
        names = [split.names[i] for i in chosen]
        images = (letterbox(example.image, size=run.eval_size)[0] for example in split.examples(chosen))
        representative = calibration.representative(images)
    probed = calibration.choose(len(split), count=min(PROBES, len(split)), seed=options.calibration_seed + 1)
    probes = [letterbox(example.image, size=run.eval_size)[0] for example in split.examples(probed)]
    widened = ranges.give_dead_layers_a_range(model, representative) if representative else []
    for name in widened:
        print(f"{name} gives next to nothing on the calibration pictures; its idlest channel now carries a range", flush=True)
    print(f"converting {run.config.model} at {run.eval_size[0]}x{run.eval_size[1]}: {recipe.about}", flush=True)
    content = converter.convert(model, recipe=options.recipe, representative=representative, io_type=options.io_type)
    loaded = interpreter.LoadedModel(content)
    agreement = _agreement(trained.predictor(model), interpreter.predictor(loaded), probes)
    files.write_bytes(output, content)
    report = {
        "file": output.name,
        "sha256": files.sha256(output),
        "bytes": len(content),
        "recipe": options.recipe,
        "model": run.config.model,
        "input": [*loaded.input.shape, str(loaded.input.dtype), loaded.input.scale, loaded.input.zero_point],
        "output": [*loaded.output.shape, str(loaded.output.dtype), loaded.output.scale, loaded.output.zero_point],
        "pixel_agreement": {"pictures": len(probes), "split": "train", "share": agreement},
        "widened_layers": widened,
        "class_names": list(run.class_names),
        "weights_sha256": files.sha256(directory.best_weights),
        "calibration": {"split": "train", "seed": options.calibration_seed, "names": names} if names else None,
        "config": config.for_report(run.config),
        **provenance(),
    }
    files.write_json(interpreter.sidecar(output), report)
    return report


def _agreement(first: Callable, second: Callable, images: list) -> float:
    """Share of pixels, 0..1, on which two engines give the same class."""
    same = [(first(image[None]) == second(image[None])).mean() for image in images]
    return float(sum(same) / len(same))


def main(options: ConvertOptions) -> None:
    if not options.workdir:
        raise InputError("--workdir is missing; give the run directory of kerasseg.train")
    report = convert(options)
    share = 100 * report["pixel_agreement"]["share"]
    print(f"agrees with Keras on {share:.2f} % of the pixels of {report['pixel_agreement']['pictures']} training pictures")
    if share < WARN_BELOW:
        print("WARNING: that is a loss of accuracy; run tflite/check.py for what it costs in mIoU, or use --recipe=float16")
    print(f"wrote {report['file']}, {report['bytes'] / 1024:.0f} KiB, and {report['file']}.json beside it")


if __name__ == "__main__":
    cli.run(main, ConvertOptions)
