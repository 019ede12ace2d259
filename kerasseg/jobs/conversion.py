"""From a run to a .tflite file that was proven before it is handed out, by any recipe."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np

from kerasseg import config, files, grey
from kerasseg.data.datasets import Dataset
from kerasseg.data.letterbox import letterbox
from kerasseg.data.splits import Split
from kerasseg.errors import InputError
from kerasseg.int8 import calibration, folding, preparation, quantization
from kerasseg.int8.preparation import Prepared, QuantizationSettings
from kerasseg.jobs.settings import ConversionSettings
from kerasseg.lite import converter, inspection, interpreter, lint, metadata, recipes, recognition
from kerasseg.reports import pages
from kerasseg.run import origin, sidecar, trained
from kerasseg.run.directory import Run, open_run
from kerasseg.run.provenance import provenance
from kerasseg.run.sidecar import Sidecar
from kerasseg.training import journal, qat

CALIBRATION = 32  # training pictures
PROBES = 8  # training pictures on which a file is held against Keras before it is handed out
LEAST_AGREEMENT = 0.97  # of pixels, a choice: files that kept their mIoU agreed on more, one that lost many points on less

Predict = Callable[[np.ndarray], np.ndarray]


def convert(
    workdir: str | Path,
    *,
    output: str | Path = "",
    settings: ConversionSettings | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> Sidecar:
    """Converts a run's best weights, proves that the file loads and runs under LiteRT's defaults, and only then writes it.

    Args:
        workdir: The run directory.
        output: The file; empty takes WORKDIR/RECIPE.tflite.
        settings: How; None for int8 with the defaults.
        log: Gets a line a stage.

    Returns:
        What the JSON beside the file holds.

    Raises:
        InputError: settings that cannot be, no trained run, a file in the way that is no .tflite file, or a model that TFLite
            or LiteRT refuses.
    """
    settings = settings or ConversionSettings()
    recipe = recipes.get_recipe(settings.recipe)
    if settings.io_type:
        recipes.check_io_type(settings.io_type, known=recipe.io_types if recipe.calibrated else recipes.IO_TYPES)
    if idle := _idle(settings, recipe):
        does = "fine-tunes" if recipe.calibrated else "measures"
        log(f"{', '.join(idle)}: of no use for {settings.recipe}, which {does} nothing")
    run = open_run(workdir)
    model, weights_sha256 = trained.load_hashed(run)
    if state := journal.unfinished(run):
        log(f"{run.directory.path}: {state} Its best weights so far are taken")
    _refuse_unknown_layers(settings.float_layers, model)
    path = Path(output or run.directory.path / f"{settings.recipe}.tflite")
    _refuse_to_replace(path)
    files.refuse_unwritable(path.parent, instead="--output")
    splits = ["train", "val"] if recipe.trained else ["train"]
    dataset, _ = origin.load_data(
        run, splits=splits, data_dir=settings.data_dir, other_data=settings.other_data, log=log
    )  # fmt: skip
    probes = _probes(dataset.split("train"), run, seed=settings.calibration_seed + 1)
    if recipe.io_types[0] == "int16" and settings.float_layers:
        raise InputError("--float_layers are for int8 recipes, not int16x8; leave them out")
    if recipe.calibrated:
        content, extra = _quantized(run, dataset, settings, probes, weights_sha256, log)
    else:
        inside = settings.io_type not in ("", "float32")
        if settings.float_layers or inside or settings.resizes != "whole" or settings.means != "mean":
            raise InputError(
                f"--float_layers, --io_type, --resizes and --means are for int8 recipes, not {settings.recipe}; leave them out"
            )
        log(f"converting {run.config.model} at {run.eval_size[0]}x{run.eval_size[1]}: {recipe.about}")
        content, extra = converter.convert(model, recipe=settings.recipe), {}
        if settings.recipe == "float16":
            _refuse_beyond_float16(content, probes)
    if settings.metadata:
        described = f"Semantic segmentation into {run.num_classes} classes, {recipe.about}"
        content = metadata.with_metadata(
            content, name=f"{run.config.model}, {settings.recipe}", description=described, class_names=run.class_names
        )
    loaded = interpreter.LoadedModel(content)
    agreement, classes = _agreement(trained.predictor(model), interpreter.predictor(loaded), probes)
    if classes == 1:
        log(f"Keras sees one class in all {len(probes)} pictures: that the file agrees there says nothing of the others")
    story = {"pictures": len(probes), "split": "train", "share": agreement, "classes": classes}
    files.write_bytes(path, content)
    found = _sidecar(path, run, loaded, recipe=settings.recipe, pixel_agreement=story, weights_sha256=weights_sha256, **extra)
    sidecar.write(path, found)
    files.write_text(path.with_name(path.name + ".md"), _card(run, found, loaded))
    return found


def _idle(settings: ConversionSettings, recipe: recipes.Recipe) -> list[str]:
    """Flags that were given and that the recipe does not look at; one set of settings may serve several recipes."""
    calibrating, training = ("rounding", "calibration_examples", "calibration_choice"), ("epochs", "learning_rate", "patience")
    unused = (() if recipe.calibrated else calibrating) + (() if recipe.trained else training)
    return [f"--{name}" for name in unused if getattr(settings, name) != getattr(ConversionSettings, name)]


def _refuse_to_replace(path: Path) -> None:
    """Raises InputError where something lies that is no .tflite file, such as the run's weights."""
    if path.is_file():
        with path.open("rb") as file:
            start = file.read(8)
        if start and start[4:] != recognition.IDENTIFIER:
            raise InputError(f"--output={path} is there and is no .tflite file; move it, or give another --output")


