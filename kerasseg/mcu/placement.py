"""Where each tensor lies in the arena, tighter than TFLite Micro's own planner places it.

That planner goes by size, the largest first, and leaves gaps; it gives every tensor bytes of its own. Here some share theirs: a
slice of rows and a concatenation of rows copy each number onto itself, and a sum, a product or an activation is written over
what it was computed from. TFLite Micro's and CMSIS-NN's kernels of these read a number before they write it.
"""

import itertools
import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from kerasseg.lite.flatbuffer import Graph, Operator

ALIGNMENT = 16  # bytes, as TFLite Micro's planner
IN_PLACE = {"ADD", "MUL", "RELU", "RELU6", "LOGISTIC", "HARD_SWISH", "RESHAPE"}
POWERS = (0, 0.5, 1, 2)  # of the time a block lives, as a factor of its size, in the first orders that blocks are placed in
TRIES = 150  # orders that follow from each of those


def round_up(count: int) -> int:
    """The next multiple of ALIGNMENT."""
    return -(-count // ALIGNMENT) * ALIGNMENT


def size_of(graph: Graph, tensor: int) -> int:
    """Bytes of a tensor; 0 for one that is no plain number here."""
    dtype = graph.dtype(tensor)
    return math.prod(graph.shape(tensor)) * dtype.itemsize if dtype else 0


def lifetimes(graph: Graph) -> dict[int, tuple[int, int]]:
    """Computed tensor or input -> first and last operator that needs its bytes."""
    main = graph.model.subgraphs[0]
    first = {int(tensor): 0 for tensor in main.inputs}
    first |= {tensor: i for i, one in enumerate(graph.operators) for tensor in one.outputs}
    last = dict(first) | {tensor: i for i, one in enumerate(graph.operators) for tensor in one.inputs if tensor in first}
    last |= {int(tensor): len(graph.operators) - 1 for tensor in main.outputs}
    return {tensor: (first[tensor], last[tensor]) for tensor in first}


@dataclass
class Block:
    """Tensors whose places in the arena hang together.

    Attributes:
        offsets: Tensor -> bytes from the block's beginning, which may lie at a negative number of them.
    """

    offsets: dict[int, int] = field(default_factory=dict)


class Layout:
    """The blocks of a graph. Tensors numbered -1, -2, ... are the scratch buffers of operators 0, 1, ..."""

    def __init__(self, graph: Graph, *, scratch: Sequence[int] = ()):
        """Finds what can share bytes.

        Args:
            graph: The file.
            scratch: Bytes that each operator asks for while it runs.
        """
        self.graph, self.times = graph, lifetimes(graph)
        self.sizes = {tensor: round_up(size_of(graph, tensor)) for tensor in self.times}
        for i, count in enumerate(scratch):
            if count:
                self.times[-1 - i], self.sizes[-1 - i] = (i, i), round_up(count)
        self._block = {tensor: Block({tensor: 0}) for tensor in self.times}
        for one in graph.operators:
            self._share_rows(one)
        for i, one in enumerate(graph.operators):
            if one.name in IN_PLACE:
                self._overlay(i, one)
        self.blocks = list({id(block): block for block in self._block.values()}.values())

    def _share_rows(self, one: Operator) -> None:
        """A slice lies in what it is of, and parts in what they make."""
        if one.name == "SLICE" and self._is_computed(one.inputs[0]):
            start = rows_offset(self.graph, one)
            if start is not None and start % ALIGNMENT == 0:
                self._join(one.inputs[0], one.outputs[0], start, self._same_numbers(one.outputs[0]))
        if one.name == "CONCATENATION" and one.options.axis == 1 and self.graph.shape(one.outputs[0])[0] == 1:
            start = 0
            for part in one.inputs:
                if self._is_computed(part) and start % ALIGNMENT == 0 and one.inputs.count(part) == 1:
                    self._join(one.outputs[0], part, start, self._same_numbers(part))
                start += size_of(self.graph, part)

    def _overlay(self, i: int, one: Operator) -> None:
        """What an operator computes number by number lies over an input that nobody needs after it."""
        output, ends = one.outputs[0], set(map(int, self.graph.model.subgraphs[0].outputs))
        for taken in one.inputs:
            fits = self._is_computed(taken) and size_of(self.graph, taken) == size_of(self.graph, output)
            if (
                fits
                and taken not in ends
                and self.times[taken][1] == i
                and self._join(taken, output, 0, self._apart(taken, output))
            ):
                return

    def _is_computed(self, tensor: int) -> bool:
        return tensor in self.times

    def _same_numbers(self, link: int):
        """Whether bytes that two blocks would share are all of the tensor that they share."""

        def allowed(a: int, b: int, low: int, high: int, at: int) -> bool:
            return at <= low and high <= at + self.sizes[link]

        return allowed

    def _apart(self, taken: int, output: int):
        """Whether two tensors are never needed at once, or are the input and the output that lies over it."""

        def allowed(a: int, b: int, low: int, high: int, at: int) -> bool:
            return not _meet(self.times[a], self.times[b]) or (a, b) == (taken, output)

        return allowed

    def _join(self, a: int, b: int, start: int, allowed) -> bool:
        """Puts tensor b so many bytes into tensor a, unless their blocks would get into each other's way."""
        mine, other = self._block[a], self._block[b]
        if mine is other:
            return mine.offsets[b] == mine.offsets[a] + start
        at = mine.offsets[a] + start
        shift = at - other.offsets[b]
        for p, q in itertools.product(mine.offsets, other.offsets):
            low, high = max(mine.offsets[p], other.offsets[q] + shift), 0
            high = min(mine.offsets[p] + self.sizes[p], other.offsets[q] + shift + self.sizes[q])
            if low < high and not allowed(p, q, low, high, at):
                return False
        for tensor, offset in other.offsets.items():
            mine.offsets[tensor] = offset + shift
            self._block[tensor] = mine
        return True

    def bound(self) -> list[int]:
        """Bytes that are needed while each operator runs; no placement needs less than the largest."""
        needed = [0] * len(self.graph.operators)
        for block in self.blocks:
            for i, intervals in self._alive(block).items():
                needed[i] += covered(intervals)
        return needed

    def _alive(self, block: Block) -> dict[int, list[tuple[int, int]]]:
        found: dict[int, list[tuple[int, int]]] = {}
        for tensor, offset in block.offsets.items():
            first, last = self.times[tensor]
            for i in range(first, last + 1):
                found.setdefault(i, []).append((offset, offset + self.sizes[tensor]))
        return found

    def place(self, *, tries: int = TRIES) -> dict[int, int]:
        """Tensor -> byte offset, of the tightest placement found; the orders that are tried come from a fixed seed.

        Large blocks go first, or those that live long, or both. Then the blocks that reach farthest go before others, again and
        again, until none reaches beyond what is needed at once.
        """
        lowest, rng = max(self.bound(), default=0), random.Random(0)
        extents = list(map(self._extent, self.blocks))
        best: dict[int, int] = {}
        least = math.inf
        for start in POWERS:
            order = sorted(range(len(extents)), key=lambda j: -extents[j][0] * extents[j][1] ** start)
            for _ in range(tries):
                found = self._placed(self.blocks[j] for j in order)
                end = self.end(found)
                if end < least:
                    best, least = found, end
                if least <= lowest:
                    return best
                far = [place for place, j in enumerate(order) if self._reaches(self.blocks[j], found) > lowest]
                taken = order.pop(rng.choice(far))
                order.insert(rng.randrange(max(1, far[0])), taken)
        return best

    def _reaches(self, block: Block, offsets: dict[int, int]) -> int:
        return max(offsets[tensor] + self.sizes[tensor] for tensor in block.offsets)

    def _extent(self, block: Block) -> tuple[int, int]:
        """Bytes that a block covers, and operators for which any of it lives."""
        size = covered((offset, offset + self.sizes[tensor]) for tensor, offset in block.offsets.items())
        times = [self.times[tensor] for tensor in block.offsets]
        return size, max(last for _, last in times) - min(first for first, _ in times) + 1

    def end(self, offsets: dict[int, int]) -> int:
        """Bytes that a placement takes."""
        return max(offset + self.sizes[tensor] for tensor, offset in offsets.items())

    def _placed(self, order: Iterable[Block]) -> dict[int, int]:
        offsets: dict[int, int] = {}
        for block in order:
            least = -min(block.offsets.values())
            barred = []
            for tensor, start in block.offsets.items():
                for other, offset in offsets.items():
                    if _meet(self.times[tensor], self.times[other]):
                        barred.append((offset - start - self.sizes[tensor] + 1, offset - start + self.sizes[other]))
            for low, high in sorted(barred):
                if low <= least < high:
                    least = round_up(high)
            offsets |= {tensor: least + start for tensor, start in block.offsets.items()}
        return offsets


def _meet(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return a[0] <= b[1] and b[0] <= a[1]


def covered(intervals: Iterable[tuple[int, int]]) -> int:
    """Bytes that lie in any of some intervals."""
    total, end = 0, None
    for low, high in sorted(intervals):
        total += max(0, high - (low if end is None else max(low, end)))
        end = high if end is None else max(end, high)
    return total


def rows_offset(graph: Graph, one: Operator) -> int | None:
    """Bytes from a tensor's beginning to a SLICE of its rows; None for any other slice."""
    begin, shape, rest = graph.constant(one.inputs[1]), graph.shape(one.inputs[0]), graph.shape(one.outputs[0])
    if begin is None or len(shape) != 4 or shape[0] != 1 or shape[2:] != rest[2:]:
        return None
    return int(begin[1]) * size_of(graph, one.inputs[0]) // shape[1]
