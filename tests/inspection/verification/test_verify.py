"""Verification and repair: all damage is found and named, and repair restores the digest of the first build."""

import os
import re
import shlex
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from layermix_gen import BuildSettings, build, open_shards
from layermix_gen.errors import OutOfResources
from layermix_gen.inspection.verification import repair as repairing
from layermix_gen.inspection.verification.findings import Problem, noting
from tests.durability import assert_durable, recorded
from tests.helpers import COMMAND, digest, files, invoke, reseal, same_but_for_the_run, snapshot
from tests.inspection.built import INDEX, OTHER, TAR, Built, flip, lose_shard, replace, swap, verify

# --- what is whole ---------------------------------------------------------------------------------------------------


def test_a_whole_dataset(small: Built) -> None:
    before = snapshot(small.root)
    result = invoke("verify", small.root, "--workers", 1)
    assert result.exit_code == 0, result.output
    assert "3 shards, 9 tars, 72 samples" in result.stdout
    assert result.stdout.endswith("all is as it was built\n")
    assert snapshot(small.root) == before


def test_names_in_any_script_are_whole(photographs: Path, tmp_path: Path) -> None:
    """The JSON in the tar and the one made from the index's row are the same bytes, whatever the names."""
    for number, name in enumerate(("Käfer/ü é.png", "猫/'\"\\\u2028.png")):
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True)
        shutil.copyfile(photographs / "coffee" / f"00{2 * number}.png", path)
    settings = BuildSettings(variants=1, size=8, method="none")
    build(tmp_path / "source", tmp_path / "out", settings, workers=1, progress=False)
    assert verify(tmp_path / "out") == []


def test_worker_processes_find_the_same(damaged: Path) -> None:
    flip(damaged / TAR, 5000)
    flip(damaged / INDEX, 700)
    one, two = (open_shards(damaged).verify(replay=0.5, workers=workers, progress=False) for workers in (1, 2))
    assert one == two
    assert one.files == (INDEX, TAR)


