"""python benchmarks/demo_picture.py: after `make demo`, a drawn picture as float, int8 and TFLite Micro segment it."""

from dataclasses import dataclass
from pathlib import Path

from kerasseg import cli
from kerasseg.config import setting
from kerasseg.data import load_dataset
from kerasseg.data.letterbox import segment
from kerasseg.lite import interpreter
from kerasseg.reports import plots
from kerasseg.run import trained
from kerasseg.run.directory import open_run
from kerasseg.score import engines

EXAMPLE = 3  # of val: every class is in it


@dataclass(frozen=True)
class PictureOptions:
    """Draws the picture of README.md."""

    workdir: str = setting("demo/run", "run directory of make demo, with its int8.tflite", path=True)
    output: str = setting("docs/drawings/demo.png", "file to write", path=True)


def main(options: PictureOptions) -> None:
    run = open_run(options.workdir)
    file = run.directory.path / "int8.tflite"
    predicts = {
        "float, Keras": trained.predictor(trained.load_trained(run)),
        "int8, LiteRT": interpreter.predictor(engines.load(file, kernels="xnnpack")),
        "int8, TFLite Micro": interpreter.predictor(engines.load(file, kernels="micro")),
    }
    example = load_dataset("shapes").split("val")[EXAMPLE]
    ids = [segment(predict, example.image, size=run.eval_size) for predict in predicts.values()]
    row = (example.image, example.labels, ids)
    plots.segmented([row], names=list(predicts), class_names=run.class_names, path=Path(options.output))


if __name__ == "__main__":
    cli.run(main)
