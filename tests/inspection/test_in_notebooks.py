"""What notebooks show of the package's objects: one line as text, and small HTML without markup from the data."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from layermix_gen import BuildSettings, LayerMixDataset, MixingSet, build, estimate, open_shards, parse
from layermix_gen.building.planning import plan
from layermix_gen.evaluate import make_report
from layermix_gen.inspection.shards import SHOWN, Shards
from layermix_gen.mixing.methods import METHODS
from layermix_gen.mixing.recipe import Call, Leaf
from layermix_gen.support.seeds import generator
from tests.evaluate.made_results import make_results
from tests.helpers import elements
from tests.inspection.built import Built

CLASS = "<b onclick='x'>&\"cat"


def texts(html: str, tag: str = "pre") -> str:
    return "\n".join(element.text or "" for element in elements(html) if element.tag == tag)


def test_a_dataset_shows_facts_and_one_image_in_all_planes(small: Built) -> None:
    shards = small.open()
    assert repr(shards) == f"<Shards at {small.root}>"
    html = shards._repr_html_()
    assert texts(html) == shards.summary().facts
    pictures = [element for element in elements(html) if element.tag == "img"]
    rows = [shards.row(str(one.get("title")).split()[0]) for one in pictures]
    assert [row["plane"] for row in rows] == ["clean", "v00", "v01"]
    assert len({row["source"] for row in rows}) == 1
    for row, picture in zip(rows, pictures, strict=True):
        data = base64.b64decode(str(picture.get("src")).partition(",")[2])
        with PillowImage.open(io.BytesIO(data)) as image:
            assert (np.asarray(image) == shards.pixels(row)).all()


def test_large_samples_take_a_few_kilobytes_each(scenes: Shards) -> None:
    assert len(scenes._repr_html_()) < 2000 + SHOWN * 15_000


def test_a_dataset_that_cannot_be_read_shows_why(damaged: Path) -> None:
    (damaged / "dataset.json").unlink()
    assert "it is not finished: run its build again" in texts(open_shards(damaged)._repr_html_())


def test_a_damaged_image_shows_why(damaged: Path) -> None:
    (damaged / "v00" / "000000.tar").write_bytes(b"")
    html = open_shards(damaged)._repr_html_()
    assert "is not as it was built" in texts(html)
    assert [element.tag for element in elements(html)].count("img") == 1  # of the plane before


def test_names_of_classes_are_no_markup(photographs: Path, pool: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in (CLASS, "dog"):
        (source / name).mkdir(parents=True)
        PillowImage.new("RGB", (32, 32)).save(source / name / "<i>.png")
    manifest = build(source, tmp_path / "out", BuildSettings(variants=1), mixing_set=pool, workers=1, progress=False)
    shards = open_shards(tmp_path / "out")
    for one in (manifest, shards, shards.summary(), LayerMixDataset(tmp_path / "out", 2)):
        tags = {element.tag for element in elements(one._repr_html_())}
        assert tags <= {"div", "pre", "img"}
    titles = [str(element.get("title")) for element in elements(shards._repr_html_()) if element.tag == "img"]
    assert any(CLASS in title or "dog" in title for title in titles)


def test_a_build_shows_its_report(small: Built, photographs: Path, pool: Path, tmp_path: Path) -> None:
    manifest = small.manifest
    assert repr(manifest) == f"<Manifest of {small.root}: 72 images in 3 planes, digest {manifest.digest[:12]}>"
    assert texts(manifest._repr_html_()) == manifest.summary()
    settings = BuildSettings(variants=1, size=32)
    planned = plan(photographs, tmp_path / "out", settings, mixing_set=pool, progress=False)
    assert repr(planned) == f"<Planned at {tmp_path / 'out'}: 1 shard>"
    assert texts(planned._repr_html_()) == planned.summary()
    guess = estimate(photographs, tmp_path / "other", settings, mixing_set=pool, workers=1, progress=False)
    assert texts(guess._repr_html_()) == guess.summary()


def test_verification_and_repair(damaged: Path) -> None:
    shards = open_shards(damaged)
    (damaged / "_info.json").unlink()
    report = shards.verify(workers=1, progress=False)
    assert repr(report) == f"<VerificationReport of {damaged}: 1 problem>"
    assert texts(report._repr_html_()) == str(report)
    repaired = shards.repair(workers=1, progress=False)
    assert repr(repaired) == f"<Repair of {damaged}: 1 file mended, 0 left>"
    assert texts(repaired._repr_html_()) == str(repaired)


def test_a_reader_shows_what_it_reads(small: Built) -> None:
    ds = LayerMixDataset(small.root, 8, where="layer > 0", seed=3)
    ds.set_epoch(2)
    assert repr(ds) == "<LayerMixDataset of 24 images in batches of 8, epoch 2>"
    shown = texts(ds._repr_html_())
    for fact in (
        "24; the dataset has 4 classes",
        "3 of 8, on rank 0 of 1",
        "variant of v00 v01",
        "layer > 0",
        "seed 3",
    ):
        assert fact in shown
    assert repr(ds.in_memory()) == "<InMemoryDataset of 24 images in batches of 8, epoch 0>"
    assert "lower batch_size" in texts(LayerMixDataset(small.root, 25)._repr_html_())


def test_a_mixing_set_shows_a_few_pictures(pool: Path) -> None:
    gray = MixingSet(np.load(pool))
    assert repr(gray) == "<MixingSet of 6 pictures, 40 px, gray, in memory>"
    colour = MixingSet(np.zeros((20, 8, 8, 3), np.uint8))
    assert repr(colour) == "<MixingSet of 20 pictures, 8 px, colour, in memory>"
    for one, count in ((gray, 6), (colour, 8)):
        assert [element.tag for element in elements(one._repr_html_())].count("img") == count


@pytest.mark.parametrize("method", list(METHODS))
def test_the_text_of_a_recipe_makes_it_again(method: str) -> None:
    drawing = BuildSettings(method=method, size=32).drawing(pictures=10, picture_size=36)
    recipe = METHODS[method].draw(generator(0, "a", 0), drawing)
    assert repr(recipe.expression) == f"parse({str(recipe.expression)!r})"
    assert eval(repr(recipe.expression), {"parse": parse}) == recipe.expression  # noqa: S307
    html = recipe._repr_html_()
    assert method in (elements(html)[1].text or "")
    assert texts(html) == str(recipe.expression)
    names = texts(html, "{http://www.w3.org/2000/svg}text").split("\n")
    assert "image" in names


def test_what_is_no_recipe_has_a_text_too() -> None:
    wrong = Call("rotate", None, (Call("x", (Leaf("y"),)),))  # type: ignore[arg-type]
    assert repr(wrong) == "('rotate', None, (('x', (('y',),), ()),))"


def test_a_report_is_a_table_with_the_best_in_bold(tmp_path: Path) -> None:
    make_results(tmp_path / "a <i>", skill=3.0)
    make_results(tmp_path / "b", skill=1.0, seed=1)
    report = make_report([tmp_path / "a <i>", tmp_path / "b"])
    assert repr(report) == "<Report of a <i>, b>"
    assert repr(report.runs[1]).startswith("<Measured b: clean_error, ")
    html = report._repr_html_()
    found = elements(html)
    assert {element.tag for element in found} == {"div", "pre", "table", "thead", "tr", "th", "td", "b"}
    assert {"a <i>", "b"} <= {element.text for element in found if element.tag in ("td", "th")}
    cells = [cell for table in report.tables for _, cells in table.rows for cell in cells]
    assert [element.text for element in found if element.tag == "b"] == [cell.text for cell in cells if cell.best]
