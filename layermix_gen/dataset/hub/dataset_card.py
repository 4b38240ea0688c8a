"""The dataset card, OUT/README.md: a configuration for each plane, what the samples are, how they were made.

It repeats the manifest, except for where the source is: that is nobody else's business.
"""

import re
from pathlib import Path

from layermix_gen.dataset.manifest import Manifest
from layermix_gen.dataset.names import CARD, CLEAN_PLANE, MANIFEST
from layermix_gen.errors import printable
from layermix_gen.images.whole_images import SOURCE
from layermix_gen.mixing.methods import METHODS
from layermix_gen.support.files import reading, regular, replacing
from layermix_gen.support.text import count

MOST_YAML = 1 << 16  # bytes: that of a card with all planes has a tenth
MARK = "# Made by layermix-gen. Remove this line to keep your own changes."  # within the YAML of the card
TO_SAY = (  # comments, which the Hub does not see
    "# license: yours to say; the variants contain the source images, and are under their license",
    "# pretty_name: yours to choose",
)
SIZES = {1e3: "n<1K", 1e4: "1K<n<10K", 1e5: "10K<n<100K", 1e6: "100K<n<1M", 1e7: "1M<n<10M", 1e8: "10M<n<100M"}
LARGER = "100M<n<1B"
NAMED = 30  # classes that are named, at most
CITATION = """\
@article{ahmad2025layermix,
  title   = {LayerMix: Enhanced Data Augmentation through Fractal Integration for Robust Deep Learning},
  author  = {Ahmad, Hafiz Mughees and Morle, Dario and Rahimi, Afshin},
  journal = {arXiv preprint arXiv:2501.04861},
  year    = {2025}
}"""


def write_card(folder: Path, manifest: Manifest) -> bool:
    """Write the card into a dataset's folder and return True; return False if one is there that was edited.

    Raises `LayerMixError` where that cannot be read.
    """
    path = folder / CARD
    if not _is_ours(path):
        return False
    with replacing(path) as draft:
        draft.write_text(card(manifest), encoding="utf-8")
    return True


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
    """The text of the card."""
    planes = configurations(manifest)
    parts = [
        _front(manifest, planes),
        f"# Images with {_method(manifest)} variants\n\n{_about(manifest)}",
        _facts(manifest),
        f"## Samples\n\n{_samples(manifest)}",
        f"## Reading\n\n{_reading(manifest, planes)}",
        f"## How it was made\n\n{_making(manifest)}",
        *([f"## Citation\n\n```bibtex\n{CITATION}\n```"] if manifest.settings.method == "layermix" else []),
    ]
    return "\n\n".join(parts) + "\n"


def configurations(manifest: Manifest) -> dict[str, str]:
    """The pattern of the tars of each configuration: of all variants, the default one, and of each plane."""
    stored = manifest.variant_planes and not manifest.virtual_planes
    variants = {"variants": "v[0-9][0-9]/*.tar"} if stored else {}
    return variants | {plane: f"{plane}/*.tar" for plane in manifest.stored_planes}


def _front(manifest: Manifest, planes: dict[str, str]) -> str:
    """The YAML that the Hub, and `load_dataset`, read."""
    lines = ["---", MARK, *TO_SAY, "task_categories: [image-classification]", "tags: [webdataset, layermix-gen]"]
    lines.append(f"size_categories: ['{next((SIZES[most] for most in SIZES if manifest.images < most), LARGER)}']")
    lines.append("configs:")
    for name, path in planes.items():
        default = ["  default: true"] * (name == next(iter(planes)))
        lines += [f"- config_name: {name}", *default, "  data_files:", "  - split: train", f"    path: {path}"]
    return "\n".join([*lines, "---"])


def _method(manifest: Manifest) -> str:
    return "LayerMix" if manifest.settings.method == "layermix" else manifest.settings.method


