"""Plot the distributions of a dataset's recipes, each against the expected distribution.

Of the operations and blends of a variant, the first is counted, as later ones may have been drawn with it. What is
expected follows from the method's shares, and from its samplers, which are called with evenly spread numbers in place
of random ones, so that no formula is written twice. Arguments that depend on other choices are counted over recipes
that the method draws.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from layermix_gen.dataset.manifest import Manifest
from layermix_gen.dataset.querying.queries import aggregate
from layermix_gen.dataset.samples import lengths_of
from layermix_gen.errors import LayerMixError
from layermix_gen.figures.file_formats import drawing_path
from layermix_gen.inspection.opened_dataset import OpenedDataset
from layermix_gen.mixing.blends import BLENDS
from layermix_gen.mixing.methods import METHODS
from layermix_gen.mixing.methods.base import DrawSettings
from layermix_gen.mixing.operations import OPERATIONS
from layermix_gen.mixing.recipe import SIGNATURES
from layermix_gen.mixing.strengths import ArgumentSampler
from layermix_gen.support.seeds import Random, generator

DRAWS = 100_000  # recipes drawn to estimate a distribution that depends on other choices
POINTS = 1 << 15  # at which a sampler is evaluated
WHOLE = 10**9  # what shares are counted in
BASES = (2, 3, 5)  # of the numbers that a sampler may take

Counts: TypeAlias = dict[str, Counter[Any]]
"""How often each value occurs, by panel: "layer", "operation", "blend", "add a", "rotate degrees"."""

LAYERS_SQL = "SELECT layer AS value, count(*) AS count FROM samples WHERE layer > 0 GROUP BY ALL"
OPS_SQL = "SELECT ops[1] AS value, count(*) AS count FROM samples WHERE ops[1] <> '' GROUP BY ALL"
STRENGTHS_SQL = """
    SELECT op, value, count(*) AS count FROM (SELECT unnest(ops) AS op, unnest(op_args) AS value FROM samples)
    WHERE op <> '' GROUP BY ALL
"""
BLENDS_SQL = """
    SELECT blend, number, place, value, count(*) AS count FROM (
        SELECT blends[i] AS blend, i AS number, j AS place, blend_args[2 * i + j - 2] AS value
        FROM samples, (SELECT unnest(range(1, {} + 1)) AS i), (SELECT unnest([1, 2]) AS j)
    ) WHERE blend <> '' GROUP BY ALL
