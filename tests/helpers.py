"""Helpers of whole builds: they run the command and look at what it left."""

import glob
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import duckdb
from click.testing import CliRunner, Result

from layermix_gen import BuildSettings
from layermix_gen.cli import main
from layermix_gen.dataset.manifest import digest_of
from layermix_gen.dataset.plan import Inputs, MixingSetFacts, Plan
from layermix_gen.support.files import sealed, write_json
from layermix_gen.support.parsing import made_of

COMMAND = (sys.executable, str(Path(__file__).parent.parent / "cli.py"))


def invoke(*arguments: object) -> Result:
    """Run the command in this process, without a progress bar."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def build(*arguments: object) -> str:
    """Run `build` in this process on one worker, which has to end well; return what it prints."""
    result = invoke("build", "--workers", 1, *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def elements(html: str) -> list[ElementTree.Element]:
    """The elements of the HTML that a notebook shows, outermost first; it has to be one, and well-formed."""
    return list(ElementTree.fromstring(html).iter())  # noqa: S314 - of this package


def without_start(stderr: str) -> str:
    """What a build writes to standard error after what it builds, missing labels, and that it waits for another."""
    return re.sub(r"\A(building .*\n)?(warning: .*\n)?(another process builds .*\n)?", "", stderr)


def start(*arguments: object, **options: Any) -> "subprocess.Popen[str]":
    """Start the command as a process of its own, leader of its process group."""
    command = [*COMMAND, *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True, **options)


def patched(module: str, folder: Path) -> dict[str, str]:
    """An environment in which each process, workers too, imports a module of `tests` as it starts; made in `folder`."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(f"import tests.{module}\n")
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(Path(__file__).parents[1])])}


@contextmanager
def stopped_in_the_midst(
    root: Path, gate: Path, *arguments: object, after: int, workers: int
) -> Iterator["subprocess.Popen[str]"]:
    """A build whose workers each wait at a gate, halfway through a shard, once `root` has `after` finished shards.

    Leaving the context opens the gate; what the test has done to the processes by then is done for certain.
    """
    gate.mkdir()
    surroundings = patched("gated", gate.with_name(f"{gate.name}-patch"))
    surroundings |= {"GATE": str(gate), "GATE_ROOT": str(root), "GATE_AFTER": str(after)}
    process = start(*arguments, "--workers", workers, env=surroundings)
    wait_until(lambda: len(list(gate.iterdir())) == workers or process.poll() is not None, "all workers at the gate")
    assert process.poll() is None, process.communicate()
    yield process
    (gate / "open").touch()


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 60) -> None:
    """Look again and again until `condition` holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    """The live processes that `pid` has started, without the resource tracker of multiprocessing."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_bytes().rpartition(b")")[2].split()[:2]
            command = (stat.parent / "cmdline").read_bytes()  # anyone's, and no text where paths are none
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == pid and state != b"Z" and b"spawn_main" in command:
            found.append(int(stat.parent.name))
    return found


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def files(root: Path) -> list[str]:
    """The paths of all files below `root`, sorted; hidden ones too."""
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def snapshot(root: Path) -> dict[str, tuple[int, str]]:
    """Time of change and sha256 of each file below `root`."""
    return {
        name: ((root / name).stat().st_mtime_ns, hashlib.sha256((root / name).read_bytes()).hexdigest())
        for name in files(root)
    }


def manifest(root: Path) -> dict[str, Any]:
    """`dataset.json`."""
    return json.loads((root / "dataset.json").read_text())


def edit_manifest(root: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change `dataset.json` and let its digest, fingerprint and checksum fit again, as whoever means harm would."""
    value = manifest(root)
    change(value)
    value["digest"] = digest_of(value["tars"], value["indexes"])
    inputs, settings = made_of(Inputs, value["source"]), made_of(BuildSettings, value["settings"])
    mixing_set = made_of(MixingSetFacts, value["mixing_set"]) if value["mixing_set"] else None
    plan = Plan(root, inputs, settings, mixing_set, value["shards"], versions=value["versions"])
    write_json(root / "dataset.json", value | {"fingerprint": plan.fingerprint})
    reseal(root / "dataset.json")


def reseal(path: Path) -> None:
    """Let the checksum of a changed JSON file fit again."""
    value = json.loads(path.read_text("utf-8"))
    write_json(path, sealed({name: part for name, part in value.items() if name != "checksum"}))


def forget_keys(path: Path) -> None:
    """Take the setting `keys`, and an option, out of a plan or manifest, as from before there were these choices."""
    value = json.loads(path.read_text("utf-8"))
    del value["settings"]["keys"], value["settings"]["options"]["layers"]
    write_json(path, value)
    reseal(path)


def same_but_for_the_run(one: Path, other: Path) -> bool:
    """Whether two datasets have the same files with the same content, but for what the last run took."""

    def content(root: Path) -> dict[str, Any]:
        found: dict[str, Any] = {name: (root / name).read_bytes() for name in files(root)}
        return found | {"dataset.json": manifest(root) | {"run": None, "checksum": None}}

    return content(one) == content(other)


def digest(root: Path) -> str:
    """The digest over all shards, computed here from the files themselves."""
    tars = {path.relative_to(root).as_posix(): path for path in root.glob("*/*.tar")}
    indexes = {path.name: path for path in (root / "index").glob("*.parquet")}
    lines = [
        f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for paths in (tars, indexes)
        for name, path in sorted(paths.items())
    ]
    computed = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert manifest(root)["digest"] == computed
    return computed


def rows(root: Path) -> list[dict[str, Any]]:
    """All rows of the index."""
    with duckdb.connect() as db:
        found = db.read_parquet(f"{glob.escape(str(root))}/index/*.parquet").order("plane, key")
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


def listed(root: Path) -> list[str]:
    """The ids of all source images, in planned order."""
    with duckdb.connect() as db:
        found = db.read_parquet(f"{glob.escape(str(root))}/sources.parquet").project("id").fetchall()
        return [name for (name,) in found]


def members(tar: Path) -> dict[str, bytes]:
    """What a tar holds, in its order."""
    with tarfile.open(tar) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}


def errors(root: Path) -> dict[str, str]:
    """The reasons in `errors.jsonl`, by input."""
    lines = (root / "errors.jsonl").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    assert all(set(one) == {"source", "reason"} and os.linesep not in one["reason"] for one in found)
    return {one["source"]: one["reason"] for one in found}
