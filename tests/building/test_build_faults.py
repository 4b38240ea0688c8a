"""Faults of builds: one line, the right exit status, nothing unfinished that looks finished, and a run that resumes."""

import json
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from layermix_gen import LayerMixError, MixingSet
from layermix_gen import build as build_in_python
from layermix_gen.building import request
from layermix_gen.mixing.methods import METHODS
from layermix_gen.mixing.operations import OPERATIONS
from layermix_gen.sources import KINDS
from layermix_gen.support.processes import memory_errors
from tests.helpers import (
    alive,
    build,
    children,
    digest,
    errors,
    files,
    invoke,
    manifest,
    members,
    snapshot,
    start,
    stopped_in_the_midst,
    wait_until,
    without_start,
)

QUICK = ("--size", 8, "--method", "none", "--variants", 1)


def fails(*arguments: object, status: int = 1) -> str:
    """Run the command in this process; it has to fail with one line, which is returned."""
    result = invoke(*arguments)
    assert result.exit_code == status, result.output
    assert not result.stdout
    (line,) = (
        without_start(result.stderr).splitlines()[-1:] if status == 2 else without_start(result.stderr).splitlines()
    )
    return line.removeprefix("Error: ")


# --- bad input -------------------------------------------------------------------------------------------------------


def huge_png() -> bytes:
    """A PNG of 100 bytes that claims to be of 60000x60000 pixels."""
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    framed = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def spoil(source: Path) -> dict[str, str]:
    """Put one bad input of each kind into a folder; return the reason for each, or how it begins."""
    folder = source / "coffee"
    png, jpg = (folder / "000.png").read_bytes(), (folder / "001.jpg").read_bytes()
    bad = {"zero.png": b"", "text.jpg": b"no image", "cut.png": png[:300], "cut.jpg": jpg[:300], "huge.png": huge_png()}
    for name, data in bad.items():
        (folder / name).write_bytes(data)
    shutil.copyfile(folder / "000.png", source.parent / "outside.png")
    (folder / "link.png").symlink_to(source.parent / "outside.png")
    (folder / "broken.png").symlink_to("nothing.png")
    return {
        "coffee/broken.png": "broken link",
        "coffee/cut.jpg": "truncated or corrupt: ",
        "coffee/cut.png": "truncated or corrupt: ",
        "coffee/huge.png": "too large: 60000x60000 pixels exceed the bound of 100000000",
        "coffee/link.png": "link out of the root",
        "coffee/text.jpg": "not an image",
        "coffee/zero.png": "empty file",
    }


