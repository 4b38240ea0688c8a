"""The labels of the samples in tars, from their `cls` and `json` members."""

import json
import re
from typing import Any

from layermix_gen.errors import LayerMixError

_MAX_LABEL = 999_999_999  # in both cls and json


def label_of(labels: dict[str, bytes], identity: str) -> int:
    """Return the label that a sample's members give, -1 if they give none."""
    for extension in sorted(labels, key=lambda name: ("." in name, name.rpartition(".")[2])):
        kind = extension.rpartition(".")[2]
        if kind == "cls":
            text = labels[extension].strip()
            if not re.fullmatch(rb"-1|\d{1,9}", text):
                raise LayerMixError(f"expected an integer as the cls of {identity}, got {text[:40]!r}; mend the tar")
            return int(text)
        fields = _fields(labels[extension], identity)
        label = fields.get("label", fields.get("cls", -1))
        if type(label) is not int or not -1 <= label <= _MAX_LABEL:
            found = repr(label)[:40]
            raise LayerMixError(
                f"expected an integer as the label in the json of {identity}, got {found}; mend the tar"
            )
        return label
    return -1


def _fields(text: bytes, identity: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise LayerMixError(f"expected an object as the json of {identity}, got no JSON; mend the tar") from fault
    if not isinstance(fields, dict):
        raise LayerMixError(f"expected an object as the json of {identity}, got {type(fields).__name__}; mend the tar")
    return fields
