"""What is drawn for a part of a batch, in columns: an object for each image would cost as much as it takes to draw."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

import numpy as np

from layermix_gen.reading.order import Ints

R = TypeVar("R")


@dataclass(slots=True, eq=False)
class Draws(Generic[R]):
    """What is mixed of n images: rows (n,) of the selection, and a list of recipes for each, one a view.

    There are no lists where the kernels draw recipes as they render. `others` (n, most second images) has numbers of
    second images, -1 where a recipe uses none.
    """

    rows: Ints
    recipes: list[list[R]]
    others: Ints

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def leaves(self) -> Ints:
        """The images, then the second ones of each view: (1 + most second images, n)."""
        return np.vstack((self.rows, self.others.T))

    def put(self, i: int, one: Self) -> None:
        """Have what is drawn for a single image stand in place i."""
        self.rows[i], self.others[i] = one.rows[0], one.others[0]
        if self.recipes:
            self.recipes[i] = one.recipes[0]

    @classmethod
    def joined(cls, parts: Sequence["Draws[R]"]) -> "Draws[R]":
        """What is drawn for the images of all parts."""
        recipes = [one for part in parts for one in part.recipes]
        return Draws(
            np.concatenate([one.rows for one in parts]), recipes, np.concatenate([one.others for one in parts])
        )
