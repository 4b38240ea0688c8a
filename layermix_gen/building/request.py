"""The request for a build, checked: source, output folder and workers, with the source listed and settings resolved.

A build and its estimate begin with the same request, so that the estimate refuses what the build would refuse.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self

from layermix_gen.building.native_size import LOOKED_AT, native_size
from layermix_gen.building.partitions import checked_partition
from layermix_gen.building.sizing import planned_shards
from layermix_gen.dataset.index import ShardSummary
from layermix_gen.dataset.listings.listing import list_items
from layermix_gen.dataset.names import ABOUT_MIXING_SET, LISTING, MIXING_SET, PLAN
from layermix_gen.dataset.plan import MixingSetFacts, Plan, is_listed, make_plan, read_plan
from layermix_gen.dataset.plan_changes import refuse_changes
from layermix_gen.dataset.settings import BuildSettings
from layermix_gen.errors import LayerMixError
from layermix_gen.mixing.methods import METHODS
from layermix_gen.mixing_sets.kept import is_copy
from layermix_gen.mixing_sets.mixing_set import MixingSet, open_mixing_set
from layermix_gen.mixing_sets.set_cache import fetched
from layermix_gen.sources import Source, SourceOptions, open_source
from layermix_gen.sources.labels import LabelCounts
from layermix_gen.support.checks import as_utf8_path, check_output, check_whole, is_remote
from layermix_gen.support.database import pattern_of
from layermix_gen.support.processes import checked_workers
from layermix_gen.support.progress import say, warn
from layermix_gen.support.text import count

MIN_ERRORS, ERROR_SHARE = 10, 0.01  # inputs that may be skipped unless the user says how many: 1%, but at least 10


def checked_errors(max_errors: int | None) -> int | None:
    """How many inputs may be skipped, checked; None for the default."""
    if max_errors is not None:
        check_whole("max-errors", max_errors, 0)
    return max_errors


def errors_allowed(max_errors: int | None, inputs: int) -> int:
    """How many of so many inputs may be skipped."""
    return max(MIN_ERRORS, int(ERROR_SHARE * inputs)) if max_errors is None else max_errors


class BuildRequest:
    """A checked request for a build. Raises `LayerMixError` for what the user can mend; writes nothing.

    A context, at whose end the listing of the source is removed.
    """

    def __init__(
        self,
        source: str | Path,
        out: str | Path,
        settings: BuildSettings,
        kind: str,
        source_options: SourceOptions,
        mixing_set: MixingSet | str | Path | None,
        workers: int | None,
        partition: tuple[int, int] | str,
        max_errors: int | None,
        progress: bool = False,
    ) -> None:
        self.workers, self.partition = checked_workers(workers), checked_partition(partition)
        self._max_errors = checked_errors(max_errors)
        self.root = as_utf8_path(out, "output folder")
        location = source if is_remote(source) else as_utf8_path(source, "source")
        self._mixing_set_url = str(mixing_set) if isinstance(mixing_set, str) and is_remote(mixing_set) else ""
        self.mixing_set = _checked_mixing_set(mixing_set, settings)
        here = location if isinstance(location, Path) else None
        check_output(self.root, source=here, mark=PLAN, own=(LISTING, MIXING_SET, ABOUT_MIXING_SET))
        pattern_of(self.root)  # refuses a folder whose index could not be read
        self.source: Source = open_source(location, kind, settings.max_pixels, source_options)
        self._before = read_plan(self.root)
        self.mixing_set = self.mixing_set or self._own_mixing_set()
        is_known = self._before and self._before.settings.seed == settings.seed and is_listed(self._before)
        known = self.root / LISTING if is_known else None
        self.items = list_items(self.source.found(), settings.seed, progress, known)
        try:
            self._settle(settings)
        except BaseException:
            self.items.close()
            raise

    @property
    def _own(self) -> MixingSetFacts | None:
        """The facts of the mixing set of the plan in the folder, if it lies there."""
        before = self._before.mixing_set if self._before else None
        return before if before and before.location == MIXING_SET else None

    def _own_mixing_set(self) -> Path | None:
        """The mixing set in the folder, if it is the one of the plan there."""
        path = self.root / MIXING_SET
        return path if self._own and is_copy(path, self._own.digest) else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.items.close()

    def _settle(self, settings: BuildSettings) -> None:
        """Make every open choice, and refuse what does not fit the source, or what is in the folder."""
        self.labels = LabelCounts.of(self.items.labels, self.source.classes)
        self.settings = self._resolved(settings)
        self.size = self.settings.mixed_side
        self._check_pictures()
        if self._before:  # refuse now what can be refused without a mixing set, which may take a while to make
            refuse_changes(self._before, self.planned(self._before.mixing_set, self._before.shards), self.items.path)

    def _resolved(self, settings: BuildSettings) -> BuildSettings:
        """Make every open choice: as the folder's plan did, or else to suit the images."""
        if self._before:
            return settings.filled(self._before.settings).resolve(None)
        return settings.resolve(
            native_size(self.source, self.items.spread(LOOKED_AT)) if settings.size is None else None
        )

    def _check_pictures(self) -> None:
        """Refuse `pictures` for a mixing set that is not a folder to be packed so: it is as it is."""
        asked = self.settings.options.chosen(self.size).get("pictures")
        if asked is None or not self.mixes or (self.mixing_set and self.mixing_set.is_dir()):
            return
        found = ("color" if open_mixing_set(self.mixing_set).color else "gray") if self.mixing_set else "gray"
        if found != asked:
            what = f"those of {self.mixing_set}" if self.mixing_set else "the fractals that are rendered"
            raise LayerMixError(
                f"expected pictures in {asked}, but {what} are in {found}; give --mixing-set a folder of pictures to "
                "pack, or leave out --pictures"
            )

    @property
    def carries_mixing_set(self) -> bool:
        """Whether the mixing set is put into the dataset, whose readers mix with it."""
        return self.mixes and (bool(self.settings.virtual_planes) or self.settings.variants == 0 or bool(self._own))

    @property
    def mixes(self) -> bool:
        """Whether there is a mixing set: variants are made with it, or fresh ones will be with the one given."""
        return METHODS[self.settings.method].mixes_pictures and (
            self.settings.variants > 0 or self.mixing_set is not None
        )

    def facts_of(self, mixing_set: MixingSet | None) -> MixingSetFacts | None:
        """The facts of the mixing set, for the plan; None where none is mixed with."""
        if mixing_set is None:
            return None
        facts = MixingSetFacts.of(mixing_set)
        if mixing_set.path == self.root / MIXING_SET or (self._own and self._own.digest == facts.digest):
            return replace(facts, location=MIXING_SET)
        return replace(facts, location=self._mixing_set_url) if self._mixing_set_url else facts

    @property
    def max_errors(self) -> int:
        """How many inputs may be skipped."""
        return errors_allowed(self._max_errors, len(self.items))

    def shards(self, progress: bool = False) -> int:
        """The number of shards: from the folder's plan if its `shard_size` is the same, else from `planned_shards`."""
        if self._before and self._before.settings.shard_size == self.settings.shard_size:
            shards = self._before.shards
        else:
            shards = planned_shards(self.source, self.items, self.settings, self.workers, progress)
        if METHODS[self.settings.method].mixes_labels and self.settings.variants and len(self.items) // shards < 2:
            larger = "build into another folder with a larger --shard-size, or " if shards > 1 else ""
            raise LayerMixError(
                f"expected at least 2 images in each shard for the method {self.settings.method}, which mixes each "
                f"with another, got {count(len(self.items), 'image')} in {count(shards, 'shard')}; {larger}add images"
            )
        return shards

    def own(self, shards: int) -> range:
        """The numbers of the shards, out of `shards`, that this partition builds."""
        first, step = self.partition
        return range(first, shards, step)

    def announce(self, progress: bool) -> None:
        """Say on standard error what will be built, and warn where no image has a label."""
        labels = f"; {self.labels}" if self.labels.labels else ""
        if progress:
            images = f"{count(len(self.items), 'image')} in {count(len(self.settings.planes), 'plane')}"
            say(f"building {images}: {self.settings.samples}{labels}")
        if not labels:
            warn(str(self.labels))

    def written_labels(self, plan: Plan, finished: Mapping[int, ShardSummary]) -> LabelCounts:
        """The labels of the images in finished shards; once all are finished, also the classes that are lost."""

        is_whole = len(finished) == plan.shards
        parts = [self.items.labels] if is_whole else (self.items.labels_between(*plan.bounds(one)) for one in finished)
        skipped = [one.source for summary in finished.values() for one in summary.skipped]
        written = sum(parts, Counter()) - self.items.labels_of(skipped)
        if not is_whole:
            return replace(LabelCounts.of(written, self.source.classes), empty=self.labels.empty)
        return LabelCounts.of(written, self.source.classes, self.items.labels)

    def planned(self, mixing_set: MixingSetFacts | None, shards: int) -> Plan:
        """The plan of the build with `shards` shards."""
        return make_plan(self.root, self.source, self.items, self.settings, mixing_set, shards)


def _checked_mixing_set(mixing_set: MixingSet | str | Path | None, settings: BuildSettings) -> Path | None:
    if isinstance(mixing_set, MixingSet):
        if mixing_set.path is None:
            raise LayerMixError(
                "expected a mixing set with a file, which workers can open, got one in memory; np.save its pictures "
                "and give the path"
            )
        mixing_set = mixing_set.path
    if mixing_set is None:
        return None
    path = fetched(str(mixing_set)) if is_remote(mixing_set) else as_utf8_path(mixing_set, "mixing set")
    if not METHODS[settings.method].mixes_pictures:
        raise LayerMixError(
            f"expected no mixing set with the method {settings.method}, got {mixing_set}; leave out --mixing-set"
        )
    return path
