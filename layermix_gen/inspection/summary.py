"""Summarize a dataset on one screen: what was made from what, and whether it was drawn as its settings say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from layermix_gen.dataset.manifest import Manifest
from layermix_gen.dataset.querying.queries import aggregate
from layermix_gen.dataset.settings import BuildSettings
from layermix_gen.inspection.statistics import Comparison, compare
from layermix_gen.inspection.unfinished import AddedPlanes
from layermix_gen.mixing.methods import METHODS
from layermix_gen.support.notebooks import panels
from layermix_gen.support.parsing import jsonable
from layermix_gen.support.text import count, facts, table

MARKED = 4  # the least |z| that is marked; chance alone reaches it for one value in 16,000
LAYERS, OPS, BLENDS, FIRST_BLENDS, LABELS = (
    "SELECT layer AS name, count(*) AS count, avg(size) AS size FROM samples GROUP BY layer ORDER BY layer",
    "SELECT ops[1] AS name, count(*) AS count, avg(size) AS size FROM samples WHERE ops[1] <> '' GROUP BY name "
    "ORDER BY name",
    "SELECT blend AS name, layer, count(*) AS count, avg(size) AS size FROM (SELECT layer, size, unnest(blends) AS "
    "blend FROM samples) WHERE blend <> '' GROUP BY blend, layer ORDER BY layer, blend",
    "SELECT blends[1] AS name, count(*) AS count FROM samples WHERE blends[1] <> '' GROUP BY name ORDER BY name",
    "SELECT label, count(DISTINCT source) AS count FROM samples GROUP BY label ORDER BY label",
)


@dataclass(frozen=True, slots=True)
class Summary:
    """A dataset in numbers; as text, what `layermix-gen inspect` prints.

    `location` is its path or URL. `labels` has the number of source images of each label. Sizes are mean bytes of
    an image: by layer (0 is the clean plane), by first operation, and by layer and blend. Of the operations and blends
    of a variant, the first is counted: later ones may have been drawn with it. `adding` tells of planes that are being
    added, of which nothing else here tells.
    """

    location: str
    manifest: Manifest
    labels: dict[int, int]
    layers: Comparison
    ops: Comparison
    blends: Comparison
    layer_sizes: dict[int, float]
    op_sizes: dict[str, float]
    blend_sizes: dict[int, dict[str, float]]
    adding: AddedPlanes | None = None

    def __repr__(self) -> str:
        return f"<Summary of {self.location}: {count(self.manifest.images, 'image')}>"

    def _repr_html_(self) -> str:
        return panels.panel("Summary", panels.lines(str(self)))

    def __str__(self) -> str:
        if not _tests(self):  # nothing is drawn
            return self.facts
        return f"{self.facts}\n\n{_distributions(self)}\n\n{_verdict(self)}"

    @property
    def facts(self) -> str:
        """What was made from what, one fact a line: the first part of the summary."""
        return _facts(self)

    def as_dict(self) -> dict[str, Any]:
        """The summary as JSON has it: the manifest's report, and what was counted."""
        made = self.manifest.as_dict()
        del made["labels"], made["partition"]
        counted = jsonable(self)
        images_by_label = counted.pop("labels")
        del counted["location"], counted["manifest"]
        return made | {"dataset": self.location, "images_by_label": images_by_label} | counted


def summarize(location: str, manifest: Manifest, index: Sequence[Path], adding: AddedPlanes | None = None) -> Summary:
    """Count the layers, operations, blends and labels in the index of the dataset at `location`, a path or URL."""
    layers, ops, blends, first_blends, labels = (
        aggregate(index, sql, manifest.planes) for sql in (LAYERS, OPS, BLENDS, FIRST_BLENDS, LABELS)
    )
    settings = manifest.settings
    shares = METHODS[settings.method].shares(settings.drawing(pictures=1, picture_size=settings.side))
    blend_sizes: dict[int, dict[str, float]] = {}
    for row in blends:
        if row["size"] is not None:  # as of virtual planes
            blend_sizes.setdefault(row["layer"], {})[row["name"]] = row["size"]
    return Summary(
        location,
        manifest,
        labels={row["label"]: row["count"] for row in labels},
        layers=compare({row["name"]: row["count"] for row in layers if row["name"]}, shares.layers),
        ops=compare({row["name"]: row["count"] for row in ops}, shares.ops),
        blends=compare({row["name"]: row["count"] for row in first_blends}, shares.blends),
        layer_sizes={row["name"]: row["size"] for row in layers if row["size"] is not None},
        op_sizes={row["name"]: row["size"] for row in ops if row["size"] is not None},
        blend_sizes=blend_sizes,
        adding=adding,
    )


