"""How one sample of a dataset was made, as a picture: made again from its source image, and drawn step by step."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image as PillowImage

from layermix_gen.errors import LayerMixError
from layermix_gen.figures.canvas import write_picture
from layermix_gen.inspection.drawings.tree import Origin, recipe_tree
from layermix_gen.inspection.opened import OpenedDataset
from layermix_gen.inspection.replay import Replay

# What is said of the flips of a mixing picture: left to right, top to bottom.
FLIPS = {(0, 0): [], (1, 0): ["mirrored"], (0, 1): ["upside down"], (1, 1): ["turned by 180°"]}


def explain(shards: OpenedDataset, key: str, out: str | Path) -> Path:
    """Draw the recipe of the sample `key` as a tree, with the picture at every step, to `out` (.png, .jpg or .webp).

    Returns `out`. Raises `LayerMixError` where there is no such sample, where its source image or mixing set is not
    there any more or is another, and where `out` cannot be written.
    """
    row = shards.row(key)
    return write_picture(explained(row, replayed(shards, row)), out)


def replayed(shards: OpenedDataset, row: Mapping[str, Any]) -> Replay:
    """Make a sample again. Raises `LayerMixError` where that cannot be done, or gives another recipe."""
    replay = shards.replay(row)
    if (found := str(replay.recipe.expression)) != row["recipe"]:
        raise LayerMixError(
            f"expected {row['key']} to be made as {row['recipe']}, its settings now draw {found}; "
            "explain it with the version of layermix-gen that built the dataset"
        )
    return replay


def explained(row: Mapping[str, Any], replay: Replay) -> PillowImage.Image:
    """The tree of the sample of a row of the index."""
    height, width, _ = replay.source.shape
    size, box, picture = len(replay.view), replay.box, replay.recipe.picture
    flips = FLIPS[row["picture_view"][2], row["picture_view"][3]]
    return recipe_tree(
        replay.recipe.expression,
        replay.view,
        replay.picture,
        origin=Origin(replay.source, box),
        title=heading(row),
        subtitle=" · ".join(filter(None, (row["key"], row["class_name"], row["source"]))),
        captions={
            "source": f"{width} x {height} px",
            "view": ", ".join([f"{size} px", *["mirrored"] * box.flip]),
            "picture": ", ".join([f"no. {picture.index}", *flips]) if picture else "",
        },
    )


def heading(row: Mapping[str, Any]) -> str:
    """A sample in a few words: `Layer 3 · rotate · pixel · multiply`."""
    if row["layer"] == 0:
        return "Before mixing"
    return " · ".join([f"Layer {row['layer']}", row["op"], *filter(None, row["blends"])])
