"""Stamps: a few bytes that tell whether the files of a part are still those that were evaluated.

Reading all of ImageNet-C to know that would take as long as evaluating it, so small files are known by their content,
large ones by size and time of change, and folders of files by time of change, which moves when a file in them is added,
removed or replaced.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.suites.folders import class_folders
from layermix_gen.sources import Source, cifar
from layermix_gen.sources.base import as_text, reason
from layermix_gen.sources.folder import scan
from layermix_gen.sources.webdataset import expand

SMALL = 1 << 20  # bytes


def stamp(root: Path, paths: Iterable[Path]) -> str:
    """16 hex digits that are others when one of the files or folders is. Their names count from the folder `root`."""
    digest = hashlib.sha256()
    for path in paths:
        name = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
        try:
            status = path.stat()
            if path.is_dir():
                state = f"{status.st_mtime_ns}"
            elif status.st_size > SMALL:
                state = f"{status.st_size} {status.st_mtime_ns}"
            else:
                state = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise LayerMixError(f"cannot read {as_text(path)}: {reason(error)}; get it again") from error
        digest.update(f"{as_text(name)}\n{state}\n".encode())
    return digest.hexdigest()[:16]


def source_files(source: Source) -> list[Path]:
    """The files that a source reads, or the folders that they are in."""
    location, kind = Path(source.location), source.kind.partition(":")[0]
    if kind == "webdataset":
        return expand(source.location)
    if location.is_file():
        return [location]
    if found := cifar.find(kind, location) if kind in cifar.VERSIONS else None:
        folder, version = found
        return [folder / name for name in (version.meta, *version.parts["test"])]
    if kind == "idx":
        return sorted(Path(entry.path) for entry in scan(location) if "ubyte" in entry.name)
    return class_folders(location)
