"""Names of everything in a dataset's folder, and the keys of its samples.

dataset.json             the manifest, written last: the dataset is complete when it is there
plan.json                what is built from what, frozen at the start
sources.parquet          the inputs in planned order
errors.jsonl             the inputs that were skipped, and why
mixing-set.npy, .json    the mixing set, where jobs on several machines or readers mix with it
clean/000000.tar         the clean plane of shard 0
v03/000000.tar           variant 3 of the same source images
index/000000.parquet     the index of shard 0
index/declared/...       the indexes that the manifest names while planes are added to a finished dataset
.lease/...               in an object store: which processes write to the dataset
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from layermix_gen.errors import LayerMixError
from layermix_gen.support.text import as_text

MANIFEST, PLAN, LISTING, ERRORS = "dataset.json", "plan.json", "sources.parquet", "errors.jsonl"
MIXING_SET, ABOUT_MIXING_SET = "mixing-set.npy", "mixing-set.json"
INDEX = "index"  # the folder of the indexes
DECLARED = f"{INDEX}/declared"  # and of those that are declared while planes are added
CLEAN_PLANE = "clean"
PLANE = rf"{CLEAN_PLANE}|v[0-9][0-9]"  # a pattern of the names of planes
SHA256 = r"[0-9a-f]{64}"  # a pattern of the digests of files
KEYS = ("unique", "shared")  # a key for each sample, or one for all planes of an image
KEY = rf"[0-9]{{9,18}}(-({PLANE}))?"  # a pattern of the keys of samples
ADDRESS = rf"([0-9]{{9,18}})-({PLANE})"  # and of their addresses, see `address`
TAR = rf"({PLANE})/[0-9]{{6,}}\.tar"  # of the paths of tars, and of indexes
INDEX_FILE = rf"{INDEX}/(declared/)?[0-9]{{6,}}\.parquet"
INFO, CARD, OF_A_PLANE = "_info.json", "README.md", ("sizes.json", "wids.json")  # what other readers look for
SMALL_FILES = (MANIFEST, PLAN, LISTING, ERRORS, INFO, CARD, ABOUT_MIXING_SET)  # in the dataset's own folder


def plane_name(variant: int) -> str:
    """The name of the plane of a variant: `v03`."""
    return f"v{variant:02d}"


def sample_key(ordinal: int, plane: str, keys: str) -> str:
    """The key of a sample: the number of its input in planned order and, with `unique` keys, its plane."""
    return f"{ordinal:09d}-{plane}" if keys == "unique" else f"{ordinal:09d}"


def address(row: Mapping[str, Any]) -> str:
    """The address of a row's sample, which is its key where keys are unique: `000000123-v03`."""
    return row["key"] if "-" in row["key"] else f"{row['key']}-{row['plane']}"


def ordinal_of(key: str) -> int:
    """The number of a sample's input in planned order."""
    return int(key.partition("-")[0])


@cache
def tar_name(plane: str, number: int) -> str:
    """The path of a tar within its dataset."""
    return f"{plane}/{number:06d}.tar"


def tar_path(root: Path, plane: str, number: int) -> Path:
    """Where the tar of one plane of a shard is."""
    return root / tar_name(plane, number)


def index_name(number: int) -> str:
    """The path of the index of a shard within its dataset."""
    return f"{INDEX}/{number:06d}.parquet"


def declared_index_name(number: int) -> str:
    """The path of the index of a shard as it was declared, while the shard gets more planes."""
    return f"{DECLARED}/{number:06d}.parquet"


def index_path(root: Path, number: int) -> Path:
    """Where the index of a shard is."""
    return root / index_name(number)


def found_indexes(root: Path) -> list[Path]:
    """The paths of the indexes of all finished shards, in order."""
    return sorted(path for path in (root / INDEX).glob("[!.]*.parquet") if path.is_file())


def is_shard_file(name: str) -> bool:
    """Whether this path is that of a tar or an index to a reader that takes a glob pattern, of this dataset or not."""
    return bool(re.fullmatch(rf"({PLANE}|{INDEX})/[^./][^/]*\.tar|{INDEX}/[^./][^/]*\.parquet", name))


def refuse_links(root: Path) -> None:
    """Raise `LayerMixError` where a folder that builds and repairs write to is a link, which may lead anywhere."""
    for path in sorted(root.iterdir()):
        if path.is_symlink() and re.fullmatch(f"{INDEX}|{PLANE}", path.name):
            raise LayerMixError(
                f"expected a folder at {as_text(path)}, found a link; put the folder itself there, then run the same "
                "command again"
            )