def _facts(summary: Summary) -> str:
    made = summary.manifest
    source, settings, mixed = made.source, made.settings, made.mixing_set
    planes, skipped = count(len(made.planes), "plane"), made.skipped_reasons.items()
    rows = {
        "dataset": summary.location,
        "digest": made.digest,
        "source": f"{source.location} ({source.kind}): {made.inputs} inputs, {made.skipped} skipped",
        "skipped": "; ".join(f"{number} {reason}" for reason, number in skipped),
        "classes": _classes(summary.labels, source.classes),
        "images": f"{made.images}: {made.written} in {planes} ({settings.planes_in_words})",
        "shards": f"{made.shards}, each of {count(len(made.stored_planes), 'tar')}; {made.bytes / 1e6:.1f} MB, "
        f"{made.bytes / max(made.written * len(made.stored_planes), 1):.0f} bytes an image",
        "keys": "shared by all planes" if settings.keys == "shared" else "",
        "samples": f"{settings.form}, as {_encoding(settings)}",
        "method": f"{settings.mixing}, seed {settings.seed}",
        "mixing set": f"{count(mixed.count, 'picture')} of {mixed.size} px in {mixed.location}" if mixed else "",
    }
    if summary.adding:
        rows |= summary.adding.rows(summary.location)
    return facts(rows)


def _classes(labels: Mapping[int, int], names: Sequence[str]) -> str:
    """How many classes there are, and how many images the smallest and the largest have."""
    known = {label: number for label, number in labels.items() if label >= 0}
    if not known:
        return "none"
    fewest, most = (
        f"{known[label]} ({names[label] if label < len(names) else label})"
        for label in (min(known, key=known.__getitem__), max(known, key=known.__getitem__))
    )
    even = len(set(known.values())) == 1
    text = f"{len(known)} of {max(known.values())} images" if even else f"{len(known)} of {fewest} to {most} images"
    return text + (f", {labels[-1]} images without a label" if -1 in labels else "")


def _encoding(settings: BuildSettings) -> str:
    chroma = f" 4:{settings.subsampling[1]}:{settings.subsampling[2]}" if settings.format == "jpg" else ""
    return "png" if settings.format == "png" else f"{settings.format} {settings.quality}{chroma}"


def _distributions(summary: Summary) -> str:
    """Tables of what was drawn: operations on the left, layers and blends on the right."""
    layers = _rows("layer", summary.layers, {"mean bytes": summary.layer_sizes})
    if layers and 0 in summary.layer_sizes:
        layers.insert(
            0, dict.fromkeys(layers[0], "") | {"layer": "clean", "mean bytes": f"{summary.layer_sizes[0]:,.0f}"}
        )
    sizes = {f"in layer {layer}" if layer else "mean bytes": of for layer, of in summary.blend_sizes.items()}
    blends = _rows("blend", summary.blends, sizes)
    left = _table(_rows("operation", summary.ops, {"mean bytes": summary.op_sizes})).splitlines()
    right = "\n\n".join(_table(one) for one in (layers, blends) if one).splitlines()
    width = max(map(len, left)) + 4 if left else 0
    return "\n".join(f"{a:<{width}}{b}".rstrip() for a, b in zip_longest(left, right, fillvalue=""))


def _rows(head: str, found: Comparison, sizes: Mapping[str, Mapping[Any, float]]) -> list[dict[str, str]]:
    """A row for each value: shares, z, and a column of mean bytes for each name in `sizes`."""
    return [
        {
            head: str(frequency.name),
            "share": f"{frequency.share:.1%}",
            "expected": f"{frequency.expected:.1%}",
            "z": f"{frequency.z:+.1f}" + ("!" if abs(frequency.z) >= MARKED else ""),
        }
        | {column: f"{of[frequency.name]:,.0f}" if frequency.name in of else "" for column, of in sizes.items() if of}
        for frequency in found.frequencies
    ]


def _table(rows: Sequence[Mapping[str, str]]) -> str:
    return table(rows, right=list(rows[0])[1:]) if rows else ""


def _tests(summary: Summary) -> dict[str, Comparison]:
    """The comparisons of what the method has drawn for the variants, by name."""
    tests = {"layers": summary.layers, "operations": summary.ops, "blends": summary.blends}
    return {name: test for name, test in tests.items() if test.frequencies and summary.manifest.settings.variants}


def _verdict(summary: Summary) -> str:
    """One line that says whether the counts agree with the settings, or chance alone cannot explain them."""
    tests = _tests(summary)
    values = ", ".join(f"{name} p = {test.p:.2g}" for name, test in tests.items())
    differing = [name for name, test in tests.items() if test.is_remarkable]
    found = f"{' and '.join(differing)} NOT as the settings draw them" if differing else "as the settings draw them"
    return f"{found}; chi-square: {values}"
