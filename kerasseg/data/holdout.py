"""Pictures held out of training by their names, so that val shows no scene that was trained on."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from kerasseg.data.cache import FileReader
from kerasseg.data.pairing import named
from kerasseg.data.pictures import Encoded
from kerasseg.data.splits import Example, Split
from kerasseg.errors import InputError


@dataclass(frozen=True)
class Taken:
    """Reads examples out of other splits; of a module, so that other processes can have it.

    Attributes:
        sources: The splits.
        places: (which of them, position in it) an example.
    """

    sources: tuple[Split, ...]
    places: tuple[tuple[int, int], ...]

    def __call__(self, i: int) -> Example:
        """The example at a position."""
        source, position = self.places[i]
        return self.sources[source].read(position)

    def size_of(self, i: int) -> tuple[int, int]:
        """(height, width) of the picture at a position."""
        source, position = self.places[i]
        return self.sources[source].size(position)


@dataclass(frozen=True)
class TakenFiles(Taken):
    """The same of splits whose examples are files, which can be kept in memory as they are."""

    def encoded(self, i: int) -> tuple[Encoded, Encoded]:
        """Its two files."""
        reader, position = self._reader(i)
        return reader.encoded(position)

    def decode(self, i: int, files: tuple[Encoded, Encoded]) -> Example:
        """The example of its two files."""
        reader, position = self._reader(i)
        return reader.decode(position, files)

    def file_bytes(self, i: int) -> int:
        """How long the two files are together."""
        reader, position = self._reader(i)
        return reader.file_bytes(position)

    def ends(self, i: int) -> bytes:
        """What `pictures.end_of` says of its two files."""
        reader, position = self._reader(i)
        return reader.ends(position)

    def _reader(self, i: int) -> tuple[FileReader, int]:
        source, position = self.places[i]
        return cast(FileReader, self.sources[source].read), position


def hold_out(splits: Mapping[str, Split], expression: str) -> tuple[dict[str, Split], str]:
    """The splits where val is what an expression names of train and val, and train what it does not name of train.

    What it does not name of val is in neither: whatever is held out, nothing is trained on that the whole train does not have.

    Args:
        splits: With train and val; others stay.
        expression: A regular expression, looked for anywhere in the names.

    Returns:
        The splits, and what was done, a sentence.

    Raises:
        InputError: an expression that is none, names nothing or all of train, or a name that is held out twice.
    """
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise InputError(f"--holdout={expression} is no regular expression ({error}); write one such as '^0001TP'") from error
    train, val = sources = splits["train"], splits["val"]
    places = [(i, position) for i, source in enumerate(sources) for position in range(len(source))]
    held = [(i, position) for i, position in places if pattern.search(sources[i].names[position])]
    left = [place for place in places if place[0] == 0 and not pattern.search(train.names[place[1]])]
    if not held:
        shown = f"{named(train.names)} in train, {named(val.names)} in val"
        raise InputError(f"--holdout={expression} matches no name; there are {shown}: mend the expression")
    if not left:
        raise InputError(
            f"--holdout={expression} matches all {len(train)} pictures of train, so that none is left to train on; "
            "write an expression that names fewer"
        )
    taken = {"train": _taken(sources, left), "val": _taken(sources, held)}
    twice = sorted(set(train.names) & set(val.names) & set(taken["val"].names))
    if twice:
        raise InputError(
            f"--holdout={expression} matches {named(twice)}, and train and val have a picture of that name each; "
            "give every picture a name of its own"
        )
    of_val = sum(source for source, _ in held)
    unused = len(val) - of_val
    return {**splits, **taken}, (
        f"held out by {expression!r}: {len(held)} pictures, {len(held) - of_val} of train and {of_val} of val, are val now; "
        f"{len(left)} are left to train on, and {unused} of val are unused"
    )


def _taken(sources: tuple[Split, ...], places: Iterable[tuple[int, int]]) -> Split:
    order = tuple(places)
    kind = TakenFiles if all(hasattr(source.read, "encoded") for source in sources) else Taken
    read = kind(sources, order)
    return Split(tuple(sources[source].names[position] for source, position in order), read, read.size_of)
