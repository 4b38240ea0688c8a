"""Tars for the tests of sources, and what webdataset itself reads of them."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PillowImage

from layermix_gen.errors import LayerMixError
from layermix_gen.sources import open_source
from layermix_gen.sources.base import EXTENSIONS, Item

Members = dict[str, bytes | tarfile.TarInfo]


def png(value: int = 0) -> bytes:
    file = io.BytesIO()
    PillowImage.new("RGB", (5, 4), (value, value, value)).save(file, "PNG")
    return file.getvalue()


def write(path: Path, members: Mapping[str, bytes | tarfile.TarInfo]) -> Path:
    """Write a tar; a `TarInfo` stands for a member without content, such as a link."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name) if isinstance(content, bytes) else content
            info.name = name
            if isinstance(content, bytes):
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return path


def link(kind: bytes, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo()
    info.type, info.linkname = kind, target
    return info


def refusal(location: Path | str) -> str:
    with pytest.raises(LayerMixError) as caught:
        open_source(location, "webdataset").items()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def by_webdataset(*paths: Path) -> dict[str, dict[str, bytes]]:
    """The members of each sample by extension, as webdataset groups and names them."""
    import webdataset

    stream = webdataset.WebDataset([str(path) for path in paths], shardshuffle=False, empty_check=False)
    return {one["__key__"]: {name: data for name, data in one.items() if name[:2] != "__"} for one in stream}


def image_in(sample: dict[str, bytes]) -> Any:
    """The pixels of the one image among the members of a sample, (H, W, 3)."""
    (data,) = [data for name, data in sample.items() if name.rpartition(".")[2] in EXTENSIONS]
    return PillowImage.open(io.BytesIO(data)).convert("RGB")


def keys(items: list[Item]) -> dict[str, int]:
    """The labels of items by webdataset's key."""
    return {item.id.split("/", 1)[1]: item.label for item in items}