"""


def plot(shards: OpenedDataset, out: str | Path) -> Path:
    """Plot layers, operations, blends, coefficients and strengths of all variants to `out`, by its suffix.

    Returns `out`. Raises `LayerMixError` where Matplotlib is not installed, where the dataset has no variants with
    drawn recipes, and where `out` cannot be written.
    """
    from layermix_gen.inspection.drawings.recipe_figure import compose, write_figure  # Matplotlib is an extra

    out, manifest = drawing_path(out), shards.manifest
    found = observed(shards.index, manifest)
    if not found:
        raise LayerMixError(f"expected variants that were drawn in {shards.location}, found none; plot another dataset")
    return write_figure(compose(found, expected(manifest, DRAWS), _headings(manifest)), out)


def observed(index: Sequence[Path], manifest: Manifest) -> Counts:
    """Count the values of each panel in the index of a dataset."""
    most = lengths_of(manifest.settings.options)["blends"]
    layers, ops, strengths, blends = (
        aggregate(index, sql, manifest.planes) for sql in (LAYERS_SQL, OPS_SQL, STRENGTHS_SQL, BLENDS_SQL.format(most))
    )
    drawn_ops = {row["value"] for row in ops} | {row["op"] for row in strengths}
    if unknown := sorted((drawn_ops - OPERATIONS.keys()) | ({row["blend"] for row in blends} - BLENDS.keys())):
        found = f"expected operations and blends in the columns ops and blends of the index, found {unknown[0]!r}"
        raise LayerMixError(f"{found}; restore the index, which `layermix-gen verify` names")
    counts: Counts = defaultdict(Counter)
    for panel, values in (("layer", layers), ("operation", ops)):
        for row in values:
            counts[panel][row["value"]] += row["count"]
    for row in strengths:
        for panel in _strengths(row["op"]):
            counts[panel][row["value"]] += row["count"]
    for row in blends:
        if (row["number"], row["place"]) == (1, 1):
            counts["blend"][row["blend"]] += row["count"]
        for panel in _coefficients(row["blend"])[row["place"] - 1 : row["place"]]:
            counts[panel][row["value"]] += row["count"]
    return counts


def expected(manifest: Manifest, draws: int) -> Counts:
    """Count the values of each panel that a dataset's settings draw on average.

    Panels that the method does not tell of are counted in `draws` recipes.
    """
    drawing, method = _drawing(manifest), METHODS[manifest.settings.method]
    shares = method.shares(drawing)
    choices: dict[str, Mapping[Any, float]] = {"layer": shares.layers, "operation": shares.ops, "blend": shares.blends}
    counts: Counts = {
        panel: Counter({name: round(WHOLE * share) for name, share in found.items()})
        for panel, found in choices.items()
        if found
    }
    points = _even_points()
    for op, sampler in shares.strengths.items():
        counts |= _evenly(sampler, _strengths(op), points)
    for blend, sampler in shares.coefficients.items():
        counts |= _evenly(sampler, _coefficients(blend), points)
    arguments = [*map(_strengths, shares.ops), *map(_coefficients, shares.blends)]
    if all(panel in counts for panels in arguments for panel in panels):
        return counts
    return _drawn(manifest, draws) | counts


class _Even:
    """The numbers of one point, in place of random ones."""

    def __init__(self, point: Sequence[float]) -> None:
        self.random = iter(point).__next__


def _even_points() -> list[list[float]]:
    """Points that lie evenly in the unit cube, and evenly along each of its sides (Halton, 1960)."""
    points: list[list[float]] = np.stack([_radical_inverses(base) for base in BASES], axis=1).tolist()
    return points


def _radical_inverses(base: int) -> npt.NDArray[np.float64]:
    """The numbers from 0 on, with their digits in a base mirrored at the point."""
    numbers, found, place = np.arange(POINTS), np.zeros(POINTS), 1.0
    while numbers.any():
        place /= base
        found += place * (numbers % base)
        numbers //= base
    return found + place / 2  # in the middle of what is left: never 0


def _evenly(sampler: ArgumentSampler, panels: Sequence[str], points: Sequence[Sequence[float]]) -> Counts:
    """The values of a sampler's first arguments, by panel."""
    if not panels:
        return {}
    drawn = (sampler(cast(Random, _Even(point))) for point in points)
    return {panel: Counter(values) for panel, values in zip(panels, zip(*drawn, strict=True), strict=False)}


def _drawn(manifest: Manifest, draws: int) -> Counts:
    """Count the values of each panel in `draws` recipes that the method draws with the settings of a dataset."""
    drawing, draw = _drawing(manifest), METHODS[manifest.settings.method].draw
    rng = generator(manifest.settings.seed, "what is to be expected", 0)
    counts: Counts = defaultdict(Counter)
    for _ in range(draws):
        recipe = draw(rng, drawing)
        for op, strength in zip(recipe.ops, recipe.op_args, strict=True):
            for panel in _strengths(op):
                counts[panel][strength] += 1
        for number, blend in enumerate(recipe.blends):
            for place, panel in enumerate(_coefficients(blend)):
                counts[panel][recipe.blend_args[2 * number + place]] += 1
    return counts


def _drawing(manifest: Manifest) -> DrawSettings:
    mixed = manifest.mixing_set
    return manifest.settings.drawing(mixed.count if mixed else 0, mixed.size if mixed else 0)


def _strengths(op: str) -> list[str]:
    """The panel of an operation's first argument, or none where it has no argument."""
    name = OPERATIONS[op].renders_as or op
    return [f"{op} {parameter.name}" for parameter in SIGNATURES[name][1][:1]]


def _coefficients(blend: str) -> list[str]:
    """The panels of a blend's first two arguments, without the seed of a mask."""
    return [f"{blend} {parameter.name}" for parameter in SIGNATURES[blend][1][:2] if parameter.name != "seed"]


def _headings(manifest: Manifest) -> tuple[str, str]:
    variants = manifest.written * len(manifest.variant_planes)
    return f"The recipes of {variants:,} variants", manifest.settings.mixing
