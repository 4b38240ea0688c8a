"""Listings: every input once, in an order that seed and ids alone decide, the same bytes everywhere, read in part."""

import hashlib
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layermix_gen.dataset.listings import listing as listings
from layermix_gen.dataset.listings.listing import Listing, check_items, excerpt, list_items, read_items
from layermix_gen.errors import LayerMixError
from layermix_gen.sources import Item
from layermix_gen.support.files import file_digest

MANY = [Item(f"class {i % 7}/{i:05d}.png", i % 7 - 1, i, (), str(10**18 + i)) for i in range(40_000)]
IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
PLACES = st.lists(st.integers(-(2**63), 2**63 - 1) | IDS, max_size=3).map(tuple)
ITEMS = st.builds(Item, IDS, st.integers(-1, 10**6), st.integers(0, 2**62), PLACES, IDS)


@pytest.fixture(scope="module")
def many() -> Listing:
    return list_items(MANY, 0)


def key(seed: int, source_id: str) -> int:
    """What inputs are sorted by, by a second route."""
    return int.from_bytes(hashlib.md5(f"{seed}\n{source_id}".encode()).digest()[8:], "little")  # noqa: S324


def test_the_order_depends_on_seed_and_ids_alone(many: Listing) -> None:
    shuffled = random.Random(0).sample(MANY, len(MANY))  # noqa: S311
    assert list_items(shuffled, 0).sha256 == many.sha256
    assert [item.id for item in many] == sorted((item.id for item in MANY), key=lambda one: key(0, one))
    other = list_items(MANY, 1)
    assert other.digest == many.digest
    assert [item.id for item in other[:50]] != [item.id for item in many[:50]]
    labels = Counter(item.label for item in many[:700])
    assert min(labels.values()) > 70  # no class is far from its share of 100


def test_another_input_moves_no_other(many: Listing) -> None:
    more = [item.id for item in list_items([*MANY, Item("new.png", 0, 1)], 0)]
    more.remove("new.png")
    assert more == [item.id for item in many]


@settings(max_examples=20, deadline=None)
@given(st.lists(ITEMS, min_size=1, max_size=20, unique_by=lambda item: item.id), st.integers(0, 2**63 - 1))
def test_items_come_back_as_they_were(items: list[Item], seed: int) -> None:
    listed = list_items(items, seed)
    found = sorted(listed, key=lambda item: item.id)
    wanted = sorted(items, key=lambda item: item.id)
    assert found == wanted
    assert [item.version for item in found] == [item.version for item in wanted]  # which does not count in comparisons
    assert listed.labels == Counter(item.label for item in items)
    check_items(listed.path, seed, len(items), listed.digest)


def test_a_known_listing_is_copied_if_nothing_differs(many: Listing, tmp_path: Path) -> None:
    """Its bytes are what they would be; one mark in them shows that it was the copy that was taken."""
    marked = tmp_path / "marked.parquet"
    with duckdb.connect() as db:  # the same rows in other bytes
        db.read_parquet(str(many.path)).order("number").write_parquet(str(marked))
    assert list_items(MANY, 0, known=many.path).sha256 == many.sha256 != file_digest(marked)
    assert list_items(MANY[::-1], 0, known=marked).sha256 == file_digest(marked)
    first = MANY[0]
    others = [
        replace(first, id="new.png"),
        replace(first, label=3),
        replace(first, size=1),
        replace(first, at=(1,)),
        replace(first, version="1"),
    ]
    for other in others:
        items = [other, *MANY[1:]]
        assert list_items(items, 0, known=marked).sha256 == list_items(items, 0).sha256 != many.sha256
    assert len(list_items(MANY[1:], 0, known=marked)) == len(MANY) - 1


def test_a_listing_is_a_sequence(many: Listing) -> None:
    everything = list(many)
    assert len(many) == len(everything) == len(set(everything)) == len(MANY)
    assert (many[0], many[-1], many[16_384]) == (everything[0], everything[-1], everything[16_384])
    for part in (
        slice(5),
        slice(16_380, 16_390),
        slice(-3, None),
        slice(None, None, 9973),
        slice(7, 3),
        slice(9, 3, -2),
    ):
        assert many[part] == everything[part], part
    with pytest.raises(IndexError):
        many[len(MANY)]


def test_labels_are_counted_in_part(many: Listing) -> None:
    assert many.labels_between(100, 20_000) == Counter(item.label for item in many[100:20_000])
    some = many[::1000]
    assert many.labels_of([item.id for item in some]) == Counter(item.label for item in some)
    assert many.labels_of([]) == Counter()


def test_a_few_from_all_over_the_source_whatever_the_seed(many: Listing) -> None:
    few = many.spread(64)
    assert few == list_items(MANY, 5).spread(64) == sorted(few, key=lambda item: item.id)
    assert {item.label for item in few} == {-1, 0, 1, 2, 3, 4, 5}
    numbers = [int(item.id[-9:-4]) for item in few]
    assert all(any(start <= number < start + 10_000 for number in numbers) for start in range(0, 40_000, 10_000))


def test_an_excerpt_is_a_listing_of_some_inputs(many: Listing, tmp_path: Path) -> None:
    path = tmp_path / "excerpt.parquet"
    path.write_bytes(excerpt(many.path, 16_380, 16_390))
    assert path.stat().st_size < 4096
    assert list(read_items(path, 16_380, 16_390)) == many[16_380:16_390]
    with pytest.raises(LayerMixError, match=r"^sources\.parquet is damaged at input 16390"):
        list(read_items(path, 16_380, 16_391))


