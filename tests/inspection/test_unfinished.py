"""How far a build is: which shards and partitions lack what, at which pace, in folders and in object stores."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from layermix_gen import LayerMixError, open_shards
from layermix_gen.dataset.outlets.leases import Claim, Lease
from layermix_gen.dataset.outlets.object_store import ObjectStore
from layermix_gen.inspection import unfinished
from layermix_gen.support.locks import in_turn
from tests.helpers import invoke
from tests.servers import objects, stored_at, web_server

SHARDS = 6  # of 24 inputs, in 2 planes


def part(photographs: Path, pool: Path, out: Path | str, partition: str) -> str:
    """Build a partition; return what is printed."""
    options = ("--mixing-set", pool, "--size", 32, "--variants", 1, "--shard-size", 4, "--workers", 1)
    result = invoke("build", photographs, out, *options, "--partition", partition)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def out(photographs: Path, pool: Path, tmp_path: Path) -> Path:
    """A dataset of which one partition of three is built, by shards that were finished 10 s apart, the last one now."""
    out = tmp_path / "out"
    part(photographs, pool, out, "1/3")
    now = (out / "index" / "000004.parquet").stat().st_mtime
    os.utime(out / "index" / "000001.parquet", (now - 10, now - 10))
    return out


def told(stdout: str) -> dict[str, str]:
    """What is printed, by the names of its rows."""
    return {name: text for name, _, text in (line.partition("  ") for line in stdout.splitlines())}


def test_a_folder(out: Path) -> None:
    result = invoke("inspect", out)
    rows = {name: text.strip() for name, text in told(result.stdout).items()}
    assert (result.exit_code, result.stderr) == (0, "")
    assert rows["dataset"] == f"{out} is not finished"
    assert rows["inputs"] == "8 of 24 (33%) so far = 8 written + 0 skipped"
    assert rows["shards"].startswith("2 of 6, 16 images, ")
    assert rows["missing"] == "0,2-3,5"
    assert rows["pace"].startswith("1 images/s over the last 2 shards; the last one was finished ")
    assert rows["time left"] == "40 s, if it goes on like that"
    assert rows["next"] == "the same command as before, or build-planned after plan, builds what is missing"
    assert not {"digest", "partitions"} & rows.keys()


def test_partitions(out: Path, photographs: Path, pool: Path) -> None:
    given = invoke("inspect", out, "--jobs", 3).stdout
    assert "0/3 lacks 2 of 2 shards: 0,3; 2/3 lacks 2 of 2 shards: 2,5\n" in given
    assert "the same jobs as before build what is missing: 0,2 of 3\n" in given
    with in_turn(out, (0, 3), lambda: None):  # a job at work
        assert told(invoke("inspect", out).stdout)["partitions"] == told(given)["partitions"]
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    invoke("inspect", out)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    (out / "v00" / "000001.tar").unlink()  # without it, its shard is not finished
    assert open_shards(out).build_state().missing == (0, 1, 2, 3, 5)
    with pytest.raises(LayerMixError, match=r"^jobs must be"):
        open_shards(out).build_state(0)


def test_a_partition_tells_what_it_did_of_what(out: Path, photographs: Path, pool: Path) -> None:
    rows = told(part(photographs, pool, out, "0/3"))
    assert rows["partition"].strip() == "0/3: 2 of 2 shards finished"
    assert rows["inputs"].strip() == "16 of 24 (66%) so far = 16 written + 0 skipped"
    assert "digest" not in rows
    assert "is not complete yet" in rows["dataset"]
    last = told(part(photographs, pool, out, "2/3"))
    assert (last["inputs"].strip(), "digest" in last) == ("24 = 24 written + 0 skipped", True)
    (out / "dataset.json").unlink()
    assert "all shards are there: layermix-gen finish " in invoke("inspect", out).stdout
    assert "missing" not in invoke("inspect", out).stdout


def test_planes_that_are_added_before_the_end(out: Path, photographs: Path, pool: Path) -> None:
    """A shard without a plane of the plan is not finished, though it has an index."""
    options = ("--mixing-set", pool, "--size", 32, "--variants", 2, "--shard-size", 4, "--workers", 1)
    assert invoke("build", photographs, out, *options, "--partition", "0/3").exit_code == 0
    state = open_shards(out).build_state()
    assert (state.missing, state.made.planes) == ((1, 2, 4, 5), ("clean", "v00", "v01"))


def test_planes_that_are_added_to_a_finished_dataset(out: Path, photographs: Path, pool: Path) -> None:
    options = ("--mixing-set", pool, "--size", 32, "--shard-size", 4, "--workers", 1)

    def summary(location: Path | str) -> dict[str, str]:
        result = invoke("inspect", location)
        assert (result.exit_code, result.stderr) == (0, "")
        return {name: text.strip() for name, text in told(result.stdout.partition("\n\n")[0]).items()}

    assert invoke("build", photographs, out, *options, "--variants", 1).exit_code == 0
    assert "adding" not in summary(out)
    assert invoke("build", photographs, out, *options, "--variants", 3, "--partition", "1/3").exit_code == 0
    now = (out / "index" / "000004.parquet").stat().st_mtime
    os.utime(out / "index" / "000001.parquet", (now - 10, now - 10))
    rows = summary(out)
    assert rows["images"] == "48: 24 in 2 planes (clean v00)"  # what is finished stays
    assert (rows["adding"], rows["missing"]) == ("v01 v02: 2 of 6 shards have them", "0,2-3,5")
    assert rows["pace"].startswith("1 images/s over the last 2 shards; ")  # 8 images of the new planes in 10 s
    assert rows["time left"] == "40 s, if it goes on like that"
    assert rows["next"] == "the same command as before, or build-planned after plan, builds what is missing"
    adding = open_shards(out).summary().as_dict()["adding"]
    assert (adding["planes"], adding["missing"], adding["shards"]) == (["v01", "v02"], [0, 2, 3, 5], 6)
    with web_server(out) as (url, _):
        rows = summary(url)
    assert rows["adding"] == "v01 v02; a web server cannot tell how many shards have them"
    assert not {"missing", "pace", "next"} & rows.keys()
    (out / "index" / "000001.parquet").write_bytes(b"damaged")
    assert re.match("v01 v02; .*000001.parquet", summary(out)["adding"])


@pytest.mark.parametrize(
    ("times", "now", "rate", "shards", "goes_on"),
    [
        ([], 0, None, 0, False),
        ([100], 130, None, 1, True),  # a single shard has no rate
        ([100], 161, None, 1, False),
        ([100, 100], 100, None, 2, True),  # by a clock of whole seconds
        ([100, 110, 120], 125, 0.8, 3, True),
        ([120, 100, 110], 125, 0.8, 3, True),  # in whatever order
        ([100, 110, 120], 221, 0.8, 3, False),  # ten times as long as usual
        ([0, 10, 20, 9000, 9010, 9020], 9020, 0.8, 3, True),  # since the interruption
        ([100, 110], 90, 0.8, 2, True),  # by a clock that is ahead
    ],
)
def test_the_pace(times: list[float], now: float, rate: float | None, shards: int, goes_on: bool) -> None:
    pace = unfinished.pace_of(dict.fromkeys(range(len(times)), 8), dict(enumerate(times)), now)
    if not times:
        assert pace is None
        return
    assert pace is not None
    assert (pace.images_per_second, pace.shards, pace.goes_on) == (rate, shards, goes_on)
    assert pace.seconds_since_last >= 0


def test_the_pace_is_that_of_the_last_shards() -> None:
    times = {number: float(number if number < 1000 else 1000 + 2 * (number - 1000)) for number in range(1100)}
    pace = unfinished.pace_of(dict.fromkeys(times, 8), times, times[1099])
    assert pace is not None
    assert (pace.images_per_second, pace.shards) == (4, unfinished.RECENT)


@pytest.fixture
def store() -> Iterator[str]:
    with stored_at() as (url, _):
        yield f"{url}/out"


def test_an_object_store(store: str, photographs: Path, pool: Path) -> None:
    part(photographs, pool, store, "2/3")
    lease = Lease(ObjectStore(store))
    assert lease.take(Claim("ab", 1, 3)) == []  # a job at work
    before = objects(store)
    try:
        result = invoke("inspect", store)
    finally:
        lease.drop()
    rows = {name: text.strip() for name, text in told(result.stdout).items()}
    assert (result.exit_code, result.stderr) == (0, "")
    assert rows["dataset"] == f"{store} is not finished"
    assert (rows["missing"], rows["shards"][:7]) == ("0-1,3-4", "2 of 6,")
    assert rows["partitions"] == "0/3 lacks 2 of 2 shards: 0,3; 1/3 lacks 2 of 2 shards: 1,4"
    assert "the last one was finished" in rows["pace"]
    assert objects(store).keys() == {name for name in before if not name.startswith(".lease")}


def test_what_is_no_build(out: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = invoke("inspect", tmp_path / "empty")
    assert result.stderr == f"Error: expected a dataset at {tmp_path}/empty, found no plan.json; check the path\n"
    with web_server(out) as (url, _):
        result = invoke("inspect", url)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith(f"Error: expected a finished dataset at {url}, which a web server cannot tell ")