def _card(run: Run, found: Sidecar, loaded: interpreter.LoadedModel) -> str:
    """The model card of a file."""
    best = journal.kept(run)
    return pages.card(
        found.to_json(),
        recipe=found.recipe,
        about=recipes.get_recipe(found.recipe).about,
        command=journal.train_command(run, for_others=True),
        state=journal.unfinished(run),
        coarse=loaded.output.shape[1:3] != loaded.size,
        scores=best.scores if best else None,
    )


def _sidecar(path: Path, run: Run, loaded: interpreter.LoadedModel, **more) -> Sidecar:
    content = path.read_bytes()
    return Sidecar(
        file=path.name,
        sha256=files.sha256(path),
        bytes=len(content),
        model=run.config.model,
        input=_described(loaded.input),
        output=_described(loaded.output),
        class_names=run.class_names,
        lint=[finding.to_json() for finding in lint.lint(content)],
        config=config.for_report(run.config),
        **more,
        **provenance(),
    )


def _described(tensor: interpreter.Tensor) -> list:
    return [*tensor.shape, str(tensor.dtype), tensor.scale, tensor.zero_point]


def _probes(split: Split, run: Run, *, seed: int) -> list[np.ndarray]:
    chosen = calibration.choose(len(split), count=min(PROBES, len(split)), seed=seed)
    return [
        grey.fitted(letterbox(example.image, size=run.eval_size)[0], run.spec.channels) for example in split.examples(chosen)
    ]


