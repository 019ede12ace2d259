"""From a data set of files to one of tars: what `--dataset=shards` reads."""

import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from kerasseg import files
from kerasseg.data import pairing, pictures, shards, tars
from kerasseg.data.tars import Entry, Member
from kerasseg.errors import InputError

Pair = tuple[str, Path, Path]  # name, picture, labels


def pack(
    root: Path, pairs: Mapping[str, Sequence[Pair]], *, count: int, class_names: Sequence[str], fixed_classes: bool = False
) -> dict[str, int]:
    """Writes ROOT/SPLIT/00000.tar and so on, an index beside each, and classes.json last; those that are there are left.

    Args:
        root: A new folder, or one that was begun so.
        pairs: Split -> its examples. A dot in a name becomes _, since WebDataset ends names at the first.
        count: Tars of train; other splits get as many as keeps their examples a tar alike, at least one.
        class_names: One a class.
        fixed_classes: Of `Dataset`.

    Returns:
        Split -> tars.

    Raises:
        InputError: two names become one, or other tars lie there.
    """
    counts = {split: min(len(found), max(1, round(count * len(found) / len(pairs["train"])))) for split, found in pairs.items()}
    for split, found in pairs.items():
        named = [(name.replace(".", "_"), image, labels) for name, image, labels in found]
        if len({name for name, _, _ in named}) < len(named):
            raise InputError(f"two pictures of {split} differ in a dot alone, where a shard's names have _; rename one")
        wanted = [root / split / f"{i:05d}.tar" for i in range(counts[split])]
        others = sorted({*(root / split).glob("*.tar")} - {*wanted})
        if others:
            raise InputError(
                f"{root} holds {pairing.named([f'{split}/{path.name}' for path in others])}, more tars than are asked; "
                "give the same --shards, or remove that folder"
            )
        for i, tar in enumerate(wanted):
            # Every so many, not one block after the other: pictures of one place are beside each other in most sets.
            _write(tar, named[i :: counts[split]])
    stored = {"class_names": list(class_names), "fixed_classes": fixed_classes, "tars": counts}
    files.write_json(root / shards.CLASSES, stored)
    return counts


def _write(tar: Path, found: Sequence[Pair]) -> None:
    if tar.is_file() and _holds(tar, found):
        return
    tars.index_of(tar).unlink(missing_ok=True)
    with files.replacing(tar) as temporary, tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as opened:
        for name, image, labels in found:
            _add(opened, image, f"{name}{image.suffix.lower()}")
            _add(opened, labels, f"{name}.{tars.LABELS}")
    sizes = {name: pictures.size_of(image) for name, image, _ in found}
    entries = [Entry(entry.name, entry.image, entry.labels, sizes[entry.name]) for entry in tars.scan(tar)]
    tars.write_index(tar, entries)


def _add(opened: tarfile.TarFile, path: Path, name: str) -> None:
    content = pictures.load(path)
    member = tarfile.TarInfo(name)
    member.size = len(content.content)  # neither times nor owners: the same pictures, the same tar
    opened.addfile(member, content.open("rb"))


def _holds(tar: Path, found: Sequence[Pair]) -> bool:
    """Whether a tar is whole and holds just these pictures and labels."""
    try:
        entries = tars.read_index(tar)
    except InputError:
        return False

    def is_in(path: Path, member: Member) -> bool:
        return path.stat().st_size == member.size and path.read_bytes() == member.open().read()

    return (
        entries is not None
        and [entry.name for entry in entries] == [name for name, _, _ in found]
        and all(
            is_in(image, entry.image) and is_in(labels, entry.labels)
            for entry, (_, image, labels) in zip(entries, found, strict=True)
        )
    )
