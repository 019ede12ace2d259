"""kerasseg train: trains a model and leaves a run directory; the same command again resumes it."""

import os
from dataclasses import dataclass

from kerasseg import cli
from kerasseg.config import TrainConfig, setting
from kerasseg.errors import InputError


@dataclass(frozen=True)
class TrainOptions(TrainConfig):
    """Trains a DeepLabv3+ and leaves a run directory that every later command starts from."""

    workdir: str = setting("", "run directory; one of the same settings is resumed", path=True)
    config: str = setting("", "JSON file of settings, such as another run's config.json; flags override it", path=True)
    accept: tuple[str, ...] = setting((), "errors in the data that shall not stop it, by the names that it gives them")
    compile_cache: str = setting(
        "~/.cache/kerasseg/jax",
        "with KERAS_BACKEND=jax: folder of what was compiled, so that the next run starts sooner; empty for none",
        path=True,
    )


def main(options: TrainOptions) -> None:
    if not options.workdir:
        raise InputError("--workdir is missing; name the run directory to make or resume")
    if os.environ.get("KERAS_BACKEND") == "jax":
        from kerasseg.training import compilation

        compilation.set_up_jax(cache=options.compile_cache)
    from kerasseg import training

    config = cli.part(options, TrainConfig)
    scores = training.train(config, workdir=options.workdir, accept=options.accept, log=cli.say)
    print(scores.table())
    print(f"best weights, history and report are in {options.workdir}")


if __name__ == "__main__":
    cli.run(main)