def _quantized(
    run: Run,
    dataset: Dataset,
    settings: ConversionSettings,
    probes: list[np.ndarray],
    weights_sha256: str,
    log: Callable[[str], None],
) -> tuple[bytes, dict]:
    """The int8 file's content, and what the sidecar says about how it came to be."""
    recipe = recipes.get_recipe(settings.recipe)
    twin = _twin_module(settings) if recipe.trained else None  # before anything that takes time
    split = dataset.split("train")
    chosen = QuantizationSettings(
        settings.calibration_examples or min(CALIBRATION, len(split)),
        settings.calibration_seed,
        settings.calibration_choice,
        settings.epochs if recipe.trained else 0,
        settings.learning_rate if recipe.trained else 0.0,
        settings.resizes,
        settings.rounding,
        settings.means,
    )
    if recipe.trained:
        qat.refuse_other(run, chosen, weights_sha256)
    everything = ", all there are" if chosen.calibration_examples == len(split) else ""
    log(f"calibrating on {chosen.calibration_examples} training pictures of {run.config.dataset}{everything}")
    prepared = preparation.prepare(run, split, chosen)
    if prepared.weights_sha256 != weights_sha256:
        raise InputError(f"{run.directory.best_weights} was replaced meanwhile; wait until its training has ended")
    if recipe.trained:
        prepared = qat.fine_tune(run, prepared, (split, dataset.split("val")), chosen, patience=settings.patience, log=log)
    layers = _float_layers(settings.float_layers, prepared, [probe[None].astype("float32") for probe in probes[:2]])
    if layers.layers:
        log(f"left in float32: {', '.join(layers.layers)}")
    log(f"converting {run.config.model} at {run.eval_size[0]}x{run.eval_size[1]}: {recipe.about}")
    outside = settings.io_type or recipe.io_types[0]
    content = quantization.quantize(
        prepared, activations="int16" if "int16" in recipe.io_types else "int8", io_type=outside, float_layers=layers
    )
    story = {"split": "train", "names": list(prepared.names), **dataclasses.asdict(chosen)}
    if recipe.trained:
        story["qat_sha256"] = preparation.qat_sha256(run)
    report: dict = {"calibration": story, "float_layers": layers.layers}
    if twin:
        predict = twin.predictor(quantization.twin(prepared, size=run.eval_size, batch_size=1))
        report["twin_agreement"], _ = _agreement(predict, interpreter.predictor(interpreter.LoadedModel(content)), probes)
    return content, report


def _twin_module(settings: ConversionSettings):
    if settings.epochs < 1 or not settings.learning_rate > 0:
        raise InputError(
            f"--epochs={settings.epochs} --learning_rate={settings.learning_rate} trains nothing; give at least 1 and above 0"
        )
    return preparation.load_twin()


def _float_layers(asked: Sequence[str], prepared: Prepared, images: list[np.ndarray]) -> quantization.FloatLayers:
    """What the setting of that name asks for: names of layers, or ("auto:K",)."""
    if not asked:
        return quantization.FloatLayers()
    if _is_auto(asked):
        return quantization.worst_layers(prepared, images, count=int(asked[0].removeprefix("auto:")))
    return quantization.named_layers(prepared, asked)


def _is_auto(asked: Sequence[str]) -> bool:
    return len(asked) == 1 and asked[0].startswith("auto:")


def _refuse_unknown_layers(asked: Sequence[str], model: keras.Model) -> None:
    """Raises InputError, before anything takes time, for what `_float_layers` could not take."""
    if _is_auto(asked):
        if not asked[0].removeprefix("auto:").isdigit():
            raise InputError(f"--float_layers={asked[0]} is not accepted; write auto:K with a whole number K")
        return
    for name in asked:
        if name not in {layer.name for layer in model.layers}:
            known = ", ".join(layer.name for layer in model.layers if isinstance(layer, folding.CONVOLUTIONS))
            raise InputError(f"there is no layer {name!r} to leave in float; those with weights are {known}")


def _agreement(first: Predict, second: Predict, images: list[np.ndarray]) -> tuple[float, int]:
    """Share of pixels, 0..1, on which two engines give the same class, and how many classes the first one sees."""
    pairs = [(first(image[None]), second(image[None])) for image in images]
    same = [(one == other).mean() for one, other in pairs]
    return float(sum(same) / len(same)), len(set().union(*(np.unique(one).tolist() for one, _ in pairs)))


def _refuse_beyond_float16(content: bytes, images: list[np.ndarray]) -> None:
    """Raises InputError where a weight or an activation is more than float16 holds, which a device may compute in."""
    inspector, most = inspection.Inspector(content), float(np.finfo(np.float16).max)
    for image in images:
        inspector.run(image[None].astype(np.float32))
        for tensor in inspector.activations:
            reach = float(np.abs(inspector.read(tensor)).max())
            if not reach <= most:
                raise InputError(
                    f"{inspector.names[tensor]} reaches {reach:.3g}, float16 ends at {most:.0f}; "
                    "convert with --recipe=float32 or int8"
                )
