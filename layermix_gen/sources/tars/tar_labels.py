"""The labels of the samples in tars: whole numbers, or names of classes, from the members that say them.

The first of `cls`, `json`, `label`, `class` and `lbl` that says a label counts. A `txt` is a caption: it counts only
where no sample has any other label, and the `txt` of every sample is a whole number. Where there is none of this, and
all tars are named by classes of ImageNet (`n01440764.tar`, as those of its training set are), a tar's name is a class.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from pathlib import PurePath
from typing import Any

from layermix_gen.errors import LayerMixError
from layermix_gen.sources.base import class_names
from layermix_gen.sources.labels import MAX_LABEL, MAX_UNNAMED, is_empty, number_in, numbered

CAPTION = "txt"
LABELS = ("cls", "json", "label", "class", "lbl")
"""The extensions of members that may say a label; the first that does counts."""

_FIELDS = ("label", "cls", "class", "target")  # of a json, for a number or a name; the first two for nothing else
_NAMES = ("class_name", "label_name")  # fields of a json for a name, which may stand beside a number
_LONGEST = 100  # characters of a name: what is longer describes an image, and not its class
_WNID = re.compile(r"n\d{8}", re.ASCII)  # the number that WordNet has for a noun


@dataclass(frozen=True, slots=True)
class TarLabel:
    """What a sample says of its class: a number (-1 for none), a name ("" for none), or both."""

    number: int = -1
    name: str = ""
    in_caption: int = -1  # the number that its txt consists of


def label_of(labels: Mapping[str, bytes], identity: str) -> TarLabel:
    """The label that the members of a sample say, given by extension.

    A member without a further name, as `x.cls`, comes before any with one, as `x.output.cls`. Raises `LayerMixError`
    for a label that is none, and where two such members say different ones.
    """
    for (_, rank), extensions in groupby(sorted(labels.keys() - {CAPTION}, key=_rank), _rank):
        read = _label_in_json if LABELS[rank] == "json" else _label_in_text
        told = {name: read(labels[name], f"{name} of {identity}") for name in extensions}
        said = {name: label for name, label in told.items() if label is not None}
        if len(set(said.values())) > 1:
            raise LayerMixError(
                f"expected one label for {identity}, found two in {' and '.join(sorted(said)[:2])}; leave one out"
            )
        if said:
            label = next(iter(said.values()))
            is_bare = label.number >= 0 and not label.name
            return replace(label, name=_name_beside(labels["json"])) if is_bare and "json" in labels else label
    caption = labels.get(CAPTION, b"")
    told_in_it = _parsed(_text(caption) or "") if len(caption) <= _LONGEST else None
    return TarLabel(in_caption=told_in_it.number) if told_in_it else TarLabel()


@dataclass(frozen=True, slots=True)
class TarClasses:
    """What all samples of a source say of their classes: a label for each that is said, or for each tar."""

    labels: Mapping[TarLabel, int]
    of_tars: Mapping[str, int]  # where tars are classes
    names: tuple[str, ...]

    def label_of(self, said: TarLabel, tar: str) -> int:
        """The label of a sample in a tar, -1 for none."""
        return self.of_tars[tar] if self.of_tars else self.labels[said]


def classified(said: Mapping[TarLabel, str], tars: Collection[str]) -> TarClasses:
    """The labels of all samples, and the names of the classes, () if none are said; names are sorted.

    `said` has all that samples say, each with the id of one that does, and `tars` are the paths of their tars. Raises
    `LayerMixError` where a sample has a number and another only a name, or where a number has two names.
    """
    if all(label.number < 0 and not label.name for label in said):
        if all(label.in_caption >= 0 for label in said):
            return TarClasses({label: label.in_caption for label in said}, {}, ())
        stems = {tar: PurePath(tar).stem for tar in tars}
        if not all(map(_WNID.fullmatch, stems.values())):
            return TarClasses(dict.fromkeys(said, -1), {}, ())
        of_tars, names = numbered([*stems.values()])
        return TarClasses({}, dict(zip(stems, of_tars, strict=True)), names)
    named = next((label for label in said if label.name and label.number < 0), None)
    number = next((label for label in said if label.number >= 0), None)
    if named and number:
        raise LayerMixError(
            f"expected labels that are all numbers or all names, found {number.number} for {said[number]} "
            f"and {named.name!r} for {said[named]}; give one form to all"
        )
    if named:
        labels, names = numbered([label.name for label in said])
        return TarClasses(dict(zip(said, labels, strict=True)), {}, names)
    return TarClasses({label: label.number for label in said}, {}, _names(said))


def _names(said: Mapping[TarLabel, str]) -> tuple[str, ...]:
    """The names that stand beside numbers, and the number of a class that has none; () if there are no names."""
    names: dict[int, str] = {}
    for label, identity in said.items():
        if label.name and names.setdefault(label.number, label.name) != label.name:
            raise LayerMixError(
                f"expected one class name per label, got {label.name!r} for label {label.number} in {identity}, "
                f"which was {names[label.number]!r} before; mend the tar"
            )
    largest = max(label.number for label in said)
    if names and largest > MAX_LABEL:
        raise LayerMixError(f"expected labels up to {MAX_LABEL} where classes have names, got {largest}; mend the tar")
    return tuple(names.get(int(text), text) for text in class_names([largest])) if names else ()


def _rank(extension: str) -> tuple[bool, int]:
    return "." in extension, LABELS.index(extension.rpartition(".")[2])


@lru_cache(1 << 16)
def _parsed(text: str) -> TarLabel | None:
    """The label that a text is, None if it is no label: no number in the range, and no name."""
    text = text.strip()
    number = number_in(text)
    if number is None:
        return TarLabel(name=text) if _is_name(text) else None
    return TarLabel(number) if number <= MAX_UNNAMED else None


def _is_name(text: str) -> bool:
    """Whether a text is short, with a letter, not empty, and no fraction in another form, as NumPy's `3.0e+00`."""
    if is_empty(text):
        return False
    try:
        float(text)
    except ValueError:
        return len(text) <= _LONGEST and text.isprintable() and any(map(str.isalpha, text))
    return False


