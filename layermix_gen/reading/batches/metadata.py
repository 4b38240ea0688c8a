"""Read the metadata of samples from their tars, where the JSON follows right after the image and the label."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from layermix_gen.dataset.index import COLUMNS, METADATA, json_checksum
from layermix_gen.dataset.tar import BLOCK, MAX_NAME, data_size, member_bytes
from layermix_gen.errors import BadImage, LayerMixError
from layermix_gen.support.checks import as_several
from layermix_gen.support.parsing import parse_object

PLACE = ("plane", "key")  # known without the JSON
FIELDS = (*PLACE, *METADATA)
_TYPES = {"VARCHAR": str, "INTEGER": int, "BIGINT": int, "DOUBLE": float}
_KINDS = {name: _TYPES[COLUMNS[name].removesuffix("[]")] for name in METADATA}


def check_fields(fields: Sequence[str]) -> tuple[str, ...]:
    """Return the fields as a tuple. Raises `LayerMixError` for a field that samples do not have."""
    fields = as_several("fields", fields)
    for name in fields:
        if name not in FIELDS:
            raise LayerMixError(f"expected fields out of {', '.join(FIELDS)}, got {name!r}; mend fields=")
    return fields


def read_metadata(
    tar: memoryview, offset: int, size: int, plane: str, checksum: int, lengths: Mapping[str, int]
) -> dict[str, Any]:
    """The metadata of the sample whose image is at `offset` of a tar; its lists have `lengths`.

    Raises `BadImage` if it has another checksum.
    """
    try:
        label = offset - BLOCK + member_bytes(size)
        head = label + member_bytes(_member_size(tar, label))
        text = tar[head + BLOCK : head + BLOCK + _member_size(tar, head)]
        key = bytes(tar[head : head + MAX_NAME]).rstrip(b"\0").removesuffix(b".json")
        if json_checksum(key, text) != checksum:
            raise ValueError("another checksum than in the index")
        facts = parse_object(bytes(text))
        if not _is_metadata(facts, lengths):
            raise ValueError("other fields, or values of other types")
        return facts | {"plane": plane, "key": key.decode("ascii")}
    except ValueError as error:
        raise BadImage(f"expected metadata behind the image, found other bytes ({error})") from error


def _is_metadata(facts: dict[str, Any], lengths: Mapping[str, int]) -> bool:
    """Whether a sample's JSON has the fields, types and lengths of lists that `build` writes."""
    if facts.keys() != _KINDS.keys():
        return False
    for name, kind in _KINDS.items():
        value, length = facts[name], lengths.get(name, 0)
        values = value if length and type(value) is list else [value]
        if list(map(type, values)) != [kind] * (length or 1) or (kind is int and max(map(abs, values)) >= 2**63):
            return False
    return True


def _member_size(tar: memoryview, head: int) -> int:
    return data_size(bytes(tar[head : head + BLOCK]))


def collate(samples: Sequence[Sequence[dict[str, Any]]], fields: Sequence[str], *, many: bool) -> dict[str, Any]:
    """The fields of a batch, from the metadata of each view of each image.

    Numbers and lists of numbers become tensors (B, ...), or (B, V, ...) with `many` views; texts become lists.
    """
    return {name: _column([[view[name] for view in views] for views in samples], many=many) for name in fields}


def _column(values: list[list[Any]], *, many: bool) -> Any:
    values = values if many else [views[0] for views in values]
    array = np.array(values)
    return torch.from_numpy(array) if array.dtype.kind in "if" else values