@pytest.fixture
def spoiled(photographs: Path, tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A copy of the photographs with seven bad inputs among them."""
    shutil.copytree(photographs, tmp_path / "source")
    return tmp_path / "source", spoil(tmp_path / "source")


def check_reasons(root: Path, expected: dict[str, str]) -> None:
    found = errors(root)
    assert found.keys() == expected.keys()
    for name, reason in expected.items():
        assert found[name] == reason or (reason.endswith(": ") and found[name].startswith(reason))


@pytest.mark.parametrize("workers", [1, 2])
def test_bad_inputs_are_skipped_with_a_line_each(
    workers: int, spoiled: tuple[Path, dict[str, str]], pool: Path, tmp_path: Path
) -> None:
    source, expected = spoiled
    root = tmp_path / "out"
    result = invoke("build", source, root, "--size", 32, "--shard-size", 8, "--mixing-set", pool, "--workers", workers)
    assert result.exit_code == 0, result.output
    assert "inputs      31 = 24 written + 7 skipped\n" in result.stdout
    assert "2 truncated or corrupt" in result.stdout
    check_reasons(root, expected)
    facts = manifest(root)
    assert facts["inputs"] == 31 == facts["written"] + facts["skipped"]
    assert sum(facts["skipped_reasons"].values()) == 7
    keys: dict[str, list[list[str]]] = {}
    for tar in root.glob("*/*.tar"):
        keys.setdefault(tar.name, []).append([name.split("-")[0] for name in members(tar)])
    assert all(one == planes[0] for planes in keys.values() for one in planes)
    assert sum(len(planes[0]) for planes in keys.values()) == 24 * 3


def test_a_shard_of_bad_inputs_alone_is_finished_too(photographs: Path, tmp_path: Path) -> None:
    source, root = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    (source / "good.png").write_bytes((photographs / "coffee" / "000.png").read_bytes())
    for number in range(3):
        (source / f"{number}.png").write_bytes(b"")
    build(source, root, *QUICK, "--shard-size", 1)
    assert sorted(facts["samples"] for facts in manifest(root)["tars"].values()) == [0] * 6 + [1] * 2
    before = snapshot(root)
    build(source, root, *QUICK, "--shard-size", 1)
    assert snapshot(root) == before


AS_NOBODY = """
import os, sys
import layermix_gen.commands.build
from layermix_gen.cli import main
if os.getuid() == 0:
    os.setuid(65534)
main(sys.argv[1:])
"""


def as_nobody(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run the command without the rights of root, who may open everything."""
    command = [sys.executable, "-c", AS_NOBODY, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter; pytest's own are closed to other users."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_what_may_not_be_read_is_skipped(photographs: Path, open_folder: Path) -> None:
    source, root = open_folder / "source", open_folder / "free" / "out"
    shutil.copytree(photographs, source)
    (source / "coffee" / "000.png").chmod(0)
    root.parent.mkdir()
    root.parent.chmod(0o777)
    run = as_nobody("build", source, root, *QUICK, "--workers", 1)
    assert run.returncode == 0, run.stderr
    assert errors(root) == {"coffee/000.png": "not readable: permission denied"}
    (source / "coffee").chmod(0)
    run = as_nobody("build", source, root, *QUICK, "--workers", 1)
    (source / "coffee").chmod(0o755)
    assert run.returncode == 1
    assert run.stderr == f"Error: cannot list {source}/coffee: permission denied; give access to it or move it\n"


def test_where_nothing_may_be_written(photographs: Path, open_folder: Path) -> None:
    shutil.copytree(photographs, open_folder / "source")
    remedy = "is no folder, or closed to you; choose another\n"
    run = as_nobody("build", open_folder / "source", open_folder / "out", *QUICK, "--workers", 1)
    assert (run.returncode, without_start(run.stderr)) == (
        1,
        f"Error: cannot write to {open_folder / 'out'}: {open_folder} {remedy}",
    )
    (open_folder / "closed").mkdir(mode=0o700)
    run = as_nobody("build", open_folder / "source", open_folder / "closed", *QUICK, "--workers", 1)
    closed = open_folder / "closed"
    assert (run.returncode, without_start(run.stderr)) == (1, f"Error: cannot write to {closed}: {closed} {remedy}")
    assert files(open_folder / "closed") == []


@pytest.mark.parametrize("workers", [1, 2])
def test_too_many_bad_inputs_end_the_build(workers: int, spoiled: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    source, _ = spoiled
    root = tmp_path / "out"
    command = ("build", source, root, *QUICK, "--shard-size", 8, "--workers", workers, "--max-errors")
    line = fails(*command, 2)
    start, end = line.split(" inputs cannot be read (")
    skipped, of = start.split(" of ")
    assert of == "31"
    assert 3 <= int(skipped) <= 7
    links = "give --follow-links to read what links lead to, or " * ("link out" in end)
    assert end.endswith(
        f"), 2 are allowed; see {root / 'errors.jsonl'}, then {links}mend them and run the same command to resume, or "
        "raise --max-errors"
    )
    assert len(errors(root)) == int(skipped)
    assert not (root / "dataset.json").exists()
    assert not [name for name in files(root) if name.endswith(".tmp")]
    assert invoke(*command, 7).exit_code == 0
    assert manifest(root)["written"] == 24
    assert len(errors(root)) == 7


def test_exactly_so_many_are_allowed(spoiled: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    source, _ = spoiled
    assert fails("build", source, tmp_path / "a", *QUICK, "--workers", 1, "--max-errors", 6).startswith(
        "7 of 31 inputs"
    )
    build(source, tmp_path / "b", *QUICK, "--max-errors", 7)
    zero = fails("build", source, tmp_path / "c", *QUICK, "--workers", 1, "--max-errors", 0)
    assert zero.startswith("1 of 31 inputs cannot be read (1 ")


@pytest.mark.parametrize(("inputs", "allowed"), [(30, 10), (1100, 11)])
def test_one_percent_may_be_bad_but_at_least_ten(inputs: int, allowed: int, photographs: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    shutil.copyfile(photographs / "coffee" / "001.jpg", tmp_path / "good")
    (tmp_path / "bad").write_bytes(b"")
    for number in range(inputs):
        os.link(tmp_path / ("bad" if number < allowed else "good"), source / f"{number}.jpg")
    options = ("--size", 8, "--method", "none", "--variants", 0)
    build(source, tmp_path / "a", *options)
    assert manifest(tmp_path / "a")["skipped"] == allowed
    (source / f"{inputs - 1}.jpg").unlink()
    os.link(tmp_path / "bad", source / f"{inputs - 1}.jpg")
    line = fails("build", source, tmp_path / "b", *options, "--workers", 1)
    assert line.startswith(f"{allowed + 1} of {inputs} inputs cannot be read ({allowed + 1} empty file), {allowed} are")


# --- processes that die ----------------------------------------------------------------------------------------------

LONG = ("--size", 32, "--shard-size", 20, "--variants", 2)
SHARDS = 20  # that `LONG` makes of the 400 photographs


@pytest.fixture(scope="module")
def whole(many: Path, pool: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of the long build, undisturbed."""
    root = tmp_path_factory.mktemp("whole")
    build(many, root, *LONG, "--mixing-set", pool)
    return digest(root)


def shards(root: Path) -> int:
    return len(list(root.glob("index/*.parquet")))


def check_stopped(root: Path, sealed: bool = True) -> None:
    """Check that the build stopped early, that no dataset looks finished, and that no temporary file is left."""
    assert 3 <= shards(root) < SHARDS
    assert not (root / "dataset.json").exists()
    if sealed:
        assert not [name for name in files(root) if name.endswith(".tmp")]


def check_resumed(root: Path, whole: str, *command: object) -> None:
    build(*command)
    assert digest(root) == whole
    assert not [name for name in files(root) if name.endswith(".tmp")]


def test_a_killed_worker_costs_nothing_but_time(many: Path, pool: Path, whole: str, tmp_path: Path) -> None:
    """Whoever kills a worker from outside: its shard is built again, and no image is taken for a bad one."""
    root, gate = tmp_path / "out", tmp_path / "gate"
    command = (many, root, *LONG, "--mixing-set", pool)
    with stopped_in_the_midst(root, gate, "build", *command, after=17, workers=2) as process:
        workers = children(process.pid)
        assert len(workers) == 2
        os.kill(workers[0], signal.SIGKILL)
    _, said = process.communicate(timeout=120)
    assert (process.returncode, without_start(said)) == (0, "")
    assert digest(root) == whole
    assert not (root / "errors.jsonl").exists()
    assert not [name for name in files(root) if name.endswith(".tmp")]


def test_workers_end_with_their_parent(many: Path, pool: Path, whole: str, tmp_path: Path) -> None:
    root, gate = tmp_path / "out", tmp_path / "gate"
    command = (many, root, *LONG, "--mixing-set", pool)
    with stopped_in_the_midst(root, gate, "build", *command, after=3, workers=2) as process:
        workers = children(process.pid)
        assert len(workers) == 2
        process.kill()
        process.communicate(timeout=120)  # also waits for the workers, which hold the pipes
        wait_until(lambda: not any(map(alive, workers)), "the workers")
    check_stopped(root, sealed=False)
    check_resumed(root, whole, *command)


@pytest.mark.parametrize(("whom", "workers"), [("parent", 1), ("parent", 2), ("group", 2)])
def test_ctrl_c_says_how_to_resume(whom: str, workers: int, many: Path, pool: Path, whole: str, tmp_path: Path) -> None:
    root, gate = tmp_path / "out", tmp_path / "gate"
    command = (many, root, *LONG, "--mixing-set", pool)
    with stopped_in_the_midst(root, gate, "build", *command, after=3, workers=workers) as process:
        (os.killpg if whom == "group" else os.kill)(process.pid, signal.SIGINT)
    printed, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert not printed
    assert (
        without_start(said)
        == f"Interrupted: stopped with {shards(root)} of 20 shards finished; run the same command to resume\n"
    )
    check_stopped(root)
    check_resumed(root, whole, *command)


def test_ctrl_c_before_the_first_shard(photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(request, "list_items", interrupted)
    assert fails("build", photographs, tmp_path / "out", *QUICK, status=130).startswith("Interrupted: ")
    assert not (tmp_path / "out").exists()


# --- disks that are full ---------------------------------------------------------------------------------------------

REMEDY = "make room, then run the same command to resume"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_that_may_not_grow(workers: int, many: Path, pool: Path, whole: str, tmp_path: Path) -> None:
    """A limit on the size of files stands in for a full disk: writing fails in the middle of a tar."""
    root = tmp_path / "out"
    command = (many, root, *LONG, "--mixing-set", pool)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (70_000, 70_000))  # sources.parquet takes less, a tar 90 kB

    process = start("build", *command, "--workers", workers, preexec_fn=limit)
    printed, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert not printed
    assert without_start(said) == f"Error: cannot write to {root}: file too large; {REMEDY}\n"
    assert shards(root) == 0
    assert not [name for name in files(root) if name.endswith((".tmp", ".tar"))]
    check_resumed(root, whole, *command)


EVERY_SIZE = """
import json, resource, subprocess, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.helpers import digest, files, invoke
source, disk, by_mount = sys.argv[2], Path(sys.argv[3]), sys.argv[4] == "mount"
options = ("--size", 8, "--method", "none", "--variants", 1, "--shard-size", 8, "--workers", 1)
command = ("build", source, disk / "out", *options)

def room(size):
    if by_mount:
        subprocess.run(["mount", "-o", f"remount,size={size}", disk], check=True)
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

for size in range(4096, 163840, 8192) if by_mount else range(512, 25088, 1536):
    subprocess.run(f"rm -rf {disk}/*", shell=True, check=True)
    if by_mount and size == 4096:
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", disk], check=True)
    room(size)
    result = invoke(*command)
    left = files(disk)
    room(1 << 24)
    if result.exit_code == 0:
        break
    again = invoke(*command)
    facts = [size, result.exit_code, result.stdout, result.stderr, left, again.exit_code, digest(disk / "out")]
    print(json.dumps(facts))
"""


def namespace() -> list[str]:
    """The command prefix for a process that may mount a file system, private and gone with it; [] if it may not."""
    private = ["unshare", "--mount", "--map-root-user"]
    try:
        tried = subprocess.run([*private, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False)
    except FileNotFoundError:
        return []
    return private if tried.returncode == 0 else []


WAYS = {"limit": [], "mount": namespace()}


@pytest.mark.parametrize("way", [way for way, prefix in WAYS.items() if prefix or way == "limit"])
def test_a_disk_that_is_full_at_any_moment(way: str, photographs: Path, tmp_path: Path) -> None:
    """Disks, or limits on files, from far too small to large enough: whichever write fails, the line is the same."""
    (tmp_path / "disk").mkdir()
    arguments = [Path(__file__).parents[2], photographs, tmp_path / "disk", way]
    command = [*WAYS[way], sys.executable, "-c", EVERY_SIZE, *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    found = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(found) > 8
    root, digests, lines = tmp_path / "disk" / "out", set(), set()
    for size, status, printed, told, left, status_again, digest_again in found:
        said = without_start(told)
        assert (status, printed, status_again) == (1, "", 0), size
        assert not [name for name in left if name.endswith((".tmp", "dataset.json"))], size
        assert len(said.splitlines()) == 1
        assert said.endswith("then run the same command to resume\n"), said
        digests.add(digest_again)
        lines.add(said.replace(str(root), "OUT").replace(tempfile.gettempdir(), "TMP").split(":")[1])
    assert len(digests) == 1
    places = {" cannot write to OUT", " the index cannot be read or written", " the source cannot be listed in TMP"}
    assert lines <= places


# --- memory that runs out ---------------------------------------------------------------------------------------------

NO_MEMORY = (
    "the memory has run out; run the same command to resume, perhaps with fewer --workers, or start over with a "
    "smaller --size"
)


WITH_LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
import layermix_gen.commands.build
from layermix_gen.cli import main
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + 100_000_000  # of address space, of which the libraries have a lot already
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
main()
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_memory_that_runs_out_is_one_line(workers: int, photographs: Path, tmp_path: Path) -> None:
    """A sample of 4096 px takes 50 MB, and there are several at once while it is mixed."""
    np.lib.format.open_memmap(tmp_path / "pool.npy", mode="w+", dtype=np.uint8, shape=(1, 4100, 4100))
    (tmp_path / "source").mkdir()
    for name in ("000.png", "001.jpg"):
        shutil.copyfile(photographs / "coffee" / name, tmp_path / "source" / name)
    root = tmp_path / "out"
    options = ("--size", 4096, "--mixing-set", tmp_path / "pool.npy", "--shard-size", 1, "--workers", workers)
    command = [sys.executable, "-c", WITH_LITTLE_MEMORY, "build", tmp_path / "source", root, *options]
    surroundings = os.environ | {"MALLOC_ARENA_MAX": "1"}  # else each thread would reserve 64 MB
    run = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, timeout=300, check=False, env=surroundings
    )
    assert (run.returncode, run.stdout, without_start(run.stderr)) == (1, "", f"Error: {NO_MEMORY}\n")
    assert files(root) == ["plan.json", "sources.parquet"]


@pytest.mark.parametrize("fault", [MemoryError(), cv2.error("OpenCV(5.0.0) a.cpp:1: error: (-4:Insufficient memory)")])
def test_no_memory_has_two_names(fault: Exception) -> None:
    with pytest.raises(LayerMixError) as caught, memory_errors():
        raise fault
    assert str(caught.value) == NO_MEMORY


def test_other_faults_are_not_called_memory() -> None:
    with pytest.raises(cv2.error, match="-215"), memory_errors():
        raise cv2.error("OpenCV(5.0.0) a.cpp:1: error: (-215:Assertion failed)")


# --- scripts ---------------------------------------------------------------------------------------------------------


def test_a_script_from_standard_input_without_a_guard_builds(photographs: Path, tmp_path: Path) -> None:
    script = f"""
from layermix_gen import BuildSettings, build
settings = BuildSettings(size=8, method="none", variants=1, shard_size=12)
build({str(photographs)!r}, {str(tmp_path / "out")!r}, settings, workers=2, progress=False)
"""
    command = [sys.executable, "-"]
    done = subprocess.run(command, input=script, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert manifest(tmp_path / "out")["complete"]


# --- mistakes --------------------------------------------------------------------------------------------------------


@pytest.fixture
def places(photographs: Path, tmp_path: Path) -> dict[str, Any]:
    """Make places that cannot be read from or written to; return the names that the messages below use."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("")
    (tmp_path / "file").write_text("text")
    (tmp_path / "empty").mkdir()
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    (tmp_path / "link").symlink_to(photographs)
    (tmp_path / "file\nof").write_text("text")
    (tmp_path / "wrong.csv").write_text("Place,Kind\na.png,0\n")
    with tarfile.open(tmp_path / "tar.tar.gz", "w:gz") as tar:
        tar.add(photographs / "coffee" / "000.png", "0.png")
    np.save(tmp_path / "small.npy", np.zeros((2, 8, 8), np.uint8))
    np.save(tmp_path / "odd.npy", np.zeros((2, 8), np.uint8))
    operations = ", ".join(row.name for row in OPERATIONS.values() if row.paper or row.released)
    return {"photographs": photographs, "tmp": tmp_path, "ops": operations}


MISTAKES = [
    (
        "{photographs} {photographs}/out",
        "expected an output folder outside of {photographs}, got {photographs}/out; choose another",
    ),
    (
        "{photographs} {photographs}",
        "expected an output folder outside of {photographs}, got {photographs}; choose another",
    ),
    (
        "{photographs} {tmp}/link/out",
        "expected an output folder outside of {photographs}, got {tmp}/link/out; choose another",
    ),
    (
        "{tmp}/link {photographs}/out",
        "expected an output folder outside of {tmp}/link, got {photographs}/out; choose another",
    ),
    ("{photographs} {tmp}/file", "expected a folder to write into, found a file at {tmp}/file; choose another"),
    (
        "{photographs} {tmp}/dangling",
        "expected a folder to write into, found a broken link at {tmp}/dangling; choose another",
    ),
    (
        "{photographs} {tmp}/dangling/out",
        "expected a folder to write into, found a broken link at {tmp}/dangling; choose another",
    ),
    (
        "{photographs} {tmp}/" + "a" * 300,
        "cannot write to {tmp}/" + "a" * 300 + ": file name too long; choose another",
    ),
    (
        "{photographs} {tmp}/file\nof/two\nlines",
        "cannot write to {tmp}/file\\nof/two\\nlines: {tmp}/file\\nof is no folder, or closed to you; choose another",
    ),
    (" {tmp}/out", "expected a path as the source, got an empty text; name one"),
    ("{photographs} ", "expected a path as the output folder, got an empty text; name one"),
    (
        "{photographs} {tmp}/out --mixing-set ",
        "expected a path as the mixing set, got an empty text; name one",
    ),
    (
        "{photographs}\udcff {tmp}/out",
        "expected a path in UTF-8 as the source, got {photographs}\\xff; rename it, or use a UTF-8 locale if that "
        "is what it is in",
    ),
    (
        "{photographs} {tmp}/out\udcff",
        "expected a path in UTF-8 as the output folder, got {tmp}/out\\xff; rename it, or use a UTF-8 locale if that "
        "is what it is in",
    ),
    (
        "{photographs} {tmp}/out --mixing-set {tmp}/\udcff.npy",
        "expected a path in UTF-8 as the mixing set, got {tmp}/\\xff.npy; rename it, or use a UTF-8 locale if that "
        "is what it is in",
    ),
    (
        "{photographs} {tmp}/out --method none --mixing-set {tmp}/none.npy",
        "expected no mixing set with the method none, got {tmp}/none.npy; leave out --mixing-set",
    ),
    (
        "{photographs} {tmp}/out --variants 0 --mixing-set {tmp}/none.npy",
        "expected a mixing set at {tmp}/none.npy, but nothing is there; check the path",
    ),
    (
        "{photographs} {tmp}/out --ops rotate,invert,rotate",
        "expected each operation once, got 'rotate' again; take it out of --ops",
    ),
    ("{tmp}/tar.tar.gz {tmp}/out", "{tmp}/tar.tar.gz is compressed; decompress it first (gunzip)"),
    (
        "{tmp}/wrong.csv {tmp}/out",
        "expected the columns path and label in {tmp}/wrong.csv, found Place, Kind; add path and label",
    ),
    (
        "{photographs} {tmp}/file/out",
        "cannot write to {tmp}/file/out: {tmp}/file is no folder, or closed to you; choose another",
    ),
    (
        "{photographs} {tmp}/full",
        "expected an empty folder, found 'thesis.txt' in {tmp}/full; choose another",
    ),
    ("{tmp}/none {tmp}/out", "expected a source of images, found nothing at {tmp}/none; check the path"),
    (
        "{tmp}/empty {tmp}/out",
        "expected a source of images at {tmp}/empty, found an empty folder; check the path, or see "
        "docs/sources.md for what is read",
    ),
    (
        "{tmp}/file {tmp}/out",
        "expected a source of images at {tmp}/file, found another file, of 4 bytes; check the path, or see "
        "docs/sources.md for what is read",
    ),
    (
        "{photographs} {tmp}/out --kind other",
        f"kind must be one of auto, {', '.join(KINDS)}, got 'other'; change --kind",
    ),
    (
        "{photographs} {tmp}/out --kind cifar10",
        "expected the files of cifar-10-batches-py or cifar-10-batches-bin in {photographs}, found neither; "
        "check the path and --kind",
    ),
    (
        "{photographs} {tmp}/out --mixing-set {tmp}/none.npy",
        "expected a mixing set at {tmp}/none.npy, but nothing is there; check the path",
    ),
    (
        "{photographs} {tmp}/out --mixing-set {tmp}/file",
        "expected a whole .npy file, got {tmp}/file (EOF: reading magic string, expected 8 bytes got 4); "
        "give a mixing set, or make it again",
    ),
    (
        "{photographs} {tmp}/out --mixing-set {tmp}/odd.npy",
        "expected uint8 (N, S, S) or (N, S, S, 3), got uint8 (2, 8) in {tmp}/odd.npy; pack a folder instead",
    ),
    (
        "{photographs} {tmp}/out --mixing-set {tmp}/empty",
        "expected images in {tmp}/empty, found no file; check the path",
    ),
    (
        "{photographs} {tmp}/out --size 32 --mixing-set {tmp}/small.npy",
        "expected a mixing set of at least 32 px, got 8 px; make the set with larger pictures, or the views smaller",
    ),
    ("{photographs} {tmp}/out --variants -1", "variants must be a whole number in [0, 100], got -1; change --variants"),
    (
        "{photographs} {tmp}/out --variants 101",
        "variants must be a whole number in [0, 100], got 101; change --variants",
    ),
    (
        "{photographs} {tmp}/out --variants 0 --no-clean",
        "nothing to build: no variants and no clean plane; give --variants 1 or more, or --clean",
    ),
    ("{photographs} {tmp}/out --size 7", "size must be a whole number in [8, 4096], got 7; change --size"),
    ("{photographs} {tmp}/out --size 4097", "size must be a whole number in [8, 4096], got 4097; change --size"),
    ("{photographs} {tmp}/out --magnitude 11", "magnitude must be in [0.1, 10], got 11; change --magnitude"),
    ("{photographs} {tmp}/out --magnitude nan", "magnitude must be in [0.1, 10], got nan; change --magnitude"),
    (
        "{photographs} {tmp}/out --blending-ratio 0",
        "blending-ratio must be in [0.01, 100], got 0; change --blending-ratio",
    ),
    ("{photographs} {tmp}/out --ops rotate,turn", "ops must be one of {ops}, got 'turn'; change --ops"),
    ("{photographs} {tmp}/out --quality 0", "quality must be a whole number in [1, 100], got 0; change --quality"),
    (
        "{photographs} {tmp}/out --shard-size 1.5",
        "shard size must be bytes like 256MB or a number of samples like 10000, got '1.5'; change --shard-size",
    ),
    (
        "{photographs} {tmp}/out --shard-size 0",
        "shard size must be bytes like 256MB or a number of samples like 10000, got '0'; change --shard-size",
    ),
    (
        "{photographs} {tmp}/out --shard-size 5PB",
        "shard size must be bytes like 256MB or a number of samples like 10000, got '5PB'; change --shard-size",
    ),
    (
        "{photographs} {tmp}/out --seed -1",
        "seed must be a whole number in [0, 9223372036854775807], got -1; change --seed",
    ),
    (
        "{photographs} {tmp}/out --max-pixels 0",
        "max-pixels must be a whole number in [1, 1099511627776], got 0; change --max-pixels",
    ),
    (
        "{photographs} {tmp}/out --max-errors -1",
        "max-errors must be a whole number from 0 on, got -1; change --max-errors",
    ),
    ("{photographs} {tmp}/out --workers 0", "workers must be a whole number from 1 on, got 0; change --workers"),
    ("{photographs} {tmp}/out --partition 3/3", "partition i/n must have 0 <= i < n, got 3/3; change --partition"),
    ("{photographs} {tmp}/out --partition 0/0", "partition i/n must have 0 <= i < n, got 0/0; change --partition"),
]


@pytest.mark.parametrize(("arguments", "line"), MISTAKES)
def test_a_mistake_is_one_line(arguments: str, line: str, places: dict[str, Any]) -> None:
    given = [part.format(**places) for part in arguments.split(" ")]
    before = files(places["tmp"]), files(places["photographs"])
    assert fails("build", *given) == line.format(**places)
    assert fails("build", *given, "--dry-run") == line.format(**places)
    assert (files(places["tmp"]), files(places["photographs"])) == before
    assert not (places["tmp"] / "out").exists()


PYTHON_MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"workers": "2"}, "workers must be a whole number from 1 on, got '2'; change --workers"),
    ({"workers": 1.5}, "workers must be a whole number from 1 on, got 1.5; change --workers"),
    (
        {"partition": [0, 1, 2]},
        "partition must be two whole numbers (i, n), 'slurm' or 'k8s', got [0, 1, 2]; change --partition",
    ),
    ({"partition": 3}, "partition must be two whole numbers (i, n), 'slurm' or 'k8s', got 3; change --partition"),
    (
        {"partition": (0, "1")},
        "partition must be two whole numbers (i, n), 'slurm' or 'k8s', got (0, '1'); change --partition",
    ),
    ({"max_errors": 0.5}, "max-errors must be a whole number from 0 on, got 0.5; change --max-errors"),
    ({"out": "a\0b"}, "expected a path as the output folder, got a zero byte in 'a\\x00b'; take it out"),
    ({"out": None}, "expected a path as the output folder, got None; give a text or a Path"),
    (
        {"mixing_set": MixingSet(np.zeros((2, 40, 40), np.uint8))},
        "expected a mixing set with a file, which workers can open, got one in memory; np.save its pictures and give "
        "the path",
    ),
]


@pytest.mark.parametrize(("wrong", "line"), PYTHON_MISTAKES)
def test_a_mistake_in_python_is_one_line(wrong: dict[str, Any], line: str, photographs: Path, tmp_path: Path) -> None:
    with pytest.raises(LayerMixError) as caught:
        build_in_python(**{"source": photographs, "out": tmp_path / "out"} | wrong)
    assert str(caught.value) == line
    assert not (tmp_path / "out").exists()


MISUSES = [
    ("", "Missing argument 'SOURCE'."),
    ("a", "Missing argument 'OUT'."),
    ("a b c", "Got unexpected extra argument (c)"),
    ("a b --view other", "Invalid value for '--view': 'other' is not one of 'rrc', 'pad-crop', 'center', 'source'."),
    ("a b --view-mode other", "Invalid value for '--view-mode': 'other' is not one of 'independent', 'shared'."),
    ("a b --method other", f"Invalid value for '--method': 'other' is not one of {', '.join(map(repr, METHODS))}."),
    ("a b --preset other", "Invalid value for '--preset': 'other' is not one of 'paper', 'released'."),
    ("a b --format gif", "Invalid value for '--format': 'gif' is not one of 'jpg', 'png', 'webp'."),
    ("a b --subsampling 411", "Invalid value for '--subsampling': '411' is not one of '444', '422', '420'."),
    ("a b --partition 1", "Invalid value for '--partition': expected i/n, as in 0/8, slurm or k8s, got '1'"),
    ("a b --variants x", "Invalid value for '--variants': 'x' is not a valid integer."),
    ("a b --size x", "Invalid value for '--size': 'x' is not a valid integer."),
    ("a b --magnitude x", "Invalid value for '--magnitude': 'x' is not a valid float."),
    ("a b --blending-ratio x", "Invalid value for '--blending-ratio': 'x' is not a valid float."),
    ("a b --quality x", "Invalid value for '--quality': 'x' is not a valid integer."),
    ("a b --seed x", "Invalid value for '--seed': 'x' is not a valid integer."),
    ("a b --max-pixels x", "Invalid value for '--max-pixels': 'x' is not a valid integer."),
    ("a b --max-errors x", "Invalid value for '--max-errors': 'x' is not a valid integer."),
    ("a b --workers x", "Invalid value for '--workers': 'x' is not a valid integer."),
    ("a b --zzz", "No such option '--zzz'."),
]


@pytest.mark.parametrize(("arguments", "line"), MISUSES)
def test_a_misuse_is_told_by_click(arguments: str, line: str) -> None:
    assert fails("build", *arguments.split(), status=2) == line


def test_an_unknown_command() -> None:
    assert fails("destroy", status=2) == "No such command 'destroy'."