def _text(content: bytes) -> str | None:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _label_in_text(content: bytes, where: str) -> TarLabel:
    label = _parsed(_text(content) or "")
    if label is None:
        raise _no_label(content.strip()[:40], where)
    return label


def _label_in_json(content: bytes, where: str) -> TarLabel | None:
    """The label in the fields of an object, None if it has no such field."""
    fields = _fields(content, where)
    said = [label for name in _FIELDS if (label := _label_in_field(fields, name, where))]
    numbers = [label.number for label in said if not label.name]
    name = _name_of(fields) or next((label.name for label in said if label.name), "")
    if numbers:
        return TarLabel(numbers[0], name if numbers[0] >= 0 else "")
    return _parsed(name)


def _label_in_field(fields: Mapping[str, Any], name: str, where: str) -> TarLabel | None:
    value = fields.get(name)
    if value is None or value == "":
        return None
    is_whole = type(value) is int or (type(value) is float and value.is_integer())
    label = _parsed(str(int(value)) if is_whole else value if type(value) is str else "")
    if label is None and name in _FIELDS[:2]:
        raise _no_label(value, f"{name} in the {where}")
    return label


def _name_of(fields: Mapping[str, Any]) -> str:
    texts = [fields[name].strip() for name in _NAMES if type(fields.get(name)) is str]
    return next((text for text in texts if text and len(text) <= _LONGEST and text.isprintable()), "")


def _name_beside(content: bytes) -> str:
    """The name of a class in a json beside the member that says its number, "" if it has none."""
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    return _name_of(fields) if isinstance(fields, dict) else ""


def _fields(content: bytes, where: str) -> dict[str, Any]:
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError) as fault:
        raise LayerMixError(f"expected an object as the {where}, got no JSON; mend the tar") from fault
    if not isinstance(fields, dict):
        raise LayerMixError(f"expected an object as the {where}, got {type(fields).__name__}; mend the tar")
    return fields


def _no_label(found: object, where: str) -> LayerMixError:
    text = repr(found)[:40]
    return LayerMixError(f"expected a whole number or the name of a class as the {where}, got {text}; mend the tar")
