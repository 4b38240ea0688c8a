"""`corruptions.json`: what a folder of corrupted images holds, and how it was made.

Corruptions with different settings, or of different images, are never mixed in one folder. An evaluation reads here
which severities and corruptions the folder has.
"""

import hashlib
import json
import platform
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL

from layermix_gen._version import __version__
from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.benchmarks import LABELS, SEVERITIES, Scale
from layermix_gen.evaluate.corruptions.published import VERSION, Family
from layermix_gen.sources import Item, Source, source_files
from layermix_gen.sources.array_files.base import ArraySource
from layermix_gen.support.checks import entries
from layermix_gen.support.files import file_digest, read_json, reading
from layermix_gen.support.parsing import made_of
from layermix_gen.support.text import as_text

RECORD = "corruptions.json"
FORMAT = "layermix-gen corruptions 1"
REMEDY = "restore it, or make the corruptions again"
OPEN = ("corruptions", "versions", "source")  # these may differ when a later call continues a folder


def check_record(root: Path, record: dict[str, Any]) -> None:
    """Refuse to mix corruptions with different settings or of different images in one folder."""
    made = set(entries(root)) - {RECORD, LABELS}
    if not made:  # a call that finished nothing does not bind the next one
        return
    before = read_json(root / RECORD)
    for name in (name for name in record if name not in OPEN):
        found = before.get(name)
        if found != record[name]:
            raise LayerMixError(
                f"{root} was begun with {name} {json.dumps(found)}, not {json.dumps(record[name])}; "
                "choose another folder, or give what it was begun with"
            )


def describe(source: Source, items: list[Item], **settings: Any) -> dict[str, Any]:
    """The record before any corruption is made: `settings`, the source, and versions, which may round differently."""
    digest = hashlib.sha256(json.dumps(source.classes).encode())
    for item in items:
        digest.update(json.dumps([item.id, item.label, item.size]).encode())
    if isinstance(source, ArraySource):  # whose images all have one size in bytes
        for path in source_files(source):
            digest.update(file_digest(path).encode())
    return {
        "format": FORMAT,
        "kernels": VERSION,
        **settings,
        "images": len(items),
        "source_digest": digest.hexdigest(),  # over class names, the images' ids, labels and sizes, and files of arrays
        "source": {"kind": source.kind, "location": as_text(source.location)},
        "corruptions": {},
        "versions": {
            "layermix-gen": __version__,
            "numpy": np.__version__,
            "opencv": cv2.__version__,
            "pillow": PIL.__version__,
            "python": platform.python_version(),
        },
    }


@dataclass(frozen=True, slots=True)
class Record:
    """What a folder of corrupted images has, according to its `corruptions.json`."""

    suite: Family
    scale: Scale
    severities: tuple[int, ...]  # in rising order; none for the sequences of P
    images: int  # at each severity
    corruptions: dict[str, Any]  # the parameters of each corruption at all severities, or perturbation, by its name

    def __post_init__(self) -> None:
        if (
            self.images < 1
            or bool(self.severities) == (self.suite == "p")
            or list(self.severities) != [severity for severity in SEVERITIES if severity in self.severities]
        ):
            raise ValueError("not a record of corruptions")


def read_record(root: Path) -> Record | None:
    """The record of a folder; None for a published suite, which has none. Raises `LayerMixError` for a foreign one."""
    path = root / RECORD
    if not path.is_file():
        return None
    try:
        with reading(path, REMEDY):
            value = read_json(path, REMEDY)
        if value.get("format") != FORMAT:
            raise ValueError("another format")
        return made_of(Record, {one.name: value[one.name] for one in fields(Record) if one.name in value})
    except ValueError as error:
        raise LayerMixError(f"expected {FORMAT!r} in {path}, found something else; {REMEDY}") from error
