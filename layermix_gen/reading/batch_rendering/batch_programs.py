"""Plan how the recipes of a batch are rendered together: programs of steps, each of which makes like calls at once.

A program fills one array of images: the leaves that its recipes use, then the results of its calls, in the order of
steps. So a step reads rows of this array by their numbers and writes the rows that follow. All numbers that steps need
lie in one array of bytes, which is copied to a device at once.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from layermix_gen.mixing.recipe import Expression, Leaf
from layermix_gen.reading.batch_rendering.batch_kernels import BatchKernel, kernel_of
from layermix_gen.reading.batch_rendering.tensor_masks import BLOCK

MOST_BYTES = 2**28  # of the images of a program: those of 256 recipes of LayerMix at 224 px
MOST_PIXELS = 2**22  # of a step, which needs some 100 bytes for each: enough to occupy a GPU
ALIGNED = 8  # bytes
_KINDS = {"f": torch.float64, "i": torch.int64, "u": torch.uint8}


class Piece(NamedTuple):
    """Where an array lies in the packed bytes, and of which type and shape it is."""

    begin: int
    end: int
    kind: str
    shape: tuple[int, ...]

    def of(self, packed: Tensor) -> Tensor:
        """The array, in packed bytes on any device."""
        return packed[self.begin : self.end].view(_KINDS[self.kind]).view(self.shape)


class Packer:
    """Packs arrays of float64, int64 and uint8 into one array of bytes."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, values: Any) -> Piece:
        """Add an array, or numbers, which become float64 or int64."""
        array = np.asarray(values)
        data = array.tobytes()
        piece = Piece(self._size, self._size + len(data), array.dtype.kind, array.shape)
        self._parts += [data, bytes(-len(data) % ALIGNED)]
        self._size += len(data) + -len(data) % ALIGNED
        return piece

    def packed(self, *, pinned: bool) -> Tensor:
        """All bytes, on the CPU; in pinned memory, from which a GPU copies them while it computes."""
        packed = torch.from_numpy(np.frombuffer(bytearray().join(self._parts), np.uint8))
        return packed.pin_memory() if pinned else packed


class BatchStep(NamedTuple):
    """Like calls that are made at once: what makes them, rows of their operands, and their arguments.

    `noise` is where the random bytes of masks begin, and how many each of them has, in blocks.
    """

    run: Callable[..., Tensor]
    operands: list[Piece]
    arguments: Piece
    size: int
    noise: tuple[int, int] | None


class BatchProgram(NamedTuple):
    """How some recipes are rendered: the leaves that they use, the steps, and the rows that are their results.

    `noise` are the seeds of all masks and how many blocks of random bytes each needs, and their sum.
    """

    leaves: Piece
    steps: list[BatchStep]
    results: Piece
    noise: tuple[Piece, Piece, int] | None
    rows: int


@dataclass(slots=True)
class _Draft:
    """A program that is being planned: its leaves, its calls with their operands, and the results of recipes.

    A leaf is known by its number, inverted; a call by its own.
    """

    leaves: dict[int, int] = field(default_factory=dict)
    calls: list[tuple[BatchKernel, tuple[float, ...]]] = field(default_factory=list)
    operands: list[list[int]] = field(default_factory=list)
    results: list[int] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return len(self.leaves) + len(self.calls)

    def add(self, recipe: Expression, leaves: Mapping[str, int]) -> None:
        """Add a recipe, whose leaves are images of the batch by number."""
        known: dict[Expression, int] = {}

        def number(part: Expression) -> int:
            if part not in known:
                known[part] = self._leaf(leaves[part.name]) if isinstance(part, Leaf) else self._call(part, number)
            return known[part]

        self.results.append(number(recipe))

    def _leaf(self, image: int) -> int:
        return ~self.leaves.setdefault(image, len(self.leaves))

    def _call(self, part: Any, number: Callable[[Expression], int]) -> int:
        operands = [number(operand) for operand in part.operands]
        self.calls.append((kernel_of(part.name), part.arguments))
        self.operands.append(operands)
        return len(self.calls) - 1


def programs(
    recipes: Iterable[Expression], leaves: Iterable[Mapping[str, int]], shape: tuple[int, int], packer: Packer
) -> Iterator[BatchProgram]:
    """The programs that render recipes in their order, on images of a shape (H, W).

    `leaves` are the numbers, among the images of the batch, of the leaves of each recipe that it may use.
    """
    draft, most = _Draft(), MOST_BYTES // (3 * shape[0] * shape[1])
    for recipe, numbers in zip(recipes, leaves, strict=True):
        draft.add(recipe, numbers)
        if draft.rows > most:
            yield _program(draft, shape, packer)
            draft = _Draft()
    if draft.results:
        yield _program(draft, shape, packer)


def _program(draft: _Draft, shape: tuple[int, int], packer: Packer) -> BatchProgram:
    groups = [*_groups(draft, max(1, MOST_PIXELS // (shape[0] * shape[1])))]
    leaves = len(draft.leaves)
    order = {call: row for row, call in enumerate((call for group in groups for call in group), leaves)}

    def rows(numbers: Iterable[int]) -> Piece:
        return packer.add(np.array([~number if number < 0 else order[number] for number in numbers], np.int64))

    steps: list[BatchStep] = []
    seeds: list[int] = []
    blocks: list[int] = []
    for group in groups:
        kernel, noise = draft.calls[group[0]][0], None
        calls = [draft.calls[call] for call in group]
        if kernel.noise:
            each = -(-kernel.noise * shape[0] * shape[1] // BLOCK)
            noise = sum(blocks), each
            seeds += [int(arguments[1]) for _, arguments in calls]
            blocks += [each] * len(group)
        arguments = packer.add(_array([row.prepare(*arguments) for row, arguments in calls]))
        operands = [rows(column) for column in zip(*(draft.operands[call] for call in group), strict=True)]
        steps.append(BatchStep(kernel.run, operands, arguments, len(group), noise))
    every = (packer.add(seeds), packer.add(blocks), sum(blocks)) if seeds else None
    return BatchProgram(packer.add([*draft.leaves]), steps, rows(draft.results), every, draft.rows)


def _array(values: Sequence[Any]) -> npt.NDArray[Any]:
    """What the arguments of calls were made into, as one array: tables of bytes, or float64 numbers."""
    if isinstance(values[0], np.ndarray):
        return np.stack(values)
    return np.array(values, np.float64).reshape(len(values), -1)


def _groups(draft: _Draft, most: int) -> Iterator[list[int]]:
    """The calls in an order in which each follows its operands, in groups of like ones, at most so many."""
    missing, users = [0] * len(draft.calls), defaultdict(list)
    ready: dict[Callable[..., Tensor], list[int]] = {}
    for call, operands in enumerate(draft.operands):
        for operand in operands:
            if operand >= 0:
                missing[call] += 1
                users[operand].append(call)
        if not missing[call]:
            ready.setdefault(draft.calls[call][0].run, []).append(call)
    while ready:
        calls = ready.pop(max(ready, key=lambda run: len(ready[run])))
        yield from (calls[begin : begin + most] for begin in range(0, len(calls), most))
        for call in calls:
            for user in users[call]:
                missing[user] -= 1
                if not missing[user]:
                    ready.setdefault(draft.calls[user][0].run, []).append(user)
