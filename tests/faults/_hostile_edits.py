"""Edits that a hostile author could make to a dataset: of JSON, of the index, of tars, of files as such.

Each edit takes the folder and a generator, and changes the files in place. After most of them digests, sizes and
fingerprints are put right again, so that what was edited is not merely found to be damaged.
"""

import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from layermix_gen.mixing.methods import METHODS

INDEXES, TARS = "index/*.parquet", "*/*.tar"
ADDABLE = ("variants", "clean", "store")


# --- values ----------------------------------------------------------------------------------------------------------


def values(yard: Path) -> list[Any]:
    """What may stand in the place of any value; `yard` holds files that must not be touched."""
    deep: Any = []
    for _ in range(300):
        deep = [deep]
    texts = ["", "x" * 100_000, "\ud800", "a\0b", "a\nb", "\u0663", "..", "../../thesis.tex", f"{yard}/thesis.tex"]
    texts += [f"{yard}/empty", "http://127.0.0.1:1/x", "1", "true", "'; DROP TABLE samples", "{0}", "%s"]
    numbers = [0, 1, -1, 2, 7, 10**12, 2**31, 2**63 - 1, 2**63, -(2**63), 10**30, 10**400, 0.5, -0.0, 1e308]
    numbers += [float("nan"), float("inf"), -float("inf")]
    return [*texts, *numbers, None, True, False, [], {}, [1], ["x"], [[]], {"x": 1}, [None], deep]


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to all values within a JSON value, itself included."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way, *(place for key, one in inner for place in places(one, (*way, key)))]


def edited(value: Any, rng: random.Random, yard: Path) -> Any:
    """A copy of a JSON value with one change somewhere: a value in another's place, removed, added or swapped."""
    value = json.loads(json.dumps(value))
    by_depth: dict[int, list[tuple[Any, ...]]] = {}
    for place in places(value):
        by_depth.setdefault(len(place), []).append(place)
    way = rng.choice(by_depth[rng.choice(list(by_depth))])
    if not way:
        return rng.choice(values(yard))
    home = value
    for key in way[:-1]:
        home = home[key]
    key, change = way[-1], rng.random()
    if change < 0.6:
        home[key] = rng.choice(values(yard))
    elif change < 0.75:
        del home[key]
    elif change < 0.9:
        other = rng.choice(list(home) if isinstance(home, dict) else range(len(home)))
        home[key], home[other] = home[other], home[key]
    elif isinstance(home, dict):
        name = rng.choice([f"{yard}/thesis.tex", "../../thesis.tex", "x", "", "\ud800", "a\0b", f"{key}\n"])
        home[name] = home[key] if rng.random() < 0.5 else home.pop(key)
    else:
        home.insert(rng.randrange(len(home) + 1), rng.choice(values(yard)))
    return value


def text_of(value: Any, rng: random.Random) -> str:
    """The JSON text of a value, now and then with something that `json.dumps` never writes."""
    text = json.dumps(value)
    chance = rng.random()
    if chance < 0.02:
        return "[" * 200_000 + text + "]" * 200_000
    if chance < 0.04:
        return text[: rng.randrange(len(text) + 1)]
    return text.replace("1", "9" * 5000, 1) if chance < 0.05 else text


# --- putting right ---------------------------------------------------------------------------------------------------


