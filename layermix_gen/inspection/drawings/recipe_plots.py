"""Plot the distributions of a dataset's recipes, each against the expected distribution.

The expected distribution is counted over recipes that the method itself draws with the settings of the dataset, so that
no formula is written twice.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from layermix_gen.dataset.manifest import Manifest
from layermix_gen.dataset.querying.queries import aggregate
from layermix_gen.errors import LayerMixError
from layermix_gen.figures.canvas import write_picture
from layermix_gen.inspection.drawings.steps import MASKED
from layermix_gen.inspection.opened_dataset import OpenedDataset
from layermix_gen.mixing.blends import BLENDS
from layermix_gen.mixing.methods import METHODS
from layermix_gen.mixing.operations import OPERATIONS
from layermix_gen.mixing.recipe import SIGNATURES
from layermix_gen.support.seeds import generator

DRAWS = 100_000  # recipes drawn to estimate the expected distribution

Counts: TypeAlias = dict[str, Counter[Any]]
"""How often each value occurs, by panel: "layer", "operation", "blend", "add a", "rotate degrees"."""

UNITS_SQL = "SELECT {} AS value, count(*) AS count FROM samples WHERE layer > 0 GROUP BY ALL"
STRENGTHS_SQL = """
    SELECT op, value, count(*) AS count FROM (SELECT op, unnest(op_args[:layer]) AS value FROM samples) GROUP BY ALL
"""
BLENDS_SQL = f"""
    SELECT blend, place, value, count(*) AS count FROM (
        SELECT blends[i] AS blend, j AS place, blend_args[2 * i + j - 2] AS value
        FROM samples, (SELECT unnest([1, 2]) AS i), (SELECT unnest([1, 2]) AS j)
    ) WHERE blend <> '' AND NOT (place = 2 AND blend IN {MASKED}) GROUP BY ALL
"""  # the second argument of a mask is its seed


def plot(shards: OpenedDataset, out: str | Path) -> Path:
    """Plot layers, operations, blends, coefficients and strengths of all variants to `out` (.png, .jpg or .webp).

    Returns `out`. Raises `LayerMixError` where Matplotlib is not installed, where the dataset has no variants with
    drawn recipes, and where `out` cannot be written.
    """
    from layermix_gen.inspection.drawings.recipe_figure import draw  # Matplotlib is an extra

    found = observed(shards.index, shards.manifest.planes)
    if not found["operation"].total():
        raise LayerMixError(f"expected variants that were drawn in {shards.location}, found none; plot another dataset")
    return write_picture(draw(found, expected(shards.manifest, DRAWS), _headings(shards.manifest, found)), out)


def observed(index: Sequence[Path], planes: Sequence[str]) -> Counts:
    """Count the values of each panel in the index, in some planes."""
    counts: Counts = defaultdict(Counter)
    for panel, column in (("layer", "layer"), ("operation", "op")):
        counts[panel] = Counter(
            {row["value"]: row["count"] for row in aggregate(index, UNITS_SQL.format(column), planes)}
        )
    strengths, blends = (aggregate(index, sql, planes) for sql in (STRENGTHS_SQL, BLENDS_SQL))
    ops, drawn_blends = counts["operation"].keys() | {row["op"] for row in strengths}, {row["blend"] for row in blends}
    if unknown := sorted((ops - OPERATIONS.keys()) | (drawn_blends - BLENDS.keys())):
        found = f"expected operations and blends in the columns op and blends of the index, found {unknown[0]!r}"
        raise LayerMixError(f"{found}; restore the index, which `layermix-gen verify` names")
    for row in strengths:
        for panel in _strengths(row["op"]):
            counts[panel][row["value"]] += row["count"]
    for row in blends:
        counts["blend"][row["blend"]] += row["count"] * (row["place"] == 1)
        counts[_coefficient(row["blend"], row["place"])][row["value"]] += row["count"]
    return counts


def expected(manifest: Manifest, draws: int) -> Counts:
    """Count the values of each panel in `draws` recipes that the method draws with the settings of a dataset."""
    settings, mixed = manifest.settings, manifest.mixing_set
    drawing = settings.drawing(mixed.count if mixed else 0, mixed.size if mixed else 0)
    rng, method = generator(settings.seed, "what is to be expected", 0), METHODS[settings.method].draw
    counts: Counts = defaultdict(Counter)
    for _ in range(draws):
        recipe = method(rng, drawing)
        counts["layer"][recipe.layer] += 1
        counts["operation"][recipe.op] += 1
        for panel in _strengths(recipe.op):
            counts[panel].update(recipe.op_args)
        for number, blend in enumerate(recipe.blends):
            counts["blend"][blend] += 1
            for place in (1,) if blend in MASKED else (1, 2):
                counts[_coefficient(blend, place)][recipe.blend_args[2 * number + place - 1]] += 1
    return counts


def _strengths(op: str) -> list[str]:
    """The panels of an operation's strength: one, or none where it has no strength."""
    name = OPERATIONS[op].renders_as or op
    return [f"{op} {parameter.name}" for parameter in SIGNATURES[name][1]]


def _coefficient(blend: str, place: int) -> str:
    return f"{blend} {SIGNATURES[blend][1][place - 1].name}"


def _headings(manifest: Manifest, found: Counts) -> tuple[str, str]:
    made = manifest.settings
    return (
        f"The recipes of {found['operation'].total():,} variants",
        made.mixing,
    )
