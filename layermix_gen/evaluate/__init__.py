"""What the training bought: safety metrics of any PyTorch classifier, beside the paper's.

Two halves meet in files. Prediction runs a model on a suite and keeps what it said (`predictions`, `results`); metrics
read that and need no model and no torch. Names are imported when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layermix_gen.evaluate.archive import load_predictions, save_predictions
    from layermix_gen.evaluate.attention import Attention, gradcam
    from layermix_gen.evaluate.checks import Finding, check_data
    from layermix_gen.evaluate.forward import Forward, predict
    from layermix_gen.evaluate.gradcam_sheet import write_gradcam_sheet
    from layermix_gen.evaluate.models import Normalized, evaluating, load_model
    from layermix_gen.evaluate.pgd import Attack, attack
    from layermix_gen.evaluate.predictions import Predictions, SequencePredictions, predicted, predicted_sequences
    from layermix_gen.evaluate.results import Signature, Suite, begin_results, read_signature
    from layermix_gen.evaluate.runs import run
    from layermix_gen.evaluate.suites import Opening, Part, find_suite, locate

_HOMES = {
    "Attack": "pgd",
    "Attention": "attention",
    "Finding": "checks",
    "Forward": "forward",
    "Normalized": "models",
    "Opening": "suites",
    "Part": "suites",
    "Predictions": "predictions",
    "SequencePredictions": "predictions",
    "Signature": "results",
    "Suite": "results",
    "attack": "pgd",
    "begin_results": "results",
    "check_data": "checks",
    "evaluating": "models",
    "find_suite": "suites",
    "gradcam": "attention",
    "load_model": "models",
    "load_predictions": "archive",
    "locate": "suites",
    "predict": "forward",
    "predicted": "predictions",
    "predicted_sequences": "predictions",
    "read_signature": "results",
    "run": "runs",
    "save_predictions": "archive",
    "write_gradcam_sheet": "gradcam_sheet",
}

__all__ = [
    "Attack",
    "Attention",
    "Finding",
    "Forward",
    "Normalized",
    "Opening",
    "Part",
    "Predictions",
    "SequencePredictions",
    "Signature",
    "Suite",
    "attack",
    "begin_results",
    "check_data",
    "evaluating",
    "find_suite",
    "gradcam",
    "load_model",
    "load_predictions",
    "locate",
    "predict",
    "predicted",
    "predicted_sequences",
    "read_signature",
    "run",
    "save_predictions",
    "write_gradcam_sheet",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
