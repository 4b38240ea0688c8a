"""Draw how a sample was made: replay it from its source image, and draw its recipe step by step."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from layermix_gen.dataset.names import address
from layermix_gen.errors import LayerMixError
from layermix_gen.figures.canvas import Canvas
from layermix_gen.figures.file_formats import drawing_path
from layermix_gen.inspection.drawings.tree import Origin, tree_canvas
from layermix_gen.inspection.opened_dataset import OpenedDataset
from layermix_gen.inspection.replay import Replay
from layermix_gen.mixing.recipe import IMAGE

# Words for the flips of a picture, by (left to right, top to bottom).
FLIPS = {(0, 0): [], (1, 0): ["mirrored"], (0, 1): ["upside down"], (1, 1): ["turned by 180°"]}


def explain(shards: OpenedDataset, key: str, out: str | Path) -> Path:
    """Draw the recipe of the sample `key` as a tree, with the image at every step, to `out`, by its suffix.

    Returns `out`. Raises `LayerMixError` where there is no such sample, where its source image or mixing set is gone
    or is a different one, and where `out` cannot be written.
    """
    out = drawing_path(out)
    row = shards.row(key)
    return explained(row, replayed(shards, row)).write(out)


def replayed(shards: OpenedDataset, row: Mapping[str, Any]) -> Replay:
    """Replay a sample. Raises `LayerMixError` where that fails, or gives another recipe than the stored one."""
    replay = shards.replay(row)
    if (found := str(replay.recipe.expression)) != row["recipe"]:
        raise LayerMixError(
            f"expected {address(row)} to be made as {row['recipe']}, its settings now draw {found}; "
            "explain it with the version of layermix-gen that built the dataset"
        )
    return replay


def explained(row: Mapping[str, Any], replay: Replay) -> Canvas:
    """Draw the tree of a sample from its row of the index and its replay."""
    height, width, _ = replay.source.shape
    tall, wide, _ = replay.view.shape
    box, picture = replay.box, replay.recipe.picture
    flips = FLIPS[row["picture_view"][2], row["picture_view"][3]]
    return tree_canvas(
        replay.recipe.expression,
        replay.view,
        replay.picture,
        replay.other,
        origin=Origin(replay.source, box),
        title=heading(row),
        subtitle=" · ".join(filter(None, (address(row), row["class_name"], row["source"]))),
        captions={
            "source": f"{width} x {height} px",
            "view": ", ".join([f"{wide} px" if wide == tall else f"{wide} x {tall} px", *["mirrored"] * box.flip]),
            "picture": ", ".join([f"no. {picture.index}", *flips]) if picture else "",
            "other": row["other"],
        },
    )


def heading(row: Mapping[str, Any]) -> str:
    """The heading of a sample: `Layer 3 · rotate · pixel · multiply`, or `augmix · equalize · shear_x · mean`."""
    if row["recipe"] == str(IMAGE):
        return "Before mixing"
    first = f"Layer {row['layer']}" if row["layer"] else row["method"]
    return " · ".join([first, *chosen(row)])


def chosen(row: Mapping[str, Any]) -> list[str]:
    """The operations of a sample, each once, and its blends."""
    return [*dict.fromkeys(filter(None, row["ops"])), *filter(None, row["blends"])]
