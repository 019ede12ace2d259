"""kerasseg prepare: an annotation tool's export in, a data set to train on out."""

from dataclasses import dataclass

from kerasseg import cli, terminal
from kerasseg.config import setting
from kerasseg.errors import InputError
from kerasseg.jobs.settings import PrepareSettings


@dataclass(frozen=True)
class PrepareOptions(PrepareSettings):
    """Reads what an annotation tool exported and writes images/, labels/ and classes.txt, ready for --dataset=folder.

    What was understood is printed, and kept in prepare.json. The same command again goes on where it was stopped; where the
    export has changed since, it removes what it wrote and makes it anew.
    """

    source: str = setting("", "folder of the export, unpacked", path=True)
    output_dir: str = setting("", "where the data set goes: a new folder", path=True)


def main(options: PrepareOptions) -> None:
    if not options.source or not options.output_dir:
        raise InputError("--source or --output_dir is missing; give the export and a new folder")
    from kerasseg import jobs

    report = jobs.prepare(
        options.source, output_dir=options.output_dir, settings=cli.part(options, PrepareSettings), log=cli.say,
        progress=terminal.bar("pictures"),
    )  # fmt: skip
    found = report["found"]
    print(found.table())
    for line in [one.line() for one in found.findings]:
        print(line)
    for note in report["notes"]:
        print(f"note: {note}")
    counts = ", ".join(f"{count} for {split}" for split, count in report["pictures"].items())
    names = report["class_names"]
    print(f"{len(names)} classes: {', '.join(names[:20])}{' and others' if len(names) > 20 else ''}")
    print(f"wrote {counts} to {options.output_dir}; train with --dataset=folder --data_dir={options.output_dir}")
    if options.shards:
        tars = ", ".join(f"{count} for {split}" for split, count in report["shards"].items())
        print(f"tars: {tars}; train with --dataset=shards --data_dir={options.output_dir}/shards")


if __name__ == "__main__":
    cli.run(main)
