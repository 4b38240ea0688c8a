"""Recipes that the kernels draw are those that `layermix.draw` draws from the same key, to the last digit."""

import ctypes
import re

import numpy as np
import pytest

from layermix_gen.kernels import laws, programs
from layermix_gen.mixing.bulk import programs_of
from layermix_gen.mixing.methods import METHODS, DrawSettings, LayerMixOptions
from layermix_gen.mixing.operations import OPERATIONS
from layermix_gen.support.seeds import KeyedRandom, view_keys
from tests.kernels.levels import every_level
from tests.kernels.test_programs import HEADER

IDS = np.random.default_rng(0).integers(0, 2**64, 1200, np.uint64)
ALL = tuple(name for name, row in OPERATIONS.items() if row.paper)
RARE = LayerMixOptions(
    ops=("posterize", "mirror"), layers={"1": 0.2, "3": 3}, blends={"element": 1, "add": 0.3}, blending_ratio=0.7
)
OPTIONS = {
    "paper": LayerMixOptions(),
    "released": LayerMixOptions(preset="released", picture_flips=True),
    "all operations": LayerMixOptions(ops=ALL, covariance="independent", magnitude=3.7),
    "one blend": LayerMixOptions(preset="released", blend_covariance="shared", magnitude=10),
    "rare": RARE,
}


def drawn(some: programs.Programs) -> list[tuple[bytes, list[int]]]:
    """Each recipe's nodes, and its crop."""
    nodes, variants = some
    return [
        (
            nodes[one["first"] :][: one["nodes"]].tobytes(),
            [int(one[name]) for name in programs.CROP if one["picture"] >= 0],
        )
        for one in variants
    ]


@every_level
@pytest.mark.parametrize("name", OPTIONS)
def test_they_draw_what_the_method_draws(library: ctypes.CDLL, name: str) -> None:
    method = METHODS["layermix"]
    assert method.law
    settings = DrawSettings(32, 384, 36, OPTIONS[name])
    expected = [method.draw(KeyedRandom.of_view(7, int(image), 3, 1), settings) for image in IDS]
    by_method = programs_of(expected)
    assert by_method
    found = method.law(settings).draw(library, view_keys(7, IDS, 3, 1))
    assert drawn(found) == drawn(by_method)
    assert {one["picture"] >= 0 for one in found.variants} == {True, False}


def test_both_sides_lay_out_their_structures_alike() -> None:
    def fields(struct: str) -> list[str]:
        body = re.search(r"typedef struct \{([^{}]*)\} " + struct, HEADER)
        assert body
        found = re.findall(r"[\w*]+(?:\[\d\])?(?=[,;])", body[1])
        return [re.sub(r"\*|\[\d\]", "", name) for name in found]

    assert fields("lm_law") == [field[0] for field in laws.LawFields._fields_]
    assert fields("lm_strength") == list(laws.STRENGTH_FIELDS)
    assert fields("lm_variant") == list(programs.VARIANT.names or ())
    assert fields("lm_node") == list(programs.NODE.names or ())
    assert re.search(r"MOST_NODES = (\d+)", HEADER)[1] == str(laws.MOST_NODES)  # type: ignore[index]
