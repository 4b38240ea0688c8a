"""Small files that describe a dataset to other readers, each in the reader's own format; they only repeat the manifest.

OUT/_info.json          timm: a split for each plane, and one, `variants`, of all variants
OUT/v00/sizes.json      open_clip: samples of each tar of the plane
OUT/v00/wids.json       wids (part of webdataset before 1.0): the tars of the plane with samples and bytes
OUT/README.md           Hugging Face: the card, which makes a configuration of each plane; without it, planes are mixed
"""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from layermix_gen.dataset.hub.dataset_card import write_card
from layermix_gen.dataset.manifest import Manifest
from layermix_gen.dataset.names import CLEAN_PLANE, INFO, OF_A_PLANE
from layermix_gen.support.files import write_json

Tars = Mapping[str, Mapping[str, Any]]


def sidecars(manifest: Manifest) -> dict[str, Any]:
    """The sidecars of a complete dataset by relative path, as values for JSON. They know stored planes alone."""
    planes = {plane: tars_of(manifest.tars, [plane]) for plane in manifest.stored_planes}
    variants = tars_of(manifest.tars, [plane for plane in manifest.stored_planes if plane != CLEAN_PLANE])
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
    write_card(root, manifest)


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