def sha256(path: Path) -> str:
    """The digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fingerprint(inputs: Any, settings: Any, mixing_set: Any, versions: Any, shards: int) -> str:
    """The fingerprint of a plan, by a second route."""
    identity = {"source": inputs["digest"], "images": inputs["count"], "classes": inputs["classes"]}
    identity |= {name: value for name, value in settings.items() if name not in (*ADDABLE, "options")}
    with suppress(Exception):  # of options that are none
        options = METHODS[settings["method"]].options_of(settings["options"])
        identity |= {name: settings["options"][name] for name in options.chosen(settings["size"])}
    if identity.get("keys") == "unique":
        del identity["keys"]
    identity |= {"mixing set": mixing_set and mixing_set["digest"]} | versions | {"shards": shards}
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def write_sealed(path: Path, value: dict[str, Any]) -> None:
    """Write plan or manifest with the checksum of its content, by a second route."""
    others = {name: one for name, one in value.items() if name != "checksum"}
    checksum = hashlib.sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps({**others, "checksum": checksum}))


def put_right(root: Path) -> None:
    """Make plan and manifest fit themselves, and the manifest the files, as far as they can be understood."""
    with suppress(Exception):
        plan = json.loads((root / "plan.json").read_text())
        facts = plan["inputs"], plan["settings"], plan["pool"], plan["versions"], plan["shards"]
        plan["fingerprint"] = fingerprint(*facts)
        write_sealed(root / "plan.json", plan)
    with suppress(Exception):
        made = json.loads((root / "dataset.json").read_text())
        for name in made["tars"]:
            with suppress(OSError):
                made["tars"][name] |= {"bytes": (root / name).stat().st_size, "sha256": sha256(root / name)}
        for name in made["indexes"]:
            with suppress(OSError):
                made["indexes"][name] = sha256(root / name)
        lines = [f"{name} {tar['sha256']}" for name, tar in sorted(made["tars"].items())]
        lines += [f"{name.rpartition('/')[2]} {digest}" for name, digest in sorted(made["indexes"].items())]
        made["digest"] = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        facts = made["source"], made["settings"], made["mixing_set"], made["versions"], made["shards"]
        made["fingerprint"] = fingerprint(*facts)
        write_sealed(root / "dataset.json", made)


# --- edits -----------------------------------------------------------------------------------------------------------


def edit_json(name: str) -> Callable[[Path, random.Random, Path], str]:
    """An edit of a file of JSON."""

    def edit(root: Path, rng: random.Random, yard: Path) -> str:
        path = root / name
        value = edited(json.loads(path.read_text()), rng, yard)
        path.write_text(text_of(value, rng), errors="surrogatepass")
        if rng.random() < 0.85 and name in ("plan.json", "dataset.json"):
            fair = json.loads((root / "dataset.json").read_text()) if name == "plan.json" else None
            put_right(root)
            if fair:  # the plan that is edited is the plan of this dataset
                with suppress(Exception):
                    plan = json.loads(path.read_text())
                    made = fair | {"fingerprint": plan["fingerprint"], "settings": plan["settings"]}
                    write_sealed(root / "dataset.json", made)
        return name

    return edit


SEAL = "SELECT decode(value) FROM parquet_kv_metadata('{}') WHERE decode(key) = 'layermix_gen'"
ROWS = (
    "SELECT * EXCLUDE ({0}) FROM t",
    "SELECT * REPLACE (NULL::{1} AS {0}) FROM t",
    "SELECT * REPLACE (CASE WHEN random() < 0.1 THEN NULL ELSE {0} END AS {0}) FROM t",
    "SELECT * REPLACE ({0}::VARCHAR AS {0}) FROM t",
    "SELECT * REPLACE ([{0}] AS {0}) FROM t",
    "SELECT * REPLACE ({{'x': {0}}} AS {0}) FROM t",
    "SELECT *, 1 AS {0}_ FROM t",
    "SELECT *, 1 AS file_row_number FROM t",
    "SELECT * FROM t UNION ALL SELECT * FROM t",
    "SELECT * FROM t UNION ALL (SELECT * FROM t LIMIT 1)",
    "SELECT * FROM t LIMIT 3",
    "SELECT * FROM t WHERE false",
    "SELECT * REPLACE ('v00' AS plane) FROM t",
    "SELECT * REPLACE ('../..' AS plane) FROM t",
    "SELECT * FROM t ORDER BY key, plane",
    "SELECT * FROM t ORDER BY random()",
)
SOME = 'SELECT * REPLACE (CASE WHEN {1} THEN {2} ELSE "{0}" END AS "{0}") FROM t'
NUMBERS = ("-1", "0", "1", "1e6", "2147483647", "-2147483648", "9223372036854775807", "-9223372036854775808", "4e9")
TEXTS = (
    "''",
    "repeat('x', 100000)",
    "'../../thesis.tex'",
    "'a' || chr(10) || 'b'",
    "'000000001-v99'",
    "'image'",
    "'000000001'",
)
RECIPES = (
    "repeat('rotate(', 10000)",
    "'rotate(image, 1e999)'",
    "'rotate(image, nan)'",
    "repeat('invert(', 33) || 'image'",
)
LISTS = ("[]", "[NULL]", "['nan'::DOUBLE]", "['inf'::DOUBLE, -1e308]", "range(100000)", "[1, 2, 3, 4, 5, 6]")


def edit_index(root: Path, rng: random.Random, yard: Path) -> str:
    """Rewrite an index with other rows or columns, or another summary."""
    path = rng.choice(sorted(root.glob(INDEXES)))
    with duckdb.connect() as db:
        db.execute(f"CREATE TABLE t AS FROM '{path}'")
        columns = dict(
            db.execute("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 't'").fetchall()
        )
        ((seal,),) = db.execute(SEAL.format(path)).fetchall()
        name, sql = rng.choice(list(columns)), "SELECT * FROM t"
        kind, chance = columns[name], rng.random()
        if chance < 0.2:
            seal = text_of(edited(json.loads(seal), rng, yard), rng)
            sql = "SELECT * FROM t"
        elif chance < 0.5:
            sql = rng.choice(ROWS).format(f'"{name}"', kind)
        else:
            choices: tuple[str, ...] = LISTS if kind.endswith("[]") else TEXTS if kind == "VARCHAR" else NUMBERS
            choices = RECIPES if name == "recipe" and rng.random() < 0.7 else choices
            new = f"TRY_CAST({rng.choice(choices)} AS {kind})"
            some = "true" if rng.random() < 0.5 else "random() < 0.2"
            sql = SOME.format(name, some, new)
        written = seal.encode(errors="surrogatepass").decode(errors="replace").replace("'", "''").replace("\0", "")
        path.unlink()
        with suppress(duckdb.Error):  # of an edit that makes no file
            db.execute(f"COPY ({sql}) TO '{path}' (FORMAT parquet, KV_METADATA {{'layermix_gen': '{written}'}})")
    put_right(root)
    return f"{name}: {sql[:200]}"


def edit_listing(root: Path, rng: random.Random, yard: Path) -> str:
    """Rewrite the listing with other rows or columns."""
    path = root / "sources.parquet"
    with duckdb.connect() as db:
        db.execute(f"CREATE TABLE t AS FROM '{path}'")
        kinds = dict(
            db.execute("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 't'").fetchall()
        )
        name = rng.choice(list(kinds))
        if rng.random() < 0.4:
            sql = rng.choice([row for row in ROWS if "plane" not in row]).format(f'"{name}"', kinds[name])
        else:
            places = ("'[\"../x\", 5]'", "'[['", "'{}'", "'[null]'", "repeat('[', 5000)") if name == "place" else ()
            choices = (*places, *(TEXTS if kinds[name] == "VARCHAR" else NUMBERS))
            sql = SOME.format(
                name, rng.choice(("true", "random() < 0.2")), f"TRY_CAST({rng.choice(choices)} AS {kinds[name]})"
            )
        path.unlink()
        with suppress(duckdb.Error):  # of an edit that makes no file
            db.execute(f"COPY ({sql}) TO '{path}' (FORMAT parquet)")
    with suppress(Exception):  # the plan vouches for it
        plan = json.loads((root / "plan.json").read_text())
        write_sealed(root / "plan.json", plan | {"listing": hashlib.sha256(path.read_bytes()).hexdigest()})
    return f"{name}: {sql[:200]}"


def edit_tar(root: Path, rng: random.Random, yard: Path) -> str:
    """Change bytes of a tar: of a header, of a sample's JSON, of an image; cut it off, or add to it."""
    path = rng.choice(sorted(root.glob(TARS)))
    data = bytearray(path.read_bytes())
    chance = rng.random()
    heads = [at for at in range(0, len(data), 512) if data[at + 257 : at + 262] == b"ustar"]
    if chance < 0.3:
        head = rng.choice(heads) + 124
        data[head : head + 11] = rng.choice([b"-0000000001", b"77777777777", b"00000000000", b"x" * 11, b" " * 11])
    elif chance < 0.7:
        head = rng.choice(heads[2::3]) + 512
        end = data.index(b"\0", head)
        new = text_of(edited(json.loads(data[head:end]), rng, yard), rng).encode(errors="replace")
        data[head:end] = new[: end - head].ljust(end - head)
    elif chance < 0.8:
        del data[rng.randrange(len(data)) :]
    else:
        for _ in range(rng.choice([1, 20, 500])):
            data[rng.randrange(len(data))] = rng.randrange(256)
    path.write_bytes(data)
    if rng.random() < 0.7:
        put_right(root)
    return f"{path.parent.name}/{path.name}"


