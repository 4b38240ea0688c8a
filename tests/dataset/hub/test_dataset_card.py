"""The dataset card: YAML that the Hub can read, a text that holds no markup from the data, and nobody's own is lost."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from layermix_gen import BuildSettings, LayerMixError, Manifest, build, open_shards
from layermix_gen.dataset.dataset_files import open_files
from layermix_gen.dataset.hub.dataset_card import MARK, NAMED, card
from layermix_gen.dataset.names import CARD
from layermix_gen.dataset.outlets.object_store import ObjectStore
from tests.helpers import invoke
from tests.inspection.built import Built
from tests.servers import stored_at


def front(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return found


def with_classes(manifest: Manifest, *names: str) -> Manifest:
    return replace(manifest, source=replace(manifest.source, classes=names))


def test_the_yaml_has_a_configuration_for_each_plane(small: Built) -> None:
    found = front(card(small.manifest))
    paths = {one["config_name"]: one["data_files"] for one in found["configs"]}
    assert paths == {
        name: [{"split": "train", "path": f"{pattern}/*.tar"}]
        for name, pattern in {"variants": "v[0-9][0-9]", "clean": "clean", "v00": "v00", "v01": "v01"}.items()
    }
    assert [one["config_name"] for one in found["configs"] if one.get("default")] == ["variants"]
    assert found["size_categories"] == ["n<1K"]
    assert "license" not in found  # not ours to say


@pytest.mark.parametrize(("images", "category"), [(999, "n<1K"), (1000, "1K<n<10K"), (5 * 10**6, "1M<n<10M")])
def test_sizes_are_the_hubs(small: Built, images: int, category: str) -> None:
    assert front(card(replace(small.manifest, images=images)))["size_categories"] == [category]


def test_it_says_what_is_there_and_not_where_the_source_was(small: Built) -> None:
    text = card(small.manifest)
    for fact in ("24 images of 32 px", "72: 24 in each plane", "`chelsea`", "`png`", small.manifest.digest):
        assert fact in text
    for fact in ("1 image that could not be read", "6 pictures of 40 px", "3, each of 3 tars", "ahmad2025layermix"):
        assert fact in text
    assert str(small.source) not in text
    assert str(small.root) not in text


def test_of_another_method(digits: Path, pool: Path, tmp_path: Path) -> None:
    settings = BuildSettings(variants=1, method="mixup", clean=False)
    text = card(build(digits, tmp_path, settings, workers=1, progress=False))
    assert "# Images with mixup variants" in text
    assert "`label2` and `label_weight`" in text
    assert 'LayerMixDataset("FOLDER", 256, soft_labels=True)' in text
    assert "bibtex" not in text


def test_names_of_classes_stay_code(small: Built) -> None:
    hostile = ("<script>", "a`b``c", "`", "x|y", "line\nbreak\x1b", "---")
    text = card(with_classes(small.manifest, *hostile))
    row = next(line for line in text.splitlines() if line.startswith("| classes"))
    for shown in ("`<script>`", "```a`b``c```", "`` ` ``", "`x\\|y`", "`line\\nbreak\\x1b`", "`---`"):
        assert shown in row
    assert front(text)["configs"]
    many = card(with_classes(small.manifest, *(f"class {number}" for number in range(1000))))
    assert "| classes | 1000: `class 0`" in many
    assert f"`class {NAMED - 1}`, ... |" in many


def test_the_command_writes_what_a_build_writes(damaged: Path) -> None:
    written = (damaged / CARD).read_text()
    (damaged / CARD).unlink()
    result = invoke("card", damaged)
    assert (result.exit_code, result.stdout) == (0, f"{damaged / CARD}\n")
    assert (damaged / CARD).read_text() == written
    (damaged / CARD).write_text(f"---\n{MARK}\n---\nan older card")
    open_shards(damaged).card()
    assert (damaged / CARD).read_text() == written


def test_an_edited_card_is_kept(damaged: Path, tmp_path: Path) -> None:
    (damaged / CARD).write_text("---\nlicense: mit\n---\nmine")
    with pytest.raises(LayerMixError, match=rf"^expected no README.md in {damaged} but one that layermix-gen wrote"):
        open_shards(damaged).card()
    assert (damaged / CARD).read_text() == "---\nlicense: mit\n---\nmine"
    assert invoke("card", damaged, "--out", tmp_path / "card.md").exit_code == 0
    assert front((tmp_path / "card.md").read_text())["tags"] == ["webdataset", "layermix-gen"]


def test_in_an_object_store(photographs: Path, pool: Path, tmp_path: Path) -> None:
    """Builds write it there, and keep one that was edited; the command writes it to a file."""
    with stored_at() as (url, _):
        settings = BuildSettings(variants=1, size=32)
        build(photographs, url, settings, mixing_set=pool, workers=1, progress=False)
        store, files = ObjectStore(url), open_files(url)
        with pytest.raises(LayerMixError, match=r"^expected a file to write the card of s3://.* got none; give --out$"):
            open_shards(url).card()
        written = open_shards(url).card(tmp_path / "card.md").read_text()
        assert files.text(CARD) == written
        assert re.findall("config_name: (v0.)", written) == ["v00"]
        mine = "---\nlicense: mit\n---\nmine"
        store.write(CARD, mine.encode())
        build(photographs, url, replace(settings, variants=2), mixing_set=pool, workers=1, progress=False)
        assert files.text(CARD) == mine
        assert open_shards(url).manifest.planes == ("clean", "v00", "v01")
