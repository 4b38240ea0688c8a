"""Predictions as files: uncompressed `.npz` without pickles, which name their format and are checked when read."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.arguments import check_type
from layermix_gen.evaluate.results.predictions import AnyPredictions, Predictions, SequencePredictions
from layermix_gen.support.checks import as_path
from layermix_gen.support.files import cannot_read, disk_errors, reason, regular, replacing
from layermix_gen.support.text import as_text

FORMATS: dict[str, type[AnyPredictions]] = {
    "layermix-gen predictions 1": Predictions,
    "layermix-gen sequences 1": SequencePredictions,
}
_ARRAYS: dict[type[AnyPredictions], tuple[str, ...]] = {
    Predictions: ("labels", "classes", "probabilities", "log_likelihoods"),
    SequencePredictions: ("classes", "lengths"),
}


def save_predictions(path: str | Path, predictions: AnyPredictions) -> None:
    """Write predictions as an uncompressed `.npz`, completely or not at all. The folder must exist.

    Raises `LayerMixError` for anything else than predictions, and where the file cannot be written.
    """
    check_type("predictions", predictions, tuple(_ARRAYS), "make them by predicted or predicted_sequences")
    path, kind = as_path(path, "file of predictions"), type(predictions)
    arrays = {name: getattr(predictions, name) for name in _ARRAYS[kind]}
    arrays["n_classes"] = np.int64(predictions.n_classes)
    if isinstance(predictions, Predictions):
        arrays["severities"] = np.array(predictions.severities, np.int64)
    name = next(name for name, one in FORMATS.items() if one is kind)
    if not path.parent.is_dir():
        raise LayerMixError(f"expected a folder to write into, found none at {as_text(path.parent)}; make it")
    with disk_errors(path.parent), replacing(path) as draft, draft.open("wb") as file:
        np.savez(file, format=np.array(name), **arrays)


def load_predictions(path: str | Path) -> AnyPredictions:
    """Read what `save_predictions` wrote. Raises `LayerMixError` where the file is something else or damaged."""
    path = as_path(path, "file of predictions")
    try:
        with zipfile.ZipFile(regular(path)) as archive:  # compressed members could unpack to far more than the file
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise ValueError("compressed")
        with np.load(path, allow_pickle=False) as arrays:
            kind = FORMATS[str(arrays["format"])]
            values: dict[str, Any] = {name: arrays[name] for name in _ARRAYS[kind]}
            values["n_classes"] = int(arrays["n_classes"])
            if kind is Predictions:
                values["severities"] = tuple(int(number) for number in arrays["severities"])
    except FileNotFoundError as error:
        raise LayerMixError(f"expected predictions in {path}, found no such file; run the evaluation first") from error
    except OSError as error:
        raise cannot_read(path, reason(error), "delete it and run the evaluation again") from error
    except (ValueError, TypeError, KeyError, EOFError, MemoryError, OverflowError, zipfile.BadZipFile) as error:
        raise _damaged(path, "is no file of predictions, or is truncated") from error
    try:
        return kind(**values)
    except LayerMixError as error:
        raise _damaged(path, f"is damaged ({error})") from error


def _damaged(path: Path, what: str) -> LayerMixError:
    return LayerMixError(f"{path} {what}; delete it and run the evaluation again to write a new one")
