"""What the files of a dataset are called, and the keys of its samples."""

from functools import cache
from pathlib import Path

PLANE = r"clean|v\d\d"  # the names of planes
KEY = rf"\d{{9,}}-({PLANE})"  # the keys of samples: the input's ordinal and the plane


@cache
def tar_name(plane: str, number: int) -> str:
    """The path of a tar within its dataset."""
    return f"{plane}/{number:06d}.tar"


def tar_path(root: Path, plane: str, number: int) -> Path:
    """Where the tar of one plane of a shard is."""
    return root / tar_name(plane, number)


def index_name(number: int) -> str:
    """The path of the index of a shard within its dataset."""
    return f"index/{number:06d}.parquet"


def index_path(root: Path, number: int) -> Path:
    """Where the index of a shard is."""
    return root / index_name(number)
