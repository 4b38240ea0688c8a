"""What fills the batches of a reader: stored and virtual planes, views of whole images, variants mixed anew."""

from dataclasses import dataclass, replace

from layermix_gen.reading.batches.drawn_views import DrawnViews
from layermix_gen.reading.batches.loader import Loader
from layermix_gen.reading.catalog import Catalog
from layermix_gen.reading.fresh.fresh_loader import FreshLoader, LeafLoader
from layermix_gen.reading.fresh.fresh_variants import FreshVariants
from layermix_gen.reading.fresh.held_views import WholeLoader
from layermix_gen.reading.fresh.virtual_loader import VirtualLoader
from layermix_gen.reading.fresh.virtual_planes import VirtualPlanes
from layermix_gen.reading.selection import Selection
from layermix_gen.reading.storage.base import Storage


@dataclass(frozen=True, slots=True, eq=False)
class Loaders:
    """The loaders of a reader, by what it reads; without `mixes`, fresh views are mixed later, on a device."""

    storage: Storage
    catalog: Catalog
    selection: Selection
    virtual: VirtualPlanes | None
    drawn: DrawnViews | None
    fresh: FreshVariants | None
    mixes: bool
    metadata: bool
    replaces: bool

    def of_epoch(self, epoch: int) -> Loader:
        """What fills the batches of an epoch."""
        if self.fresh:
            kind = FreshLoader if self.mixes else LeafLoader
            read = self.storage, self.catalog, self.selection, self.fresh, self.drawn, epoch
            return kind(*read, metadata=self.metadata, replace=self.replaces)
        return self._of_planes(self.virtual, epoch, replaces=self.replaces)

    def of_samples(self, epoch: int) -> Loader:
        """What reads samples as they are in an epoch, each by itself, and replaces none."""
        return self._of_planes(self.virtual and replace(self.virtual, views=1), epoch, replaces=False)

    def of_whole_images(self) -> WholeLoader:
        """What keeps whole images, and replaces none."""
        return WholeLoader(self.storage, self.catalog, self.selection, metadata=self.metadata, replace=False)

    def _of_planes(self, virtual: VirtualPlanes | None, epoch: int, *, replaces: bool) -> Loader:
        if virtual:
            return VirtualLoader(self.storage, self.selection, virtual, metadata=self.metadata, replace=replaces)
        read = self.storage, self.catalog, self.selection, self.drawn, epoch
        return Loader(*read, metadata=self.metadata, replace=replaces)
