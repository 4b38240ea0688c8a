"""The recipe of a virtual variant, as its row of the index records it, and its pixels."""

from collections.abc import Sequence
from typing import NamedTuple

from layermix_gen.errors import LayerMixError
from layermix_gen.images import Image
from layermix_gen.images.views import PictureView
from layermix_gen.mixing.recipe import IMAGE, OTHER, PICTURE, Expression, parse
from layermix_gen.mixing.renderer import names_in, rendered
from layermix_gen.mixing_sets.mixing_set import MixingSet


class RecordedRecipe(NamedTuple):
    """What a variant is rendered by: its expression, the crop of the picture, and the id of the second image, or ""."""

    expression: Expression
    picture: PictureView | None
    other: str = ""

    @classmethod
    def of(cls, text: str, picture: int, picture_view: Sequence[int], other: str = "") -> "RecordedRecipe":
        """The recipe by these columns of the index. Raises `LayerMixError` where they make none."""
        expression = parse(text)
        top, left, flip_h, flip_v = picture_view
        view = PictureView(picture, top, left, bool(flip_h), bool(flip_v)) if picture >= 0 else None
        used = names_in(expression)
        for leaf, given in ((PICTURE, view), (OTHER, other)):
            if leaf.name in used and not given:
                raise LayerMixError(f"expected the {leaf.name} that the recipe {text:.60} uses, found none")
        return cls(expression, view, other)

    def render(
        self,
        mixing_set: MixingSet | None,
        image: Image,
        other: Image | None = None,
        out: Image | None = None,
        room: Image | None = None,
    ) -> Image:
        """Render it on the clean image and that of the second one (H, W, 3), to `out` or to new memory.

        `room` (H, W, 3) is memory for the crop of the picture.
        """
        if self.expression == IMAGE:
            if out is None:
                return image
            out[:] = image
            return out
        picture = None
        if self.picture:
            if mixing_set is None:
                raise LayerMixError(
                    "expected a mixing set for the picture of a recipe, found none; restore the manifest"
                )
            picture = mixing_set.view(self.picture, len(image), room)
        return rendered(self.expression, image, picture, other, out)
