"""Flip one bit of any byte of a dataset: `verify` must name the file, `repair` mend it, and no reader may be misled."""

import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from layermix_gen import BuildSettings, LayerMixDataset, LayerMixError, build, open_shards
from layermix_gen.dataset.names import CARD
from tests.faults.tally import Tally
from tests.helpers import same_but_for_the_run

SETTINGS = BuildSettings(variants=1, size=8, shard_size="4")
PLANES = ("clean", "v00")
FIELDS = ("key", "source", "label", "layer", "recipe")
MENDED_EVERY = 20  # flips, of which one is mended too: that takes ten times as long


def harness(rounds: int, seed: int, folder: Path) -> Tally:
    """Flip about `rounds` bytes, one at a time and each by one bit: at least two of each file, at most all."""
    root, tally = small_dataset(folder), Tally()
    shutil.copytree(root, folder / "whole")
    truth, whole = {plane: seen(root, plane) for plane in PLANES}, contents(root)
    share, draws = rounds / sum(map(len, whole.values())), random.Random(seed)  # noqa: S311
    places = [
        (name, byte)
        for name, content in whole.items()
        for byte in draws.sample(range(len(content)), min(len(content), max(2, round(share * len(content)))))
    ]
    for number, (name, byte) in enumerate(places):
        flipped = bytearray(whole[name])
        flipped[byte] ^= 1 << draws.randrange(8)
        (root / name).write_bytes(flipped)
        failure = _failure(root, name, truth)
        if failure is None and number % MENDED_EVERY == 0:
            open_shards(root).repair(workers=1, progress=False)
            failure = None if same_but_for_the_run(root, folder / "whole") else "it was not mended"
        (root / name).write_bytes(whole[name])
        tally.record(kind(name), failure and f"{name}, byte {byte} as {flipped[byte]}: {failure}")
    return tally


def kind(name: str) -> str:
    """The kind of a file of a dataset."""
    return "index" if name.startswith("index/") else "tar" if name.endswith(".tar") else Path(name).name


def small_dataset(folder: Path) -> Path:
    """A dataset of one shard: 2 images of 8 px and one input that was skipped, in 2 planes."""
    source, pool, root = folder / "source", folder / "pool.npy", folder / "shards"
    colors = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    for number, pixels in enumerate(colors):
        path = source / f"class {number}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        PillowImage.fromarray(pixels).save(path)
    (source / "class 0" / "bad.png").write_bytes(b"no image")
    np.save(pool, colors[:, :, :, 0])
    build(source, root, SETTINGS, mixing_set=pool, workers=1, progress=False)
    return root


def contents(root: Path) -> dict[str, bytes]:
    """The bytes of every file by its path in the dataset, but of the card, which users may edit."""
    paths = sorted(path for path in root.rglob("*") if path.is_file() and path.name != CARD)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def seen(root: Path, plane: str) -> tuple[Any, ...]:
    """All that readers see of a plane: pixels, labels and metadata, the rows of the index, and the classes."""
    reader = LayerMixDataset(root, 4, views=plane, fields=FIELDS, remainder="exact", threads=1)
    ((images, labels, facts),) = reader
    shards = open_shards(root)
    rows, classes = shards.query(f"plane = '{plane}'", order_by="key"), shards.manifest.source.classes
    return images.tolist(), labels.tolist(), [list(facts[name]) for name in FIELDS], rows, classes


def _failure(root: Path, name: str, truth: dict[str, tuple[Any, ...]]) -> str | None:
    """What did not hold with one file changed: `verify` names it, and readers see the truth or raise."""
    plane = name.partition("/")[0] if name.endswith(".tar") else PLANES[0]
    try:
        if seen(root, plane) != truth[plane]:
            return "a reader was misled"
    except LayerMixError:
        pass
    except Exception as error:
        return f"a reader ended with {type(error).__name__}: {error}"
    report = open_shards(root).verify(workers=1, progress=False)
    return None if name in report.files else f"verify named {', '.join(report.files) or 'nothing'}"