ARRAYS: tuple[Any, ...] = (0, -1, 2**62, float("nan"), "x", [], [[]], [1, 2], [[-1]], [2**40], ["x"], True)


def edit_predictions(root: Path, rng: random.Random, yard: Path) -> str:
    """Change an array of a file of predictions: its values, its type or its shape; or leave it out."""
    path = rng.choice(sorted(root.rglob("*.npz")))
    with np.load(path) as arrays:
        values = dict(arrays)
    name, chance = rng.choice(list(values)), rng.random()
    if chance < 0.1:
        del values[name]
    elif chance < 0.5:
        values[name] = np.asarray(rng.choice(ARRAYS))
    elif chance < 0.7:
        values[name] = np.ones(values[name].shape, rng.choice(["float64", "int8", "uint64", "U9", "complex64", "bool"]))
    elif chance < 0.85:
        values[name] = np.stack([values[name]] * 2)
    else:
        values[name] = np.full_like(values[name], -1) if values[name].dtype.kind in "if" else np.asarray(["x"] * 9)
    np.savez(path, **values)
    return f"{path.name}: {name}"


def edit_file(root: Path, rng: random.Random, yard: Path) -> str:
    """Put something else in the place of a file: nothing, a folder, a pipe, a link, another file, rubbish."""
    path = rng.choice(sorted(one for one in root.rglob("*") if one.is_file()))
    other = rng.choice(sorted(one for one in root.rglob("*") if one.is_file() and one != path))
    data, what = path.read_bytes(), rng.choice(["gone", "folder", "pipe", "link", "loop", "other", "rubbish", "empty"])
    path.unlink()
    if what == "folder":
        (path / "x").mkdir(parents=True)
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "link":
        path.symlink_to(yard / "thesis.tex")
    elif what == "loop":
        path.symlink_to(path)
    elif what == "other":
        shutil.copy(other, path)
    elif what != "gone":
        path.write_bytes(rng.randbytes(len(data)) if what == "rubbish" else b"")
    return f"{path.relative_to(root)} {what}"


def edit_folder(root: Path, rng: random.Random, yard: Path) -> str:
    """Put a link to a user's folder, a link to a new file or a pipe in the place of a folder or a hidden file."""
    name = rng.choice(["index", "clean", "v00", "v01", "index/declared", ".repair", ".lock", "notes", "notes"])
    path, what = root / name, rng.choice(["link", "link", "link", "new", "pipe"])
    if path.is_dir():
        shutil.rmtree(path)
    if what == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(yard / "user" if what == "link" else yard / "new")
    if name in ("notes", ".lock", ".repair") and rng.random() < 0.5:
        rng.choice(sorted(root.glob(TARS))).unlink()  # so that there is something to build
    return f"{name} {what}"


EDITS: dict[str, Callable[[Path, random.Random, Path], str]] = {
    "manifest": edit_json("dataset.json"),
    "plan": edit_json("plan.json"),
    "listing": edit_listing,
    "index": edit_index,
    "tar": edit_tar,
    "file": edit_file,
    "folder": edit_folder,
}
