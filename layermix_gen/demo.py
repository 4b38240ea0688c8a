"""The demo: build shards from a few of scikit-image's photographs, list samples and draw a contact sheet."""

import shutil
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from layermix_gen.building.builder import build
from layermix_gen.dataset.manifest import Manifest
from layermix_gen.dataset.names import PLAN
from layermix_gen.dataset.settings import BuildSettings
from layermix_gen.errors import missing
from layermix_gen.inspection.drawings.sheet import contact_sheet
from layermix_gen.inspection.shards import open_shards
from layermix_gen.support.checks import as_path, check_output
from layermix_gen.support.files import disk_errors
from layermix_gen.support.text import table

PHOTOGRAPHS = {  # in the public domain or CC0
    "animal": ("chelsea.png",),
    "food": ("coffee.png",),
    "machine": ("motorcycle_left.png", "rocket.jpg"),
    "person": ("astronaut.png",),
    "sky": ("hubble_deep_field.jpg",),
}
LISTED = 12  # samples in the table


def demo(out: str | Path, progress: bool = True) -> tuple[Manifest, str, Path]:
    """Build a small dataset in `out`; return its manifest, a table of samples and the path of the contact sheet.

    Raises `LayerMixError` where scikit-image is not installed, where `out` holds anything but an earlier demo, or where
    it cannot be written to.
    """
    if find_spec("skimage") is None:
        raise missing("skimage")
    out = as_path(out, "output folder")
    photographs = out / "photographs"
    with disk_errors(out):
        _check_out(out)
        _copy_photographs(photographs)
    manifest = build(photographs, out / "shards", BuildSettings(variants=4, view_mode="shared"), progress=progress)
    shards = open_shards(manifest.root)
    samples = shards.query("layer > 0", ("key", "class_name", "layer", "op", "blends"), "key", LISTED)
    rows = [
        {"key": one["key"], "class": one["class_name"], "layer": one["layer"], "op": one["op"]}
        | {"blends": " + ".join(filter(None, one["blends"]))}
        for one in samples
    ]
    return manifest, table(rows), contact_sheet(shards, out / "sheet.png")


def _check_out(out: Path) -> None:
    """Refuse a folder with anything in it that is not the demo's own."""
    built = (out / "shards" / PLAN).exists()  # written after the photographs and before everything else
    check_output(out, own=("photographs", "shards", "sheet.png") if built else ("photographs",))
    check_output(out / "photographs", own=PHOTOGRAPHS)
    for label, names in PHOTOGRAPHS.items():
        check_output(out / "photographs" / label, own=names)


def _copy_photographs(folder: Path) -> None:
    for label, names in PHOTOGRAPHS.items():
        (folder / label).mkdir(parents=True, exist_ok=True)
        for name in names:
            shutil.copyfile(str(files("skimage") / "data" / name), folder / label / name)
