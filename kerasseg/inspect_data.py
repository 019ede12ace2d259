"""kerasseg inspect: what is in a data set and what is wrong with it, as a table and a page."""

from dataclasses import dataclass

from kerasseg import cli, terminal
from kerasseg.config import check_numbers, setting
from kerasseg.errors import InputError


@dataclass(frozen=True)
class InspectOptions:
    """Reads every picture once and says all that is wrong: errors, on which training stops (exit code 2), and warnings."""

    dataset: str = setting("", "shapes, camvid, voc2012, oxford_iiit_pet, cityscapes, ade20k, folder or shards")
    data_dir: str = setting("", "where it lies (shapes needs none)", path=True)
    output_dir: str = setting("", "where inspect.json and the page inspect.html go; empty writes none", path=True)
    size: tuple[int, int] = setting((256, 256), "height,width of the training crops on the page", least=1)

    def __post_init__(self) -> None:
        check_numbers(self)


def main(options: InspectOptions) -> int:
    if not options.dataset:
        raise InputError("--dataset is missing; write --dataset=folder --data_dir=DIR")
    from kerasseg import jobs

    found = jobs.inspect(
        options.dataset, data_dir=options.data_dir, output_dir=options.output_dir, size=options.size, log=cli.say,
        progress=terminal.bar("pictures"),
    )  # fmt: skip
    print(found.table())
    for one in found.findings:
        print(one.line())
    if not found.findings:
        print("nothing is wrong that could be seen")
    errors = found.errors()
    if errors:
        kinds = f"{len(errors)} kinds" if len(errors) > 1 else "one kind"
        raise InputError(f"{kinds} of errors in {options.dataset}, the first: {errors[0].kind}; mend them")
    return 0


if __name__ == "__main__":
    cli.run(main)
