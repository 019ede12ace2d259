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
    recipe: str = setting("int8", "int8 (full integer), int8_qat (the same after fine-tuning), float32, float16 or dynamic")
    output: str = setting("", "file to write; empty takes WORKDIR/RECIPE.tflite")
    io_type: str = setting("int8", "type of input and output of an int8 file: int8, uint8 or float32")
    calibration_examples: int = setting(32, "training pictures that activation ranges are measured on")
    calibration_seed: int = setting(0, "which pictures those are")
    calibration_choice: str = setting(
        "covering", "covering (each next one brings the class that is rarest so far) or random", choices=("covering", "random")
    )
    resizes: str = setting(
        "whole", "of an int8 file: whole, or doubling: those by 4, 8, ... in steps of 2, which Ethos-U55 and U65 need",
        choices=("whole", "doubling"),
    )  # fmt: skip
    float_layers: str = setting("", "layers of an int8 file left in float32: names, comma-separated, or auto:K for the K worst")
    epochs: int = setting(4, "epochs of int8_qat")
    learning_rate: float = setting(2e-5, "learning rate that int8_qat starts with")
    strict: bool = setting(False, "exit 1 when the linter finds something")
    data_dir: str = setting("", "where the data set lies now; empty takes the run's own")


def convert(options: ConvertOptions) -> dict:
    """Converts, proves that the file loads and runs under LiteRT's defaults, and only then writes it.

    Returns:
        What the JSON beside the file holds.
    """
    from kerasseg import config, files, rundir
    from kerasseg.data.datasets import load_for_run
    from kerasseg.data.letterbox import letterbox
    from kerasseg.lite import calibration, converter, interpreter, lint, recipes
    from kerasseg.models import trained
    from kerasseg.provenance import provenance

    recipe = recipes.get_recipe(options.recipe)
    recipes.check_io_type(options.io_type)
    directory = rundir.RunDir(Path(options.workdir))
    run = rundir.read(directory)
    model = trained.load_trained(directory, run)
    output = Path(options.output or directory.path / f"{options.recipe}.tflite")
    dataset = load_for_run(run.config, data_dir=options.data_dir)
    split = dataset.split("train")
    probed = calibration.choose(len(split), count=min(PROBES, len(split)), seed=options.calibration_seed + 1)
    probes = [letterbox(example.image, size=run.eval_size)[0] for example in split.examples(probed)]
    extra = {}
    if recipe.calibrated:
        content, extra = _quantized(options, directory, run, dataset, probes)
    else:
        if options.float_layers or options.resizes != "whole":
            raise InputError(f"--float_layers and --resizes are for int8 recipes, not {options.recipe}; leave them out")
        print(f"converting {run.config.model} at {run.eval_size[0]}x{run.eval_size[1]}: {recipe.about}", flush=True)
        content = converter.convert(model, recipe=options.recipe)
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
        "class_names": list(run.class_names),
        "weights_sha256": files.sha256(directory.best_weights),
        "calibration": None,
        **extra,
        "lint": [finding.to_json() for finding in lint.lint(content)],
        "config": config.for_report(run.config),
        **provenance(),
    }
    files.write_json(interpreter.sidecar(output), report)
    return report


def _quantized(options: ConvertOptions, directory, run, dataset, probes: list) -> tuple[bytes, dict]:
    """The int8 file's content, and what the report says about how it came to be."""
    import dataclasses

    from kerasseg import qat_training, quantization
    from kerasseg.lite import interpreter, recipes

    recipe = recipes.get_recipe(options.recipe)
    if recipe.trained:
        qat = quantization.load_qat()  # before anything that takes time
        if options.epochs < 1 or not options.learning_rate > 0:
            raise InputError(
                f"--epochs={options.epochs} --learning_rate={options.learning_rate} trains nothing; give at least 1 and above 0"
            )
    split = dataset.split("train")
    settings = quantization.QuantizationSettings(
        options.calibration_examples, options.calibration_seed, options.calibration_choice,
        options.epochs if recipe.trained else 0, options.learning_rate if recipe.trained else 0.0, options.resizes,
    )  # fmt: skip
    print(f"calibrating on {options.calibration_examples} training pictures of {run.config.dataset}", flush=True)
    prepared = quantization.prepare(directory, run, split, settings)
    if recipe.trained:
        splits = split, dataset.split("val")
        prepared = qat_training.fine_tune(directory, run, prepared, splits, settings, lambda line: print(line, flush=True))
    layers, tensors = [], []
    if options.float_layers:
        images = [probe[None].astype("float32") for probe in probes[:2]]
        layers, tensors = quantization.choose_float_layers(options.float_layers, prepared, images)
        print(f"left in float32: {', '.join(layers)}", flush=True)
    print(f"converting {run.config.model} at {run.eval_size[0]}x{run.eval_size[1]}: {recipe.about}", flush=True)
    content = quantization.quantize(prepared, io_type=options.io_type, float_layers=tensors)
    report = {
        "calibration": {"split": "train", "names": prepared.names, **dataclasses.asdict(settings)},
        "float_layers": layers,
    }
    if recipe.trained:
        twin = qat.predictor(prepared.twin(size=run.eval_size, batch_size=1))
        report["twin_agreement"] = _agreement(twin, interpreter.predictor(interpreter.LoadedModel(content)), probes)
    return content, report


def _agreement(first: Callable, second: Callable, images: list) -> float:
    """Share of pixels, 0..1, on which two engines give the same class."""
    same = [(first(image[None]) == second(image[None])).mean() for image in images]
    return float(sum(same) / len(same))


def main(options: ConvertOptions) -> int:
    if not options.workdir:
        raise InputError("--workdir is missing; give the run directory of kerasseg.train")
    report = convert(options)
    share = 100 * report["pixel_agreement"]["share"]
    print(f"agrees with Keras on {share:.2f} % of the pixels of {report['pixel_agreement']['pictures']} training pictures")
    if share < WARN_BELOW:
        print("WARNING: that is a loss of accuracy; run tflite/check.py for what it costs in mIoU, or use --recipe=float16")
    if "twin_agreement" in report:
        print(f"agrees with the fake-quantized model on {100 * report['twin_agreement']:.2f} %")
    for finding in report["lint"]:
        print(f"lint: {finding['rule']}: {finding['text']}")
    print(f"wrote {report['file']}, {report['bytes'] / 1024:.0f} KiB, and {report['file']}.json beside it")
    return cli.EXIT_NOT_MET if options.strict and report["lint"] else 0


if __name__ == "__main__":
    cli.run(main, ConvertOptions)
