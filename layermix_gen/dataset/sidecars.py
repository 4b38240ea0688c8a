"""Small files that describe a dataset to other readers, each in the reader's own format; they only repeat the manifest.

OUT/_info.json          timm: a split for each plane, and one, `variants`, of all variants
OUT/v00/sizes.json      open_clip: samples of each tar of the plane
OUT/v00/wids.json       wids (part of webdataset before 1.0): the tars of the plane with samples and bytes
OUT/README.md           Hugging Face: the card, which makes a configuration of each plane; without it, planes are mixed
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from layermix_gen.dataset.manifest import Manifest
from layermix_gen.dataset.names import CARD, CLEAN_PLANE, INFO, MANIFEST, OF_A_PLANE
from layermix_gen.mixing.methods import METHODS
from layermix_gen.support.files import reading, regular, replacing, write_json
from layermix_gen.support.text import count

MOST_YAML = 1 << 16  # bytes: that of a card with all planes has a tenth
MARK = "# Made by layermix-gen. Remove this line to keep your own changes."  # within the YAML of the card

Tars = Mapping[str, Mapping[str, Any]]


def sidecars(manifest: Manifest) -> dict[str, Any]:
    """The sidecars of a complete dataset by relative path, as values for JSON."""
    planes = {plane: tars_of(manifest.tars, [plane]) for plane in manifest.planes}
    variants = tars_of(manifest.tars, [plane for plane in manifest.planes if plane != CLEAN_PLANE])
    splits = planes | ({"variants": variants} if variants else {})
    found: dict[str, Any] = {INFO: {"splits": {name: timm_split(name, tars) for name, tars in splits.items()}}}
    for plane, tars in planes.items():
        sizes, wids = (f"{plane}/{name}" for name in OF_A_PLANE)
        found[sizes] = {file_name(tar): facts["samples"] for tar, facts in tars.items()}
        found[wids] = wids_list(f"{manifest.digest[:16]}-{plane}", tars)
    return found


def write_sidecars(root: Path, manifest: Manifest) -> None:
    """Write the sidecars of a complete dataset, each atomically; the same manifest gives the same bytes."""
    for name, value in sidecars(manifest).items():
        write_json(root / name, value)
    if _is_ours(root / CARD):
        with replacing(root / CARD) as draft:
            draft.write_text(card(manifest), encoding="utf-8")


def _is_ours(path: Path) -> bool:
    """Whether nothing is at `path`, or a card that nobody wants to keep: the YAML that it begins with has the mark.

    Raises `LayerMixError` where it cannot be read.
    """
    if not path.exists():
        return True
    with reading(path, "move it away, then run the same command to resume"), regular(path).open("rb") as file:
        text = file.read(MOST_YAML).decode(errors="replace")
    front = re.match(r"---\r?\n(.*?)\n---", text, re.DOTALL)
    return front is not None and MARK in front[1]


def card(manifest: Manifest) -> str:
    """The dataset card: a configuration for each plane and one, `variants`, of all variants, then a few facts."""
    variants = {"variants": "v[0-9][0-9]/*.tar"} if manifest.variant_planes else {}
    configurations = variants | {plane: f"{plane}/*.tar" for plane in manifest.planes}
    planes = f"{count(len(manifest.planes), 'plane')}: {', '.join(manifest.planes)}"
    first = next(iter(configurations))
    soft = METHODS[manifest.settings.method].mixes_labels
    lines = [
        "---",
        MARK,
        "task_categories: [image-classification]",
        "tags: [webdataset]",
        "configs:",
        *(_configuration(name, path, is_default=name == first) for name, path in configurations.items()),
        "---",
        "",
        "# Images with LayerMix variants",
        "",
        f"{count(manifest.written, 'image')} of {manifest.size} px in {planes}.",
        f"A plane holds one version of every image. `{MANIFEST}` says how they were made.",
        "",
        "```python",
        "from layermix_gen import LayerMixDataset",
        "",
        f'for batch in LayerMixDataset("FOLDER", 256{", soft_labels=True" * soft}):  # another plane in each epoch',
        "    ...",
        "```",
        "",
        *(["The variants have two labels: `cls` is the first, `label2` and `label_weight` are in `json`.", ""] * soft),
        f"Digest: `{manifest.digest}`",
    ]
    return "\n".join(lines) + "\n"


def _configuration(name: str, path: str, *, is_default: bool) -> str:
    default = ["  default: true"] * is_default
    return "\n".join([f"- config_name: {name}", *default, "  data_files:", "  - split: train", f"    path: {path}"])


def tars_of(tars: Tars, planes: Sequence[str]) -> Tars:
    """The tars of some planes, in the order of their names."""
    return {name: tars[name] for name in sorted(tars) if PurePosixPath(name).parent.name in planes}


def timm_split(name: str, tars: Tars) -> dict[str, Any]:
    """A split of timm's `_info.json`."""
    lengths = [facts["samples"] for facts in tars.values()]
    return {"name": name, "num_samples": sum(lengths), "filenames": list(tars), "shard_lengths": lengths}


def wids_list(name: str, tars: Tars) -> dict[str, Any]:
    """A wids list of shards, with URLs relative to the list's own."""
    shards = [
        {"url": file_name(tar), "nsamples": facts["samples"], "filesize": facts["bytes"]} for tar, facts in tars.items()
    ]
    return {"__kind__": "wids-shard-index-v1", "wids_version": 1, "name": name, "shardlist": shards}


def file_name(tar: str) -> str:
    """The name of a tar within its plane's folder."""
    return PurePosixPath(tar).name
