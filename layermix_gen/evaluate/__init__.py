"""What the training bought: safety metrics of any PyTorch classifier, beside the paper's.

Two halves meet in files. Prediction runs a model on a suite and keeps what it said (`predictions`, `results`); metrics
read that and need no model and no torch. Names are imported when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layermix_gen.evaluate.archive import load_predictions, save_predictions
    from layermix_gen.evaluate.attention import Attention, gradcam
    from layermix_gen.evaluate.calibration import (
        aurra,
        expected_calibration_error,
        reliability,
        rms_calibration,
        rms_floor,
    )
    from layermix_gen.evaluate.checks import Finding, check_data
    from layermix_gen.evaluate.consistency import flip_probability, top5_distance
    from layermix_gen.evaluate.corrupter import Corrupted, corrupt
    from layermix_gen.evaluate.corruptions.table import corrupted
    from layermix_gen.evaluate.errors import error_rates, log_loss, normalized_errors
    from layermix_gen.evaluate.forward import Forward, predict
    from layermix_gen.evaluate.gradcam_sheet import write_gradcam_sheet
    from layermix_gen.evaluate.losses import jsd_loss
    from layermix_gen.evaluate.measuring import Measured, measure
    from layermix_gen.evaluate.models import Normalized, evaluating, load_model
    from layermix_gen.evaluate.pgd import Attack, attack
    from layermix_gen.evaluate.predictions import (
        Predictions,
        SequencePredictions,
        class_columns,
        predicted,
        predicted_sequences,
        stack,
    )
    from layermix_gen.evaluate.report import Report, make_report, write_report
    from layermix_gen.evaluate.results import Signature, Suite, begin_results, read_signature
    from layermix_gen.evaluate.runs import run
    from layermix_gen.evaluate.suites.base import Part
    from layermix_gen.evaluate.suites.find import find_suite
    from layermix_gen.evaluate.suites.locate import locate
    from layermix_gen.evaluate.suites.opening import Opening

_HOMES = {
    "Attack": "pgd",
    "Attention": "attention",
    "Corrupted": "corrupter",
    "Finding": "checks",
    "Forward": "forward",
    "Measured": "measuring",
    "Normalized": "models",
    "Opening": "suites.opening",
    "Part": "suites.base",
    "Predictions": "predictions",
    "Report": "report",
    "SequencePredictions": "predictions",
    "Signature": "results",
    "Suite": "results",
    "attack": "pgd",
    "aurra": "calibration",
    "begin_results": "results",
    "check_data": "checks",
    "class_columns": "predictions",
    "corrupt": "corrupter",
    "corrupted": "corruptions.table",
    "error_rates": "errors",
    "evaluating": "models",
    "expected_calibration_error": "calibration",
    "find_suite": "suites.find",
    "flip_probability": "consistency",
    "gradcam": "attention",
    "jsd_loss": "losses",
    "load_model": "models",
    "load_predictions": "archive",
    "locate": "suites.locate",
    "log_loss": "errors",
    "make_report": "report",
    "measure": "measuring",
    "normalized_errors": "errors",
    "predict": "forward",
    "predicted": "predictions",
    "predicted_sequences": "predictions",
    "read_signature": "results",
    "reliability": "calibration",
    "rms_calibration": "calibration",
    "rms_floor": "calibration",
    "run": "runs",
    "save_predictions": "archive",
    "stack": "predictions",
    "top5_distance": "consistency",
    "write_gradcam_sheet": "gradcam_sheet",
    "write_report": "report",
}

__all__ = [
    "Attack",
    "Attention",
    "Corrupted",
    "Finding",
    "Forward",
    "Measured",
    "Normalized",
    "Opening",
    "Part",
    "Predictions",
    "Report",
    "SequencePredictions",
    "Signature",
    "Suite",
    "attack",
    "aurra",
    "begin_results",
    "check_data",
    "class_columns",
    "corrupt",
    "corrupted",
    "error_rates",
    "evaluating",
    "expected_calibration_error",
    "find_suite",
    "flip_probability",
    "gradcam",
    "jsd_loss",
    "load_model",
    "load_predictions",
    "locate",
    "log_loss",
    "make_report",
    "measure",
    "normalized_errors",
    "predict",
    "predicted",
    "predicted_sequences",
    "read_signature",
    "reliability",
    "rms_calibration",
    "rms_floor",
    "run",
    "save_predictions",
    "stack",
    "top5_distance",
    "write_gradcam_sheet",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
