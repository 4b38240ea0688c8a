"""Where fresh variants get their mixing set from: the dataset's own, wherever it is by now."""

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layermix_gen import LayerMixOptions
from layermix_gen.dataset.dataset_files import LocalFiles
from layermix_gen.dataset.manifest import Manifest, read_manifest
from layermix_gen.dataset.plan import MixingSetFacts
from layermix_gen.dataset.virtual import found_mixing_set
from layermix_gen.errors import LayerMixError
from layermix_gen.mixing_sets.fractals.render import VERSION
from layermix_gen.mixing_sets.mixing_set import MixingSet, open_mixing_set
from layermix_gen.reading.fresh import fresh_mix
from layermix_gen.reading.fresh.fresh_mix import Mix, method_of, settle_mix
from tests.reading.truth import Truth


@pytest.fixture
def manifest(tiny: Truth) -> Manifest:
    return read_manifest(LocalFiles(tiny.root))


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch, pool: Path) -> list[Any]:
    """What fractals are asked for; the pool stands for them."""
    asked: list[Any] = []

    def resolve(location: Any, size: int, seed: int = 0, **more: Any) -> MixingSet:
        asked.append((location, size, seed, more))
        return open_mixing_set(pool)

    for module in (fresh_mix, found_mixing_set):
        monkeypatch.setattr(module, "resolve_mixing_set", resolve)
    return asked


def settled(manifest: Manifest, given: Any = None, folder: Path | None = None, mix: str = "layermix") -> Mix:
    method = method_of(mix, manifest.settings)
    return settle_mix(*method, given, LocalFiles(folder or manifest.root), manifest, manifest.size)


def moved(manifest: Manifest, location: str, **facts: Any) -> Manifest:
    """The manifest of a dataset whose mixing set is said to be elsewhere."""
    assert isinstance(manifest.mixing_set, MixingSetFacts)
    return replace(manifest, mixing_set=replace(manifest.mixing_set, location=location, **facts))


def test_the_set_of_the_build(manifest: Manifest, pool: Path, tmp_path: Path) -> None:
    assert settled(manifest).identity() == ["layermix", "{}", open_mixing_set(pool).digest]
    assert settled(manifest, mix="augmix").mixing_set is None
    shutil.copy(pool, tmp_path / "mixing-set.npy")
    kept = settled(moved(manifest, "mixing-set.npy"), folder=tmp_path).mixing_set
    assert kept is not None
    assert kept.path == tmp_path / "mixing-set.npy"


def test_another_set(manifest: Manifest, pool: Path) -> None:
    given = MixingSet(np.full((2, 16, 16), 7, np.uint8))
    assert settled(manifest, given).mixing_set is given
    assert settled(manifest, str(pool)).drawing.pictures == len(open_mixing_set(pool))
    with pytest.raises(LayerMixError, match=r"^expected a mixing set of at least 12 px, got 8 px; "):
        settled(manifest, MixingSet(np.zeros((2, 8, 8), np.uint8)))


def test_fractals_are_rendered_again_from_their_seed(manifest: Manifest, rendered: list[Any]) -> None:
    count = manifest.mixing_set.count if manifest.mixing_set else 0
    settled(moved(manifest, f"/nowhere/fractals-v{VERSION}-seed0-{count}x16.npy"))
    settled(replace(manifest, mixing_set=None))  # of a build that needed none
    assert rendered == [(None, 12, 0, {"count": count}), (None, 12, 0, {})]
    with pytest.raises(
        LayerMixError, match=r": nothing is there; from its seed, this machine renders another, [0-9a-f]{12}\.\.\.; "
    ):
        settled(moved(manifest, f"/nowhere/fractals-v{VERSION}-seed0-{count}x16.npy", digest="0" * 64))


def test_a_folder_is_packed_as_the_method_needs_it(manifest: Manifest, rendered: list[Any]) -> None:
    method = method_of(LayerMixOptions(preset="released"), manifest.settings)
    settle_mix(*method, "pictures", LocalFiles(manifest.root), manifest, 12)
    assert rendered == [("pictures", 12, 0, {"color": True})]


@pytest.mark.parametrize("where", ["/nowhere/pictures.npy", "mixing-set.npy", "other"])
def test_a_set_that_is_not_found_is_asked_for_by_name(where: str, manifest: Manifest, tmp_path: Path) -> None:
    if where == "other":
        where = str(tmp_path / "other.npy")
        np.save(where, np.zeros((3, 16, 16), np.uint8))
    digest = manifest.mixing_set.digest[:12] if manifest.mixing_set else ""
    start = re.escape(f"expected the mixing set {where} of the dataset, with the digest {digest}...: ")
    with pytest.raises(LayerMixError, match=f"^{start}.*; restore it, or give mixing_set=$") as raised:
        settled(moved(manifest, where), folder=tmp_path)
    assert "\n" not in str(raised.value)
