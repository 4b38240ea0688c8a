"""The selection that is read: the views of each image, the planes they come from, the images that have them all."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layermix_gen.dataset.manifest import Manifest
from layermix_gen.dataset.names import CLEAN_PLANE
from layermix_gen.errors import LayerMixError
from layermix_gen.reading.catalog import Catalog
from layermix_gen.reading.order import Ints, Mask, draw_variants
from layermix_gen.reading.soft_labels import SoftLabels, check_labelled
from layermix_gen.sources.labels import MAX_UNNAMED
from layermix_gen.support.checks import as_ordered, as_several

DRAWN = ("variant", "random")
"""Views that are drawn among the variants: without replacement over epochs, or independently in each epoch."""
FRESH = "fresh"  # a view that is mixed from the clean one while it is read


@dataclass(frozen=True, slots=True)
class Views:
    """The views of each image: planes, or names in `DRAWN`, drawn among the planes in `pool`; or fresh and clean."""

    names: tuple[str, ...]
    pool: tuple[str, ...]

    @classmethod
    def of(cls, views: str | Sequence[str], planes: Sequence[str] | None, manifest: Manifest) -> "Views":
        """Check the requested views and planes against the planes of the dataset. Raises `LayerMixError`."""
        names = (views,) if isinstance(views, str) else as_ordered("views", views)
        planes = None if planes is None else as_several("planes", planes)
        if FRESH in names:
            return cls._of_fresh(names, planes, manifest)
        known = ", ".join((FRESH, *DRAWN, *manifest.planes))
        for name in (*names, *(planes or ())):
            if name not in manifest.planes and (name not in DRAWN or name in (planes or ())):
                raise LayerMixError(f"expected views out of {known}, got {name!r}; build has --variants and --clean")
        fixed = [name for name in names if name not in DRAWN]
        if not names or len(set(fixed)) < len(fixed) or len(set(names) & set(DRAWN)) > 1:
            raise LayerMixError(f"expected views that differ, drawn in one way, got {names}; choose out of {known}")
        if CLEAN_PLANE in fixed and len(names) > 1 and not manifest.one_view:
            raise LayerMixError(
                "views that are compared with the clean one must show the same part of the image, and this dataset was "
                "built with --view-mode independent; build it with --view-mode shared"
            )
        if planes is not None and len(fixed) == len(names):
            raise LayerMixError(
                f"expected no planes= with the views {', '.join(names)}, none of which is drawn; leave it out"
            )
        pool = tuple(sorted(set(manifest.variant_planes if planes is None else planes) - set(fixed)))
        drawn = len(names) - len(fixed)
        if drawn > len(pool):
            remedy = f"build with --variants {drawn + len(fixed)} or more, or ask for fewer views"
            if not manifest.variant_planes:
                remedy = f"ask for '{CLEAN_PLANE}' or '{FRESH}' views, which need no variants"
            raise LayerMixError(f"{drawn} views are to be drawn, {len(pool)} planes are there to draw from; {remedy}")
        return cls(names, pool if drawn else ())

    @classmethod
    def _of_fresh(cls, names: tuple[str, ...], planes: tuple[str, ...] | None, manifest: Manifest) -> "Views":
        """Fresh views, which share the crop of the clean plane in every view mode."""
        if {*names} - {FRESH, CLEAN_PLANE} or names.count(CLEAN_PLANE) > 1:
            raise LayerMixError(f"expected 'fresh' views, with 'clean' at most once, got {names}; leave out the others")
        if planes is not None:
            raise LayerMixError(
                f"expected no planes= with fresh views, which are made of the clean plane, got {planes}; leave it out"
            )
        if CLEAN_PLANE not in manifest.planes:
            raise LayerMixError(
                f"expected a clean plane to make fresh views of, found {', '.join(manifest.planes)}; run the build "
                "again with --clean, which adds it"
            )
        return cls(names, ())

    @property
    def are_fresh(self) -> bool:
        """Whether views are mixed while they are read."""
        return FRESH in self.names

    @property
    def stored(self) -> tuple[str, ...]:
        """The views that are read: the clean one alone where views are fresh."""
        return (CLEAN_PLANE,) if self.are_fresh else self.names

    @property
    def planes(self) -> tuple[str, ...]:
        """All planes that may be shown, sorted."""
        return tuple(sorted({*self.pool, *self.stored} - set(DRAWN)))


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """The images that are read, by their numbers in the catalog, and the planes that each of them may show.

    `allowed` (images, pool) says which planes of `pool` an image can draw; `fixed` is the plane of each view, -1 if it
    is drawn. The place of an image in `images` is its row of the selection.
    """

    images: Ints
    units: Ints  # (images,) the unit that a variant is drawn for: the image, or its shard
    pool: Ints
    fixed: Ints
    allowed: Mask
    labels: Ints
    soft: SoftLabels | None
    seed: int
    without_replacement: bool

    def __len__(self) -> int:
        return len(self.images)

    @property
    def classes(self) -> int:
        """How many classes the targets have, 0 if labels are plain."""
        return self.soft.classes if self.soft else 0

    def label_columns(self, rows: Ints, planes: Ints) -> list[npt.NDArray[Any]]:
        """The labels of samples (n,), by rows of the selection and planes; if soft, also second labels and weights."""
        columns: list[npt.NDArray[Any]] = [self.labels[rows]]
        if self.soft:
            samples = planes, self.images[rows]
            columns += [self.soft.second[samples], self.soft.weights[samples]]
        return columns

    def planes(self, rows: Ints, epoch: int) -> Ints:
        """The planes that the images in rows `rows` of the selection show in an epoch: (rows, views)."""
        drawn = self.fixed < 0
        planes = np.broadcast_to(self.fixed, (len(rows), len(drawn))).copy()
        if drawn.any():
            places = draw_variants(
                self.units[rows],
                self.allowed[rows],
                int(drawn.sum()),
                self.seed,
                epoch,
                without_replacement=self.without_replacement,
            )
            planes[:, drawn] = self.pool[places]
        return planes


def select(
    catalog: Catalog, views: Views, classes: Sequence[int] | None, seed: int, *, variant_by_shard: bool
) -> Selection:
    """Select the images of `classes` that can fill all views with samples that meet the condition of the catalog.

    The condition applies to the variants, and to the clean plane only if no variant is read from a plane.
    """
    number = {plane: i for i, plane in enumerate(catalog.planes)}
    fixed = np.array([number.get(name, -1) for name in views.stored])
    pool = np.array([number[plane] for plane in views.pool], np.int64)
    asked = [
        number[name]
        for name in views.stored
        if name in number and (name != CLEAN_PLANE or views.planes == (CLEAN_PLANE,))
    ]
    allowed = catalog.chosen[pool].T
    takes_part = catalog.chosen[asked].all(0) & (allowed.sum(1) >= (fixed < 0).sum())
    if classes is not None:
        takes_part &= np.isin(catalog.labels, classes)
    images = np.flatnonzero(takes_part)
    if not len(images):
        of = f", which is of the clean plane with '{FRESH}' views" if views.are_fresh else ""
        raise LayerMixError(f"no image fits the selection; loosen where={of}, classes= or planes=")
    if catalog.soft:  # of one view
        shown = np.isin(catalog.planes, views.planes)[:, None]
        check_labelled(catalog.labels, catalog.soft, catalog.chosen & takes_part & shown)
    return Selection(
        images,
        units=catalog.shards[images].astype(np.int64) if variant_by_shard else images,
        pool=pool,
        fixed=fixed,
        allowed=np.ascontiguousarray(allowed[images]),
        labels=catalog.labels[images],
        soft=catalog.soft,
        seed=seed,
        without_replacement="random" not in views.names,
    )


def class_numbers(classes: Sequence[str | int], known: Sequence[str]) -> list[int]:
    """The labels of `classes`, given as names or labels. Raises `LayerMixError` for a class that is not known."""
    return [_class_number(one, known) for one in as_several("classes", classes)]


def _class_number(one: Any, known: Sequence[str]) -> int:
    try:
        number = known.index(one) if isinstance(one, str) else operator.index(one)
    except (ValueError, TypeError):
        number = -1
    if not 0 <= number < (len(known) or MAX_UNNAMED + 1):
        few = ", ".join(known[:10]) + (", ..." if len(known) > 10 else "")
        some = f"classes out of {few} or their labels" if known else "labels of classes, which have no names here"
        raise LayerMixError(f"expected {some}, got {one!r}; mend classes=")
    return number