def _about(manifest: Manifest) -> str:
    planes = f"{count(len(manifest.planes), 'plane')}: {', '.join(manifest.planes)}"
    parts = [
        f"{count(manifest.written, 'whole image')} in {planes}."
        if manifest.settings.view == SOURCE
        else f"{count(manifest.written, 'image')} of {manifest.size} px in {planes}.",
        "A plane holds one version of every image.",
    ]
    if CLEAN_PLANE in manifest.planes:
        parts.append(f"`{CLEAN_PLANE}` has the images before mixing.")
    if manifest.variant_planes:
        parts.append("The variants are for training classifiers that are robust to corruptions.")
    if manifest.virtual_planes:
        parts.append(
            "Their images are not stored: layermix-gen renders them when they are read, from the images of "
            f"`{CLEAN_PLANE}` and the recipes in `index`."
        )
    return " ".join(parts)


def _facts(manifest: Manifest) -> str:
    """A table of what is there."""
    settings, names, mixed = manifest.settings, manifest.source.classes, manifest.mixing_set
    shown = ", ".join(map(_literal, names[:NAMED])) + (", ..." if len(names) > NAMED else "")
    rows = {
        "images": f"{manifest.images}: {manifest.written} in each plane",
        "classes": f"{len(names)}: {shown}" if names else "without names",
        "samples": settings.samples,
        "method": f"{settings.mixing}, seed {settings.seed}",
        "mixing set": f"{count(mixed.count, 'picture')} of {mixed.size} px" if mixed else "",
        "shards": f"{manifest.shards}, each of {count(len(manifest.stored_planes), 'tar')}; "
        f"{manifest.bytes / 1e6:.1f} MB",
        "left out": f"{count(manifest.skipped, 'image')} that could not be read" if manifest.skipped else "",
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in rows.items() if text)])


def _literal(text: str) -> str:
    """A name from the user's data as code within a table: no markup, whatever is in it."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    pad = " " * text.startswith("`") or " " * text.endswith("`")
    return f"{fence}{pad}{printable(text)}{pad}{fence}".replace("|", "\\|")


def _samples(manifest: Manifest) -> str:
    """The members of a sample."""
    members = {
        manifest.settings.encoding.extension: "the image",
        "cls": "the label, -1 for none",
        "json": "how it was made: `source`, `label`, `class_name`, `method`, `layer`, `ops`, `blends`, their numbers, "
        "and `recipe`, one line of text from which layermix-gen renders the same pixels again",
    }
    text = "\n".join(f"- `{name}`: {what}" for name, what in members.items())
    if METHODS[manifest.settings.method].mixes_labels:
        text += "\n\nThe variants have two labels: `cls` is the first, `label2` and `label_weight` are in `json`."
    return text


def _reading(manifest: Manifest, planes: dict[str, str]) -> str:
    first = next(iter(planes))
    soft = ", soft_labels=True" * METHODS[manifest.settings.method].mixes_labels
    views = "" if manifest.variant_planes else f', views="{CLEAN_PLANE}"'
    views += ', view="rrc"' * (manifest.settings.view == SOURCE)
    return f"""\
```python
from datasets import load_dataset

stream = load_dataset("FOLDER OR USER/NAME", "{first}", split="train", streaming=True)
for sample in stream.take(4):
    print(sample["__key__"], sample["cls"], sample["json"]["recipe"])
```

At the speed of image decoding, in a training loop of PyTorch:

```python
from layermix_gen import LayerMixDataset

for batch in LayerMixDataset("FOLDER", 256{views}{soft}):  # other variants in each epoch
    ...
```"""


def _making(manifest: Manifest) -> str:
    settings = manifest.settings
    options = f"{settings.form}, keys {settings.keys}"
    libraries = ", ".join(f"{name} {version}" for name, version in manifest.versions.items())
    return (
        f"By `layermix-gen build`: {options}. `{MANIFEST}` has every setting and the sha256 of every file; the same "
        f"source, settings and versions give the same bytes.\n\nVersions: {libraries}\n\nDigest: `{manifest.digest}`"
    )