def test_a_shard_is_read_by_its_row_groups_alone(many: Listing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what lies in other row groups, nothing is read: it may be destroyed."""
    with duckdb.connect() as db:
        facts = (
            "SELECT row_group_id, min(data_page_offset), max(row_group_num_rows) FROM parquet_metadata(?) GROUP BY 1"
        )
        groups = db.execute(f"{facts} ORDER BY 1", [str(many.path)]).fetchall()
    assert [rows for _, _, rows in groups] == [16_384, 16_384, len(MANY) - 2 * 16_384]
    path = many.path.with_name("damaged.parquet")
    content = bytearray(many.path.read_bytes())
    content[groups[1][1] : groups[2][1]] = bytes(groups[2][1] - groups[1][1])
    path.write_bytes(content)
    assert list(read_items(path, 100, 16_384)) == many[100:16_384]
    with pytest.raises(LayerMixError, match=r"^sources\.parquet is damaged .*; delete it and run the same command to"):
        list(read_items(path, 100, 16_385))


def rewritten(many: Listing, folder: Path, change: str) -> Path:
    """A copy of the first rows of a listing, changed by SQL."""
    path = folder / "sources.parquet"
    with duckdb.connect() as db:
        db.execute("CREATE TABLE t AS FROM read_parquet(?) LIMIT 10", [str(many.path)])
        db.execute(change)
        db.execute(f"COPY (FROM t ORDER BY number) TO '{path}' (FORMAT parquet)")
    return path


DAMAGES = {
    "no id": ("UPDATE t SET id = NULL WHERE number = 2", "damaged at input 2; "),
    "an id that is too long": (
        "UPDATE t SET id = repeat('x', 5000) WHERE number = 2",
        "damaged at ",
    ),
    "a size below 0": ("UPDATE t SET size = -1 WHERE number = 3", "damaged at input 3; "),
    "a place that is no list": (
        "UPDATE t SET place = '{}' WHERE number = 4",
        "damaged at input 4; ",
    ),
    "a place of lists": ("UPDATE t SET place = '[[]]' WHERE number = 4", "damaged at input 4; "),
    "a place that is no JSON": ("UPDATE t SET place = '[' WHERE number = 4", "damaged at input 4; "),
    "a missing row": ("DELETE FROM t WHERE number = 5", "damaged at input 5; "),
    "missing last rows": ("DELETE FROM t WHERE number > 7", "damaged at input 8; "),
    "a row twice": ("UPDATE t SET number = 5 WHERE number = 6", "damaged at input 6; "),
    "a label that is text": ("ALTER TABLE t ALTER label TYPE VARCHAR", "damaged at input 0; "),
    "no column for sizes": ("ALTER TABLE t DROP size", "damaged (Binder Error: "),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_named(name: str, many: Listing, tmp_path: Path) -> None:
    change, said = DAMAGES[name]
    path = rewritten(many, tmp_path, change)
    with pytest.raises(LayerMixError) as caught:
        list(read_items(path, 0, 10))
    assert str(caught.value).startswith(f"sources.parquet is {said}")
    assert str(caught.value).endswith("; delete it and run the same command to write it again")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"x" * 5000])
def test_what_is_no_parquet_is_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "sources.parquet").write_bytes(content)
    with pytest.raises(LayerMixError, match=r"^sources\.parquet is damaged \(.*; delete it and run"):
        list(read_items(tmp_path / "sources.parquet", 0, 1))
    with pytest.raises(FileNotFoundError):
        list(read_items(tmp_path / "missing", 0, 1))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE t SET label = 9 WHERE number = 2", "not those of the plan"),
        ("UPDATE t SET size = 9 WHERE number = 2", "not those of the plan"),
        ("UPDATE t SET id = 'x' WHERE number = 2", "not those of the plan"),
        ("DELETE FROM t WHERE number = 2", "not those of the plan"),
        ("INSERT INTO t FROM t WHERE number = 2", "not those of the plan"),
        (
            "UPDATE t SET number = 5 - number WHERE number IN (2, 3)",
            "in another order than that of the plan",
        ),
        ("UPDATE t SET number = number + 1", "in another order than that of the plan"),
    ],
)
def test_other_inputs_are_found(change: str, said: str, many: Listing, tmp_path: Path) -> None:
    ten = list_items(many[:10], 0)
    path = rewritten(ten, tmp_path, "SELECT 1")
    check_items(path, 0, 10, ten.digest)
    with pytest.raises(LayerMixError, match=f"^its inputs are {said}$"):
        check_items(rewritten(ten, tmp_path, change), 0, 10, ten.digest)


def test_versions_and_places_are_not_in_the_digest() -> None:
    one, other = Item("a", 0, 1, (), "1"), Item("a", 0, 1, ("x", 5), "2")
    assert list_items([one], 0).digest == list_items([other], 0).digest
    assert list_items([one], 0).sha256 != list_items([other], 0).sha256


def test_the_temporary_folder_goes_with_the_listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    listed = list_items(MANY[:3], 0)
    assert listed.path.is_file()
    assert listed.path.is_relative_to(tmp_path)
    del listed
    assert not list(tmp_path.iterdir())


def test_an_error_of_the_source_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing() -> Iterator[Item]:
        yield MANY[0]
        raise LayerMixError("it is gone")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(LayerMixError, match=r"^it is gone$"):
        list_items(failing(), 0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("count", "memory"), [(30_000, "10MB"), (80_000, "40MB")])
def test_memory_is_bounded(count: int, memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit is sorted on disk; where DuckDB needs more for that, it gets more."""
    monkeypatch.setattr(listings, "MEMORY", memory)
    wide = (Item(f"{number:06d}", 0, number, ("x" * 200 + str(number * 7919 % 99_991),)) for number in range(count))
    listed = list_items(wide, 0)
    assert len(listed) == count
    keys = [key(0, item.id) for item in listed[::100]]
    assert keys == sorted(keys)
