"""Views that a reader draws: other crops of whole images in each epoch, cut as a build would cut them.

A view is drawn from the seed, the image's source id and the epoch, and from nothing else. All views that a batch shows
of an image in an epoch are of that one crop.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from layermix_gen.dataset.manifest import Manifest
from layermix_gen.dataset.settings import MAX_SIZE, MIN_SIZE
from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.images import Image
from layermix_gen.images.views import VIEWS, View, render_view
from layermix_gen.images.whole_images import SOURCE
from layermix_gen.support.checks import as_whole, check_choice
from layermix_gen.support.seeds import KeyedRandom

FIXED = "center"  # the view that is the same in each epoch


class BadView(BadImage):
    """The error for a sound image out of which no such view can be cut."""

    remedy = "give a smaller size= or view='rrc', or leave it out by where="


@dataclass(frozen=True, slots=True, eq=False)
class DrawnViews:
    """The views `name` of whole images, of `size` px; `ids` (images,) are digests of the source ids."""

    name: str
    size: int
    seed: int
    ids: npt.NDArray[np.uint64]

    @property
    def differ(self) -> bool:
        """Whether another epoch has other views."""
        return self.name != FIXED

    def draw(self, image: int, epoch: int, height: int, width: int) -> View:
        """The view of an image of so many pixels in an epoch. Raises `BadView` where it is too elongated."""
        rng = KeyedRandom.of_crop(self.seed, int(self.ids[image]), epoch)
        try:
            return VIEWS[self.name](rng, height, width, self.size)
        except BadImage as error:
            raise BadView(str(error)) from error

    def cut(self, image: int, epoch: int, pixels: Image, out: Image) -> View:
        """Cut the view of an epoch out of a whole image (H, W, 3) to `out` (size, size, 3). Raises `BadImage`."""
        view = self.draw(image, epoch, *pixels.shape[:2])
        render_view(pixels, view, self.size, out)
        return view


def as_metadata(view: View) -> dict[str, list[float]]:
    """A view as the metadata of a sample has it: the box in pixels of the stored image, and whether it is mirrored."""
    return {"view": [*map(float, view)]}


def asked_view(view: str | None, size: int | None, manifest: Manifest) -> tuple[str, int] | None:
    """Name and size of the views to be drawn; None for a dataset that has views. Raises `LayerMixError` for others."""
    if manifest.settings.view != SOURCE:
        if (view, size) != (None, None):
            raise LayerMixError(
                f"expected no view= and size= for a dataset of {manifest.settings.form}, which are cut already; leave "
                "them out, or build one with --view source"
            )
        return None
    if view is None:
        raise LayerMixError(
            f"expected view= out of {', '.join(VIEWS)} for a dataset of whole images, got none; give view='rrc' to "
            "train with random crops, or 'center'"
        )
    check_choice("view", view, VIEWS, change="view=")
    side = manifest.settings.mixed_side if size is None else size
    return view, as_whole("size", side, MIN_SIZE, MAX_SIZE, change="size=")
