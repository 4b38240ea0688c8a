"""What the training bought: safety metrics of any PyTorch classifier, beside the paper's.

Two halves meet in files. Prediction runs a model on a suite and keeps what it said (`predictions`, `results`); metrics
read that and need no model and no torch. Names are imported when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layermix_gen.evaluate.archive import load_predictions, save_predictions
    from layermix_gen.evaluate.corrupter import Corrupted, corrupt
    from layermix_gen.evaluate.corruptions import corrupted
    from layermix_gen.evaluate.predictions import Predictions, SequencePredictions, predicted, predicted_sequences
    from layermix_gen.evaluate.results import Signature, Suite, begin_results, read_signature

_HOMES = {
    "Corrupted": "corrupter",
    "Predictions": "predictions",
    "SequencePredictions": "predictions",
    "Signature": "results",
    "Suite": "results",
    "begin_results": "results",
    "corrupt": "corrupter",
    "corrupted": "corruptions.table",
    "load_predictions": "archive",
    "predicted": "predictions",
    "predicted_sequences": "predictions",
    "read_signature": "results",
    "save_predictions": "archive",
}

__all__ = [
    "Corrupted",
    "Predictions",
    "SequencePredictions",
    "Signature",
    "Suite",
    "begin_results",
    "corrupt",
    "corrupted",
    "load_predictions",
    "predicted",
    "predicted_sequences",
    "read_signature",
    "save_predictions",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
