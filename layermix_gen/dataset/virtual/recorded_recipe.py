"""The recipe of a virtual variant, as its row of the index records it."""

from collections.abc import Sequence
from typing import NamedTuple

from layermix_gen.errors import LayerMixError
from layermix_gen.images.views import PictureView
from layermix_gen.mixing.recipe import OTHER, PICTURE, Expression, parse
from layermix_gen.mixing.renderer import names_in


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
