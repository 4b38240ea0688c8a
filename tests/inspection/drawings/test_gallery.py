"""The page of a gallery: what is in it, that it is safe, and that it keeps to its budget."""

import base64
import hashlib
import io
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image as PillowImage

from layermix_gen import BuildSettings, Interrupted, LayerMixError, build, open_shards
from layermix_gen.figures import palette
from layermix_gen.figures.palette import HAIRLINE, IMAGE_INK, INK, PAPER, PICTURE_INK, QUIET
from layermix_gen.inspection.drawings import gallery
from layermix_gen.inspection.drawings.gallery import CORNER, page, write_gallery
from layermix_gen.inspection.drawings.steps import steps_of
from layermix_gen.inspection.drawings.tree_layout import laid_out, view_row
from layermix_gen.mixing.recipe import parse

HOSTILE = "</script><img src=x onerror=\"document.title='taken'\"><!--<script>&amp;\u2028'"


class Page(HTMLParser):
    """What a page is made of: its tags with their attributes, and the text of its scripts and its style."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag in ("script", "style"):
            self.texts.append([tag, dict(attributes), ""])

    def handle_endtag(self, tag):
        self.tags.append((f"/{tag}", {}))

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] in ("script", "style"):
            self.texts[-1][2] += data

    def lines(self, name):
        blocks = [text for _, attributes, text in self.texts if attributes.get("data-pictures") == name]
        return [line for block in blocks for line in block.strip().split("\n")]

    @property
    def data(self):
        return next(json.loads(text) for _, attributes, text in self.texts if attributes.get("id") == "data")


def written(shards, path, *question, **options):
    write_gallery(shards, path, *question, progress=False, **options)
    return Page(path.read_text(encoding="utf-8"))


def decoded(line):
    with PillowImage.open(io.BytesIO(base64.b64decode(line, validate=True))) as image:
        assert image.format == "WEBP"
        return np.asarray(image.convert("RGB"))


def test_small_samples_are_in_the_page_as_they_are(squares, tmp_path):
    made = written(squares, tmp_path / "page.html", "layer = 3", "key")
    rows = squares.query("layer = 3", order_by="key")
    assert made.data["columns"]["key"] == [row["key"] for row in rows]
    assert made.data["columns"]["recipe"] == [row["recipe"] for row in rows]
    assert made.data["columns"]["blends"] == [row["blends"] for row in rows]
    assert (made.data["found"], made.data["small"], made.data["unillustrated"]) == (len(rows), True, "")
    assert len(made.lines("thumbnails")) == len(made.lines("steps")) == len(rows)
    for row, thumbnail, strip in zip(rows[:8], made.lines("thumbnails"), made.lines("steps"), strict=False):
        np.testing.assert_array_equal(decoded(thumbnail), squares.pixels(row))
        replay = squares.replay(row)
        expected = [replay.view]
        for step in steps_of(replay.recipe.expression, replay.view, replay.picture).walk():
            expected += [step.pixels] if step.name != "view" else []
            expected += [step.mask] if step.mask is not None else []
        np.testing.assert_array_equal(decoded(strip), np.hstack(expected))


def trees(data):
    """The tree of each sample as the page has it: of each step its name, operands, numbers and place."""
    found = []
    for chosen, numbers in zip(data["trees"]["chosen"], data["trees"]["numbers"], strict=True):
        arrangement, names = data["trees"]["shapes"][chosen]
        places, view = data["trees"]["arrangements"][arrangement]
        steps = zip(names.split(" "), places, numbers.split(","), strict=True)
        found.append(([(name, *place, numbers.split()) for name, place, numbers in steps], view))
    return found


def test_the_page_has_the_steps_of_every_recipe_and_their_places(squares, tmp_path):
    made = written(squares, tmp_path / "page.html", order_by="key")
    rows = squares.query(order_by="key")
    for row, (steps, view) in zip(rows, trees(made.data), strict=True):
        root = laid_out(parse(row["recipe"]))
        nodes = list(root.walk())
        assert [(name, column, y) for name, _, column, y, _ in steps] == [
            (node.expression.name, node.column, node.row) for node in nodes
        ]
        assert [operands for _, operands, *_ in steps] == [
            [nodes.index(one) for one in node.operands] for node in nodes
        ]
        assert view == view_row(root)
        texts = []
        for name, operands, _, _, numbers in steps:
            inside = [*(texts[operand] for operand in operands), *numbers]
            texts.append(f"{name}({', '.join(inside)})" if inside else name)
        assert texts[-1] == row["recipe"]


def test_what_samples_have_in_common_is_in_the_page_once(squares, tmp_path):
    made = written(squares, tmp_path / "page.html").data["trees"]
    assert len(made["chosen"]) == 200
    for name in ("arrangements", "shapes"):
        assert len({json.dumps(one) for one in made[name]}) == len(made[name]) < 200
    assert len(made["arrangements"]) == 4  # clean, and those of three layers


def test_a_recipe_without_the_view_has_no_row_for_it():
    ((steps, view),) = trees({"trees": gallery._trees([{"recipe": "invert(picture)"}])})
    assert (steps, view) == ([("picture", (), 0, 0, []), ("invert", (0,), 1, 0, [])], None)


def test_the_light_page_has_the_colours_of_all_figures(squares, tmp_path):
    made = written(squares, tmp_path / "page.html", limit=1)
    (style,) = (text for tag, _, text in made.texts if tag == "style")
    light = dict(re.findall(r"--(\w+): (#\w+);", style.partition("@media")[0]))
    assert light.items() >= {
        "paper": PAPER, "ink": INK, "quiet": QUIET, "line": HAIRLINE, "accent": IMAGE_INK, "picture": PICTURE_INK,
    }.items()  # fmt: skip
    written_by_hand = gallery._part("gallery.css").lower()
    assert not [colour for colour in vars(palette).values() if isinstance(colour, str) and colour in written_by_hand]


def test_large_samples_are_reduced_and_masks_are_shown_in_part(scenes, tmp_path):
    made = written(scenes, tmp_path / "page.html", "list_contains(blends, 'pixel') AND layer = 2", limit=3)
    row = scenes.query("list_contains(blends, 'pixel') AND layer = 2", limit=1)[0]
    assert decoded(made.lines("thumbnails")[0]).shape == (144, 144, 3)
    strip = decoded(made.lines("steps")[0])
    assert strip.shape == (224, 5 * 224, 3)  # a few samples have room: view, two uses, blend and mask
    replay = scenes.replay(row)
    mask = steps_of(replay.recipe.expression, replay.view).mask[:CORNER, :CORNER]  # type: ignore[index]
    centres = np.rint((np.arange(CORNER) + 0.5) * 224 / CORNER).astype(int)
    shown = strip[:, 4 * 224 :][np.ix_(centres, centres)]
    assert np.mean((shown > 127) == (mask > 127)) > 0.97


def test_the_page_needs_nothing_else(squares, tmp_path):
    made = written(squares, tmp_path / "page.html", limit=5)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:(?!//www\.w3\.org/2000/svg)", text)
    assert {tag for tag, _ in made.tags} & {"iframe", "object", "embed", "base", "img", "form"} <= {"form"}
    assert [attributes["href"] for tag, attributes in made.tags if tag == "link"] == ["data:,"]
    assert not any("src" in attributes or "style" in attributes for _, attributes in made.tags)
    assert not any(name.startswith("on") for _, attributes in made.tags for name in attributes)
    (policy,) = (attributes["content"] for _, attributes in made.tags if "http-equiv" in attributes)
    code = {kind: [text for tag, facts, text in made.texts if tag == kind and "type" not in facts] for kind in
            ("style", "script")}  # fmt: skip
    hashes = {
        kind: base64.b64encode(hashlib.sha256("".join(texts).encode()).digest()).decode()
        for kind, texts in code.items()
    }
    assert policy.split("; ") == [
        "default-src 'none'", "img-src data:", f"style-src 'sha256-{hashes['style']}'",
        f"script-src 'sha256-{hashes['script']}'", "base-uri 'none'", "form-action 'none'",
    ]  # fmt: skip


def test_metadata_stays_text(squares, tmp_path):
    before = written(squares, tmp_path / "page.html", limit=5)
    facts = before.data
    for name in ("source", "class_name", "key", "recipe"):
        facts["columns"][name] = [HOSTILE, "{{script}}", "{{data}}", "\\u003c", "ä猫"]
    facts["question"] = HOSTILE
    text = page(facts, {"thumbnails": before.lines("thumbnails"), "steps": ["", *before.lines("steps")[1:]]})
    after = Page(text)
    assert after.data == facts
    assert [tag for tag, _ in after.tags] == [tag for tag, _ in before.tags]
    assert after.lines("steps")[0] == "-"


def test_steps_end_where_the_budget_does(squares, tmp_path):
    whole = written(squares, tmp_path / "page.html")
    thumbnails, steps = (sum(map(len, whole.lines(name))) for name in ("thumbnails", "steps"))
    made = written(squares, tmp_path / "page.html", budget=thumbnails + steps // 2)
    lines = made.lines("steps")
    kept = lines.index("-")
    assert 0 < kept < len(lines)
    assert set(lines[kept:]) == {"-"}
    assert sum(map(len, lines[:kept])) <= steps // 2
    assert made.data["unillustrated"] == f"Steps as text: the pictures in this page end with the first {kept} samples."
    with pytest.raises(LayerMixError, match=r"of at most 0\.01 MB, got more from 200 samples; set --limit to \d+"):
        written(squares, tmp_path / "other.html", budget=10_000)
    assert not (tmp_path / "other.html").exists()


def test_steps_of_many_large_samples_are_smaller(scenes, tmp_path):
    whole = written(scenes, tmp_path / "page.html", limit=12)
    room = sum(map(len, whole.lines("steps")))
    budget = sum(map(len, whole.lines("thumbnails"))) + room // 3
    made = written(scenes, tmp_path / "page.html", limit=12, budget=budget)
    sides = {len(decoded(line)) for line in made.lines("steps")}
    assert len(sides) == 1
    assert sides < {160, 112, 80}


def test_without_the_source_images_the_steps_are_text(tmp_path, digits, pool):
    source = shutil.copytree(digits, tmp_path / "digits")
    gallery_of = build_small(tmp_path / "shards", source, pool)
    shutil.rmtree(source)
    made = written(gallery_of, tmp_path / "page.html")
    assert set(made.lines("steps")) == {"-"}
    assert made.data["unillustrated"].startswith("Steps as text: samples cannot be rendered again without their source")
    assert "-" not in made.lines("thumbnails")


def build_small(root, source, pool):
    build(source, root, BuildSettings(variants=1), mixing_set=pool, workers=1, progress=False)
    return open_shards(root)


def test_a_limit_is_told(squares, tmp_path):
    data = written(squares, tmp_path / "page.html", "layer > 0", limit=7).data
    assert (data["found"], len(data["columns"]["key"]), data["question"]) == (160, 7, "layer > 0")


def test_refusals(squares, tmp_path, monkeypatch):
    with pytest.raises(LayerMixError, match="none meets 'layer = 9'"):
        write_gallery(squares, tmp_path / "page.html", "layer = 9")
    with pytest.raises(LayerMixError, match=r"cannot write .*: no such file or directory; give another path"):
        write_gallery(squares, tmp_path / "no" / "page.html", limit=1, progress=False)

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(gallery, "replayed", stopped)
    with pytest.raises(Interrupted, match="run the same command"):
        write_gallery(squares, tmp_path / "page.html", progress=False)
    assert list(tmp_path.iterdir()) == []


def test_samples_of_a_page_are_drawn_at_random_by_a_seed(squares, tmp_path):
    pages = [written(squares, tmp_path / "page.html", "layer = 3", sample=7, seed=seed).data for seed in (2, 2, 3)]
    keys = [page["columns"]["key"] for page in pages]
    assert keys[0] == keys[1] != keys[2]
    assert (len(keys[0]), pages[0]["found"], pages[0]["first"]) == (7, squares.count("layer = 3"), False)
    assert written(squares, tmp_path / "page.html", "layer = 3", limit=7).data["first"]