@pytest.mark.parametrize("descriptors", [10, 14])
def test_too_few_open_files_are_no_damage(descriptors: int, small: Built) -> None:
    command = shlex.join([*COMMAND, "verify", str(small.root), "--workers", "2"])
    run = subprocess.run(
        ["sh", "-c", f"ulimit -n {descriptors}; {command}"], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.splitlines()[-1].startswith("Error: too many open files; raise the limit of open files")


def test_what_has_run_out_is_no_problem_of_a_file() -> None:
    problems: list[Problem] = []
    with pytest.raises(OutOfResources), noting(problems, "index"):
        raise OutOfResources("too many open files")
    assert problems == []


def test_a_folder_that_is_no_text_is_named_and_not_its_index(damaged: Path) -> None:
    folder = damaged.rename(damaged.with_name(os.fsdecode(b"a\xff")))
    for arguments in (("verify", "--workers", "1"), ("inspect",)):
        result = invoke(arguments[0], folder, *arguments[1:])
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: expected a path in UTF-8 as the dataset, got ")


# --- what is damaged -------------------------------------------------------------------------------------------------


def place(root: Path, key: str) -> dict[str, int]:
    """Where the parts of a sample are in its tar, by tarfile's account."""
    row = open_shards(root).row(key)
    found = {}
    with tarfile.open(root / row["plane"] / f"{row['shard']:06d}.tar") as tar:
        for member in tar:
            stem, _, extension = member.name.partition(".")
            if stem == key:
                found |= {f"{extension} header": member.offset, extension: member.offset_data}
                found[f"{extension} end"] = member.offset_data + member.size
    return found


KEY = "000000010-v00"
SHA = "is not as it was built (sha256)"


def in_tar(part: str, shift: int = 0) -> Callable[[Path], None]:
    return lambda root: flip(root / TAR, place(root, KEY)[part] + shift)


def cut(root: Path) -> None:
    (root / TAR).write_bytes((root / TAR).read_bytes()[: place(root, KEY)["png"] + 5])


def link_out(root: Path) -> None:
    (root / TAR).rename(root.parent / "elsewhere.tar")
    (root / TAR).symlink_to(root.parent / "elsewhere.tar")


def resealed(path: Path, old: str, new: str) -> None:
    """Change a text in a JSON file, and let its checksum fit again."""
    replace(path, old, new)
    reseal(path)


def swap_rows(root: Path) -> None:
    """Let two source images change places in the listing."""
    path = root / "sources.parquet"
    with duckdb.connect() as db:
        db.execute("CREATE TABLE t AS FROM read_parquet(?)", [str(path)])
        db.execute("UPDATE t SET number = 7 - number WHERE number IN (3, 4)")
        db.execute(f"COPY (FROM t ORDER BY number) TO '{path}' (FORMAT parquet)")


DAMAGES: dict[str, tuple[Callable[[Path], Any], list[tuple[str, str, str]]]] = {
    "a byte of an image": (in_tar("png", 40), [(TAR, KEY, "its image is damaged (crc32)")]),
    "the name in a header": (in_tar("png header"), [(TAR, KEY, "the tar header of its image is damaged")]),
    "the size in a header": (in_tar("cls header", 130), [(TAR, KEY, "the tar header of its label is damaged")]),
    "the type in a header": (in_tar("json header", 156), [(TAR, KEY, "the tar header of its JSON is damaged")]),
    "a label": (in_tar("cls"), [(TAR, KEY, "its label is damaged")]),
    "metadata": (in_tar("json", 12), [(TAR, KEY, "its JSON is damaged")]),
    "padding": (in_tar("cls", 9), [(TAR, KEY, "the padding behind its label is damaged")]),
    "the end of a tar": (
        lambda root: flip(root / TAR, -7),
        [(TAR, "", "expected two empty blocks from byte {end} to its end, found 1024 other bytes")],
    ),
    "a truncated tar": (
        cut,
        [(TAR, KEY, "the tar ends in it, after {length} bytes; all samples behind it are missing")],
    ),
    "an empty tar": (
        lambda root: (root / TAR).write_bytes(b""),
        [(TAR, "000000008-v00", "the tar ends in it, after 0 bytes; all samples behind it are missing")],
    ),
    "a deleted tar": (lambda root: (root / TAR).unlink(), [(TAR, "", "is missing")]),
    "a deleted shard": (
        lose_shard,
        [(name, "", "is missing") for name in ("clean/000001.tar", INDEX, TAR, OTHER)],
    ),
    "a swapped plane": (
        lambda root: swap(root, TAR, OTHER),
        [(TAR, "", f"is {OTHER}, in the wrong place"), (OTHER, "", f"is {TAR}, in the wrong place")],
    ),
    "a shard in another's place": (
        lambda root: shutil.copy(root / "v00" / "000002.tar", root / TAR),
        [(TAR, "", "is v00/000002.tar, in the wrong place")],
    ),
    "a byte of an index": (lambda root: flip(root / INDEX, 900), [(INDEX, "", SHA)]),
    "the end of an index": (lambda root: flip(root / INDEX, -1), [(INDEX, "", SHA)]),
    "an empty index": (lambda root: (root / INDEX).write_bytes(b""), [(INDEX, "", SHA)]),
    "a deleted index": (lambda root: (root / INDEX).unlink(), [(INDEX, "", "is missing")]),
    "another shard's index": (
        lambda root: shutil.copy(root / "index" / "000000.parquet", root / INDEX),
        [(INDEX, "", SHA)],
    ),
    "a link out of the dataset": (
        link_out,
        [(TAR, "", "expected {root}/v00/000001.tar in {root}, found a link out of it; put the file there")],
    ),
    "no manifest": (lambda root: (root / "dataset.json").unlink(), [("dataset.json", "", "is missing")]),
    "a count in the manifest": (
        lambda root: resealed(root / "dataset.json", '"written": 24', '"written": 25'),
        [("dataset.json", "", "it is damaged (25 written and 1 skipped of 25 inputs, in 72 images of 3 planes)*")],
    ),
    "facts of another dataset in the manifest": (
        lambda root: resealed(root / "dataset.json", '"shards_finished": 3', '"shards_finished": 2'),
        [("dataset.json", "", "its shards_finished are not those of the shards")],
    ),
    "a setting in the manifest": (
        lambda root: resealed(root / "dataset.json", '"magnitude": 8', '"magnitude": 7'),
        [("dataset.json", "", "it is damaged (its fingerprint does not fit its content*")],
    ),
    "a digest in the manifest": (
        lambda root: resealed(root / "dataset.json", f'"digest": "{digest(root)}"', f'"digest": "{"0" * 64}"'),
        [("dataset.json", "", "it is damaged (its digest is not that of its files*")],
    ),
    "half a manifest": (
        lambda root: (root / "dataset.json").write_bytes((root / "dataset.json").read_bytes()[:999]),
        [("dataset.json", "", "it is damaged (*: line *")],
    ),
    "no plan": (lambda root: (root / "plan.json").unlink(), [("plan.json", "", "is missing")]),
    "a setting in the plan": (
        lambda root: resealed(root / "plan.json", '"seed": 0', '"seed": 1'),
        [("plan.json", "", "is damaged, or of another version (*its fingerprint does not fit its content*")],
    ),
    "planes in the plan": (
        lambda root: replace(root / "plan.json", '"variants": 2', '"variants": 3'),
        [("plan.json", "", "is damaged, or of another version (*its checksum does not fit its content*")],
    ),
    "no listing": (lambda root: (root / "sources.parquet").unlink(), [("sources.parquet", "", "is missing")]),
    "a listing in another order": (
        swap_rows,
        [("sources.parquet", "", "its inputs are *")],
    ),
    "the list of errors": (
        lambda root: (root / "errors.jsonl").unlink(),
        [("errors.jsonl", "", "is missing")],
    ),
    "a sidecar": (
        lambda root: flip(root / "v00" / "wids.json", 50),
        [("v00/wids.json", "", "is not as it was built")],
    ),
}
"""What is done to a dataset, and what is found; * stands for any text."""


def fits(found: tuple[str, str, str], expected: tuple[str, str, str]) -> bool:
    return found[:2] == expected[:2] and fnmatchcase(found[2], expected[2])


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_named_and_mended(name: str, small: Built, damaged: Path) -> None:
    damage, expected = DAMAGES[name]
    end = (damaged / TAR).stat().st_size - 1024
    damage(damaged)
    length = (damaged / TAR).stat().st_size if (damaged / TAR).exists() else 0
    wanted = [(file, key, what.format(root=damaged, length=length, end=end)) for file, key, what in expected]
    found = verify(damaged)
    assert len(found) == len(wanted), found
    assert all(map(fits, found, wanted)), found

    before = snapshot(damaged)
    result = invoke("verify", damaged, "--repair", "--workers", 1)
    assert result.exit_code == 0, result.output
    for file, key, what in found:
        assert f"  {file}  {key + ': ' if key else ''}{what}\n" in result.stdout
    assert result.stdout.endswith(f"digest {small.manifest.digest}\n")
    assert digest(damaged) == small.manifest.digest
    assert same_but_for_the_run(damaged, small.root)
    changed = {file for file, state in snapshot(damaged).items() if state != before.get(file)}
    assert changed - set(sidecars(damaged)) == {file for file, _, _ in found} - set(sidecars(damaged))
    assert verify(damaged) == []


def test_damage_is_status_1(damaged: Path) -> None:
    for place in range(3000, 30000, 1000):
        flip(damaged / TAR, place)
    result = invoke("verify", damaged, "--workers", 1)
    assert (result.exit_code, result.stderr) == (1, "")
    head, *lines, last = result.stdout.splitlines()
    assert head.startswith(f"{damaged}: 3 shards, 9 tars, 72 samples, ")
    assert len(lines) == 5
    assert all(line.startswith(f"  {TAR}  0000000") for line in lines)
    assert re.fullmatch(rf"  {TAR}  and \d+ more", last)


def sidecars(root: Path) -> list[str]:
    return [name for name in files(root) if name.endswith(("_info.json", "sizes.json", "wids.json", "README.md"))]


def test_a_byte_anywhere(small: Built, damaged: Path) -> None:
    """Every byte counts, except of `dataset.json` and `plan.json` those of the run of the build, and of the card."""
    names = [name for name in files(damaged) if name not in ("dataset.json", "plan.json", "README.md")]
    rng = np.random.default_rng(5)
    for name in rng.choice(names, 20).tolist():
        content = (damaged / name).read_bytes()
        flip(damaged / name, int(rng.integers(len(content))))
        assert {file for file, _, _ in verify(damaged)} == {name}
        (damaged / name).write_bytes(content)
    assert verify(damaged) == []


@pytest.mark.parametrize("where", ["index", "offset", "tar", "planes"])
def test_damage_without_a_manifest(where: str, small: Built, damaged: Path) -> None:
    """Without it the summary in each index tells what its tars must be, and intact tars what the index must hold."""
    (damaged / "dataset.json").unlink()
    if where == "index":
        row = open_shards(small.root).row(KEY)
        patch_index(damaged / INDEX, "image_crc32", row["image_crc32"], row["image_crc32"] ^ 1)
        expected = {"dataset.json", INDEX}
    elif where == "offset":
        offset = place(small.root, KEY)["png"]
        patch_index(damaged / INDEX, "offset", offset, offset + 512)
        expected = {"dataset.json", INDEX}
        what = f"says otherwise than the tar: the index has its image at {offset + 512}, expected at {offset}"
        assert (INDEX, KEY, what) in verify(damaged)
    elif where == "tar":
        flip(damaged / TAR, 6000)
        expected = {"dataset.json", TAR}
    else:
        swap(damaged, TAR, OTHER)
        expected = {"dataset.json", TAR, OTHER}
    assert {file for file, _, _ in verify(damaged)} == expected
    repaired = open_shards(damaged).repair(workers=1, progress=False)
    assert (set(repaired.mended), repaired.digest) == (expected, small.manifest.digest)
    assert same_but_for_the_run(damaged, small.root)


def patch_index(path: Path, column: str, old: object, new: object) -> None:
    """Write an index again with another value in a column, and with its summary."""
    with duckdb.connect() as db:
        ((seal,),) = db.execute(f"SELECT decode(value) FROM parquet_kv_metadata('{path}')").fetchall()  # noqa: S608
        table = f'SELECT * REPLACE (CASE "{column}" WHEN {old} THEN {new} ELSE "{column}" END AS "{column}")'
        summary = seal.replace("'", "''")
        db.execute(
            f"COPY ({table} FROM read_parquet('{path}')) TO '{path}.new' "
            f"(FORMAT parquet, KV_METADATA {{layermix_gen: '{summary}'}})"
        )
    Path(f"{path}.new").replace(path)


def test_a_row_whose_key_and_plane_disagree_is_named_by_its_key(damaged: Path) -> None:
    (damaged / "dataset.json").unlink()
    other = KEY.replace("v00", "v01")
    patch_index(damaged / INDEX, "key", f"'{KEY}'", f"'{other}'")
    found = verify(damaged)
    assert (INDEX, "", "its rows of v00 have the keys of another plane, or of another shard") in found
    assert {key for _, key, _ in found} == {"", other}


def test_mended_files_are_synced_in_order(small: Built, damaged: Path) -> None:
    lose_shard(damaged)
    (damaged / "dataset.json").unlink()
    with recorded() as events:
        open_shards(damaged).repair(workers=1, progress=False)
    assert_durable(events)
    mended = {event[1].relative_to(damaged).as_posix() for event in events if len(event) == 2}
    assert {TAR, OTHER, INDEX, "dataset.json"} < mended


def test_what_belongs_to_no_shard_is_left_to_the_user(small: Built, damaged: Path) -> None:
    shutil.copy(damaged / TAR, damaged / "v00" / "000077.tar")
    flip(damaged / TAR, 6000)
    result = invoke("verify", damaged, "--repair", "--workers", 1)
    assert result.exit_code == 1
    assert f"mended 1 file: {TAR}\nleft as they are: v00/000077.tar\ndigest {small.manifest.digest}\n" in result.stdout
    assert verify(damaged) == [("v00/000077.tar", "", "belongs to no shard; remove it")]


def test_only_damaged_shards_are_built_again(small: Built, damaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built, engine = [], repairing.in_this_process  # type: ignore[attr-defined]

    def counting(plan, numbers, watch):
        built.append(numbers)
        return engine(plan, numbers, watch)

    monkeypatch.setattr(repairing, "in_this_process", counting)
    assert invoke("verify", damaged, "--repair", "--workers", 1).exit_code == 0
    flip(damaged / "clean" / "000002.tar", 900)
    assert invoke("verify", damaged, "--repair", "--workers", 1).exit_code == 0
    assert built == [[2]]
