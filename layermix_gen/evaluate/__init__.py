"""What the training bought: safety metrics of any PyTorch classifier, beside the paper's.

Two halves meet in files. Prediction runs a model on a suite and keeps what it said (`predictions`, `results`); metrics
read that and need no model and no torch. Names are imported when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layermix_gen.evaluate.archive import load_predictions, save_predictions
    from layermix_gen.evaluate.calibration import (
        aurra,
        expected_calibration_error,
        reliability,
        rms_calibration,
        rms_floor,
    )
    from layermix_gen.evaluate.consistency import flip_probability, top5_distance
    from layermix_gen.evaluate.errors import error_rates, log_loss, normalized_errors
    from layermix_gen.evaluate.losses import jsd_loss
    from layermix_gen.evaluate.measuring import Measured, measure
    from layermix_gen.evaluate.predictions import (
        Predictions,
        SequencePredictions,
        class_columns,
        predicted,
        predicted_sequences,
    )
    from layermix_gen.evaluate.report import Report, make_report, write_report
    from layermix_gen.evaluate.results import Signature, Suite, begin_results, read_signature

_HOMES = {
    "Measured": "measuring",
    "Predictions": "predictions",
    "Report": "report",
    "SequencePredictions": "predictions",
    "Signature": "results",
    "Suite": "results",
    "aurra": "calibration",
    "begin_results": "results",
    "class_columns": "predictions",
    "error_rates": "errors",
    "expected_calibration_error": "calibration",
    "flip_probability": "consistency",
    "jsd_loss": "losses",
    "load_predictions": "archive",
    "log_loss": "errors",
    "make_report": "report",
    "measure": "measuring",
    "normalized_errors": "errors",
    "predicted": "predictions",
    "predicted_sequences": "predictions",
    "read_signature": "results",
    "reliability": "calibration",
    "rms_calibration": "calibration",
    "rms_floor": "calibration",
    "save_predictions": "archive",
    "top5_distance": "consistency",
    "write_report": "report",
}

__all__ = [
    "Measured",
    "Predictions",
    "Report",
    "SequencePredictions",
    "Signature",
    "Suite",
    "aurra",
    "begin_results",
    "class_columns",
    "error_rates",
    "expected_calibration_error",
    "flip_probability",
    "jsd_loss",
    "load_predictions",
    "log_loss",
    "make_report",
    "measure",
    "normalized_errors",
    "predicted",
    "predicted_sequences",
    "read_signature",
    "reliability",
    "rms_calibration",
    "rms_floor",
    "save_predictions",
    "top5_distance",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
