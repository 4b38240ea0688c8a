"""Locate suites: in folders given one by one, or in a folder that holds the published ones under their own names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from layermix_gen.dataset.manifest import is_dataset
from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.arguments import check_mapping, check_type
from layermix_gen.evaluate.benchmarks import SUITES, Scale
from layermix_gen.evaluate.corruptions.record import read_record
from layermix_gen.evaluate.suites import arrays
from layermix_gen.sources.array_files import cifar
from layermix_gen.sources.folder import leads_to_folder, scan
from layermix_gen.support.checks import as_path
from layermix_gen.support.text import as_text

ROLES = tuple(suite for suite in SUITES if suite != "pgd")
# The name of each suite's folder where the files of its authors are unpacked, in lower case and without punctuation;
# the test set of CIFAR is found by its files.
DATASETS: dict[str, dict[str, str]] = {
    "cifar10": {"c": "cifar10c", "cbar": "cifar10cbar", "p": "cifar10p"},
    "cifar100": {"c": "cifar100c", "cbar": "cifar100cbar", "p": "cifar100p"},
    "imagenet": {"clean": "val", "c": "imagenetc", "cbar": "imagenetcbar", "r": "imagenetr", "p": "imagenetp"},
}
# How many images (at each severity) or videos the published suites have.
PUBLISHED = {
    "cifar10c": 10_000,
    "cifar10cbar": 10_000,
    "cifar10p": 10_000,
    "cifar100c": 10_000,
    "cifar100cbar": 10_000,
    "cifar100p": 10_000,
    "val": 50_000,
    "imagenetc": 50_000,
    "imagenetcbar": 50_000,
    "imagenetr": 30_000,
}


@dataclass(frozen=True, slots=True)
class Data:
    """The folder of each suite, and the dataset that they belong to. `scale` chooses lists and conventions."""

    dataset: str
    folders: dict[str, Path]
    scale: Scale


def locate(data: Mapping[str, str | Path], dataset: str = "") -> Data:
    """Find the suites: `data` maps cifar10, cifar100 or imagenet to a folder of published ones, or a suite to its own.

    A suite's own folder wins. `dataset` is the name of the data in reports, by default told by the folders' content or
    names.
    Raises `LayerMixError` for other names, for two datasets, and where nothing is found.
    """
    check_mapping("data", data, str, (str, Path), "give folders by name, as in {'cifar10': 'DIR'}")
    check_type("dataset", dataset, str)
    if unknown := sorted(set(data) - set(ROLES) - set(DATASETS)):
        raise LayerMixError(
            f"expected data for {', '.join(DATASETS)} (a folder of published suites) or for one suite of "
            f"{', '.join(ROLES)}, got {unknown[0]!r}; change --data"
        )
    datasets = [name for name in data if name in DATASETS]
    if len(datasets) > 1:
        raise LayerMixError(f"expected one dataset, got {' and '.join(datasets)}; evaluate them one after the other")
    folders: dict[str, Path] = {}
    for name in datasets:
        folders |= published(name, as_path(data[name], f"folder of {name}"))
        if not folders:
            raise LayerMixError(
                f"expected suites of {name} in {as_text(data[name])}, such as {_examples(name)}, found none; "
                "check the path, or name each suite, as in c=DIR"
            )
    folders |= {role: as_path(data[role], f"folder of suite {role}") for role in ROLES if role in data}
    for role, folder in folders.items():
        if not folder.exists():
            raise LayerMixError(f"expected the suite {role} at {as_text(folder)}, found nothing; check --data")
    if not folders:
        raise LayerMixError("expected data to evaluate on, got none; give --data, as in cifar10=DIR or clean=DIR")
    if datasets and dataset not in ("", datasets[0]):
        raise LayerMixError(f"expected the dataset {datasets[0]} of --data, got --dataset {dataset}; give one of them")
    dataset = dataset or (datasets[0] if datasets else _dataset_of(folders))
    return Data(dataset, {role: folders[role] for role in ROLES if role in folders}, _scale(dataset, folders))


def published(dataset: str, root: Path) -> dict[str, Path]:
    """The suites of a dataset that lie in `root` under their published names."""
    if not root.is_dir():
        return {}
    there = [Path(entry.path) for entry in scan(root) if leads_to_folder(entry)]
    found: dict[str, Path] = {}
    for role, name in DATASETS[dataset].items():
        folders = sorted(folder for folder in there if plain(folder.name) == name)
        if len(folders) > 1:
            raise LayerMixError(
                f"expected one folder of suite {role} in {as_text(root)}, found {as_text(folders[0].name)} and "
                f"{as_text(folders[1].name)}; move one of them away"
            )
        if folders:
            found[role] = folders[0]
    if dataset in cifar.VERSIONS and cifar.find(dataset, root):
        found["clean"] = root
    return found


def plain(name: str) -> str:
    """A folder's name in lower case without punctuation: `CIFAR-10-C-Bar` and `cifar10_c_bar` are the same."""
    return re.sub("[^a-z0-9]", "", name.lower())


def _dataset_of(folders: Mapping[str, Path]) -> str:
    """The name of a dataset whose suites were given one by one: its test set's if that is CIFAR, or its folder's."""
    clean = folders.get("clean")
    if clean is None:
        return next(iter(folders.values())).resolve().name
    return next((name for name in cifar.VERSIONS if cifar.find(name, clean)), clean.resolve().name)


def _scale(dataset: str, folders: Mapping[str, Path]) -> Scale:
    """The scale of suites: as their records say, or else CIFAR's for arrays and ImageNet's for image files."""
    scales: set[Scale] = set()
    for folder in (folders[role] for role in ("c", "cbar", "p") if role in folders):
        record = read_record(folder)
        scales.add(record.scale if record else "cifar" if arrays.names(folder) else "imagenet")
    if len(scales) > 1:
        raise LayerMixError(
            "expected suites of one scale, found some of CIFAR's (as arrays are) and some of ImageNet's (as image "
            "files are); evaluate them one after the other"
        )
    if scales:
        return scales.pop()
    clean = folders.get("clean")
    files = clean is not None and clean.is_dir() and not is_dataset(clean) and not _has_arrays(clean)
    return "imagenet" if dataset == "imagenet" or files else "cifar"


def _has_arrays(clean: Path) -> bool:
    return any(cifar.find(name, clean) for name in cifar.VERSIONS) or any(
        "ubyte" in entry.name for entry in scan(clean)
    )


def _examples(dataset: str) -> str:
    shown = {"cifar10": "CIFAR-10-C", "cifar100": "CIFAR-100-C", "imagenet": "val"}
    return shown[dataset]
