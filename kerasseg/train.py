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
    devices: str = setting("1", "with KERAS_BACKEND=jax: how many devices of this process train, or all")
    coordinator: str = setting(
        "",
        "with KERAS_BACKEND=jax: HOST:PORT of the first of several processes, or auto where SLURM, Open MPI or a TPU tells",
    )
    processes: int = setting(0, "with --coordinator=HOST:PORT: how many processes train together")
    process_id: int = setting(-1, "with --coordinator=HOST:PORT: which of them this is, from 0; the first writes")


def main(options: TrainOptions) -> None:
    if not options.workdir:
        raise InputError("--workdir is missing; name the run directory to make or resume")
    if os.environ.get("KERAS_BACKEND") == "jax":
        from kerasseg.training import compilation

        compilation.set_up_jax(cache=options.compile_cache)
        if options.coordinator:
            compilation.join(
                coordinator=options.coordinator, processes=options.processes, process_id=options.process_id, log=cli.say
            )  # fmt: skip
    elif options.coordinator:
        raise InputError("--coordinator needs KERAS_BACKEND=jax in the environment; no other backend trains on several hosts")
    if not options.coordinator and (options.processes, options.process_id) != (0, -1):
        raise InputError("--processes and --process_id need --coordinator=HOST:PORT, the address of the first process")
    from kerasseg import training
    from kerasseg.training import hosts

    hosts.use(options.devices)
    config, first = cli.part(options, TrainConfig), hosts.is_first()
    log = cli.say if first else lambda line: None
    scores = training.train(config, workdir=options.workdir, accept=options.accept, log=log)
    if first:
        print(scores.table())
        print(f"best weights, history and report are in {options.workdir}", flush=True)
    hosts.leave()


if __name__ == "__main__":
    cli.run(main)
