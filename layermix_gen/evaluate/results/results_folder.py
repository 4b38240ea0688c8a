"""A folder of results: one file of predictions for each part of each suite, and the signature of all of them.

    RESULTS/
      run.json                  the signature: model, checkpoint, data, normalization, seed, versions
      clean/clean.npz
      c/gaussian_noise.npz ...  one file for each corruption, all severities in it
      cbar/... p/... r/r.npz pgd/correct.npz pgd/released.npz

A part is there completely or not at all, so a killed run continues after the last one that is there. A run of another
model or on other data is refused, and so is one on files that have changed since.
"""

import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.arguments import check_type
from layermix_gen.evaluate.benchmarks import check_part, extra_list, mean_list
from layermix_gen.evaluate.results.archive import load_predictions, save_predictions
from layermix_gen.evaluate.results.predictions import AnyPredictions
from layermix_gen.evaluate.results.signature import Signature, Suite
from layermix_gen.support.checks import as_path, check_output
from layermix_gen.support.files import check_format, disk_errors, read_json, write_json
from layermix_gen.support.parsing import made_of
from layermix_gen.support.text import count

SIGNATURE, FORMAT = "run.json", "layermix-gen results 1"
REMEDY = "restore it, or evaluate into another folder"
MOVABLE = ("checkpoint", "data")  # paths, which may differ when a run is resumed: digests identify what lies there


def begin_results(root: str | Path, signature: Signature) -> Signature:
    """Begin results in `root`, or continue the results that are there; return the signature of all their suites.

    New suites are added. Raises `LayerMixError`, naming the differences, where the folder holds results of another
    signature, and where a part's files have changed since it was evaluated.
    """
    check_type("signature", signature, Signature)
    root = as_path(root, "folder of results")
    before = read_signature(root) if (root / SIGNATURE).exists() else None
    if before is None:
        check_output(root, remedy="choose another --out")
    else:
        if differences := _differences(before, signature):
            raise LayerMixError(
                f"{root} holds results of something else: {'; '.join(differences)}; repeat the command that began it, "
                "or choose another --out"
            )
        _check_stamps(root, before, signature)
        signature = replace(signature, suites=_joined(before.suites, signature.suites))
    with disk_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        if signature != before:
            write_json(root / SIGNATURE, {"format": FORMAT} | asdict(signature))
    return signature


def _check_stamps(root: Path, before: Signature, now: Signature) -> None:
    """Raise `LayerMixError` where the files of a part have changed since it was evaluated."""
    old, new = _stamps(before), _stamps(now)
    stale = [
        part_path(root, *part)
        for part in old.keys() & new.keys()
        if old[part] != new[part] and part_path(root, *part).exists()
    ]
    if stale:
        more = f" and {count(len(stale) - 1, 'other')}" if len(stale) > 1 else ""
        raise LayerMixError(
            f"expected the data that {min(stale)}{more} came from, found files that changed since; delete such results "
            "to evaluate them again, or choose another --out"
        )


def _stamps(signature: Signature) -> dict[tuple[str, str], str]:
    """The stamps by suite and part. PGD attacks the clean images, so a stamp of either suite holds for both."""
    found = {(suite, part): stamp for suite, facts in signature.suites.items() for part, stamp in facts.stamps.items()}
    clean = [(suite, part) for suite in ("clean", "pgd") for part in (*mean_list(suite, "cifar"), *extra_list(suite))]
    known = next((found[part] for part in clean if part in found), "")
    return found | (dict.fromkeys(clean, known) if known else {})


def _joined(before: dict[str, Suite], now: dict[str, Suite]) -> dict[str, Suite]:
    """The suites of both signatures; a suite in both has the stamps of all its parts."""
    both = {name: replace(now[name], stamps=before[name].stamps | now[name].stamps) for name in before if name in now}
    return before | now | both


def _differences(before: Signature, now: Signature) -> list[str]:
    old, new = _flat(before, now.suites), _flat(now, before.suites)
    names = [name for name in old | new if old.get(name) != new.get(name)]
    if _same_files(before, now):  # the dataset's name may be that of a folder that moved
        names = [name for name in names if name != "dataset"]
    return [f"{name} {_shown(old, name)} -> {_shown(new, name)}" for name in names]


def _same_files(before: Signature, now: Signature) -> bool:
    """Whether there are parts in both, and all of these have the same files."""
    old, new = _stamps(before), _stamps(now)
    return bool(old.keys() & new.keys()) and all(old[part] == new[part] for part in old.keys() & new.keys())


def _shown(values: dict[str, Any], name: str) -> str:
    value = values.get(name, "none")
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:28]}...{text[-28:]}"


def _flat(signature: Signature, suites: dict[str, Suite]) -> dict[str, Any]:
    """The facts that may not change, by readable names; of the suites, only those that are also in `suites`."""
    flat = {
        one.name: getattr(signature, one.name)
        for one in fields(signature)
        if one.name not in (*MOVABLE, "versions", "suites")
    }
    if signature.model_sha256:
        flat["model"] = signature.model.rpartition("/")[2]  # the file may lie elsewhere
    flat |= {f"version of {name}": version for name, version in signature.versions.items()}
    for name in sorted(signature.suites.keys() & suites.keys()):
        suite = asdict(signature.suites[name])
        flat |= {
            f"{name} {key}": value
            for key, value in (suite | suite.pop("settings")).items()
            if key not in (*MOVABLE, "settings", "stamps")
        }
    return flat


def read_signature(root: str | Path) -> Signature:
    """The signature of the results in `root`. Raises `LayerMixError` where there are none, or it is damaged."""
    path = as_path(root, "folder of results") / SIGNATURE
    try:
        value = read_json(path, REMEDY)
        check_format(value.pop("format", "no format"), FORMAT, path)
        return made_of(Signature, value)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise LayerMixError(
            f"expected results of `evaluate run` in {root}, found no {SIGNATURE}; check the path"
        ) from error
    except ValueError as error:
        raise LayerMixError(f"{path} is damaged ({error}); {REMEDY}") from error


def part_path(root: str | Path, suite: str, part: str) -> Path:
    """The path of the predictions of a part."""
    return Path(root) / suite / f"{part}.npz"


def finished_parts(root: str | Path, signature: Signature) -> dict[str, tuple[str, ...]]:
    """The parts that are there, by suite of the signature, in the order of the benchmark's lists."""
    return {
        suite: tuple(
            part
            for part in (*mean_list(suite, signature.scale), *extra_list(suite))
            if part_path(root, suite, part).exists()
        )
        for suite in signature.suites
    }


def save_part(root: str | Path, signature: Signature, suite: str, part: str, predictions: AnyPredictions) -> None:
    """Write the predictions of a part, completely or not at all. Raises `LayerMixError` for a part in no list."""
    check_part(suite, part, signature.scale)
    with disk_errors(Path(root)):
        path = part_path(root, suite, part)
        path.parent.mkdir(exist_ok=True)
        save_predictions(path, predictions)


def load_part(root: str | Path, suite: str, part: str) -> AnyPredictions:
    """The predictions of a part. Raises `LayerMixError` where they are missing or damaged."""
    return load_predictions(part_path(root, suite, part))
