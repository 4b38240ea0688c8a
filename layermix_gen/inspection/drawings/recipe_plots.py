"""Plot the distributions of a dataset's recipes, each against the expected distribution.

Of the operations of a variant, the first is counted, as later ones may have been drawn with it. The expected
distribution is counted over recipes that the method itself draws with the settings of the dataset, so that no formula
is written twice.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from layermix_gen.dataset.manifest import Manifest
from layermix_gen.dataset.querying.queries import aggregate
from layermix_gen.dataset.samples import lengths_of
from layermix_gen.errors import LayerMixError
from layermix_gen.figures.file_formats import drawing_path
from layermix_gen.inspection.opened_dataset import OpenedDataset
from layermix_gen.mixing.blends import BLENDS
from layermix_gen.mixing.methods import METHODS
from layermix_gen.mixing.operations import OPERATIONS
from layermix_gen.mixing.recipe import SIGNATURES
from layermix_gen.support.seeds import generator

DRAWS = 100_000  # recipes drawn to estimate the expected distribution

Counts: TypeAlias = dict[str, Counter[Any]]
"""How often each value occurs, by panel: "layer", "operation", "blend", "add a", "rotate degrees"."""

LAYERS_SQL = "SELECT layer AS value, count(*) AS count FROM samples WHERE layer > 0 GROUP BY ALL"
OPS_SQL = "SELECT ops[1] AS value, count(*) AS count FROM samples WHERE ops[1] <> '' GROUP BY ALL"
STRENGTHS_SQL = """
    SELECT op, value, count(*) AS count FROM (SELECT unnest(ops) AS op, unnest(op_args) AS value FROM samples)
    WHERE op <> '' GROUP BY ALL
"""
BLENDS_SQL = """
    SELECT blend, place, value, count(*) AS count FROM (
        SELECT blends[i] AS blend, j AS place, blend_args[2 * i + j - 2] AS value
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
    most = lengths_of(manifest.settings)["blends"]
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
        counts["blend"][row["blend"]] += row["count"] * (row["place"] == 1)
        for panel in _coefficients(row["blend"])[row["place"] - 1 : row["place"]]:
            counts[panel][row["value"]] += row["count"]
    return counts


def expected(manifest: Manifest, draws: int) -> Counts:
    """Count the values of each panel in `draws` recipes that the method draws with the settings of a dataset."""
    settings, mixed = manifest.settings, manifest.mixing_set
    drawing = settings.drawing(mixed.count if mixed else 0, mixed.size if mixed else 0)
    rng, method = generator(settings.seed, "what is to be expected", 0), METHODS[settings.method].draw
    counts: Counts = defaultdict(Counter)
    for _ in range(draws):
        recipe = method(rng, drawing)
        if recipe.layer:
            counts["layer"][recipe.layer] += 1
        if recipe.ops:
            counts["operation"][recipe.ops[0]] += 1
        for op, strength in zip(recipe.ops, recipe.op_args, strict=True):
            for panel in _strengths(op):
                counts[panel][strength] += 1
        for number, blend in enumerate(recipe.blends):
            counts["blend"][blend] += 1
            for place, panel in enumerate(_coefficients(blend)):
                counts[panel][recipe.blend_args[2 * number + place]] += 1
    return counts


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
