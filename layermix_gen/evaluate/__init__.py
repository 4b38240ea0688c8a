"""What the training bought: safety metrics of any PyTorch classifier, beside the paper's.

Two halves meet in files. Prediction runs a model on a suite and keeps what it said (`predictions`, `results`); metrics
read that and need no model and no torch. Names are imported when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layermix_gen.evaluate.corruptions.corrupter import Corrupted, corrupt
    from layermix_gen.evaluate.corruptions.published import corrupted
    from layermix_gen.evaluate.gradcam_maps.gradcam import Attention, gradcam
    from layermix_gen.evaluate.gradcam_maps.gradcam_sheet import write_gradcam_sheet
    from layermix_gen.evaluate.losses import jsd_loss
    from layermix_gen.evaluate.metrics.calibration import (
        aurra,
        expected_calibration_error,
        reliability,
        rms_calibration,
        rms_floor,
    )
    from layermix_gen.evaluate.metrics.consistency import flip_probability, top5_distance
    from layermix_gen.evaluate.metrics.error_rates import error_rates, log_loss, normalized_errors
    from layermix_gen.evaluate.metrics.measuring import Measured, measure
    from layermix_gen.evaluate.models.loading import load_model
    from layermix_gen.evaluate.models.modes import evaluating
    from layermix_gen.evaluate.models.normalized import Normalized
    from layermix_gen.evaluate.reporting.report import Report, make_report, write_report
    from layermix_gen.evaluate.results.archive import load_predictions, save_predictions
    from layermix_gen.evaluate.results.predictions import (
        Predictions,
        SequencePredictions,
        class_columns,
        predicted,
        predicted_sequences,
        stack,
    )
    from layermix_gen.evaluate.results.results_folder import begin_results, read_signature
    from layermix_gen.evaluate.results.signature import Signature, Suite
    from layermix_gen.evaluate.running.forward import Forward, predict
    from layermix_gen.evaluate.running.pgd import Attack, attack
    from layermix_gen.evaluate.running.runs import run
    from layermix_gen.evaluate.suites.base import Part
    from layermix_gen.evaluate.suites.check_data import Finding, check_data
    from layermix_gen.evaluate.suites.find import find_suite
    from layermix_gen.evaluate.suites.locate import locate
    from layermix_gen.evaluate.suites.suite_options import Opening

_HOMES = {
    "Attack": "running.pgd",
    "Attention": "gradcam_maps.gradcam",
    "Corrupted": "corruptions.corrupter",
    "Finding": "suites.check_data",
    "Forward": "running.forward",
    "Measured": "metrics.measuring",
    "Normalized": "models.normalized",
    "Opening": "suites.suite_options",
    "Part": "suites.base",
    "Predictions": "results.predictions",
    "Report": "reporting.report",
    "SequencePredictions": "results.predictions",
    "Signature": "results.signature",
    "Suite": "results.signature",
    "attack": "running.pgd",
    "aurra": "metrics.calibration",
    "begin_results": "results.results_folder",
    "check_data": "suites.check_data",
    "class_columns": "results.predictions",
    "corrupt": "corruptions.corrupter",
    "corrupted": "corruptions.published",
    "error_rates": "metrics.error_rates",
    "evaluating": "models.modes",
    "expected_calibration_error": "metrics.calibration",
    "find_suite": "suites.find",
    "flip_probability": "metrics.consistency",
    "gradcam": "gradcam_maps.gradcam",
    "jsd_loss": "losses",
    "load_model": "models.loading",
    "load_predictions": "results.archive",
    "locate": "suites.locate",
    "log_loss": "metrics.error_rates",
    "make_report": "reporting.report",
    "measure": "metrics.measuring",
    "normalized_errors": "metrics.error_rates",
    "predict": "running.forward",
    "predicted": "results.predictions",
    "predicted_sequences": "results.predictions",
    "read_signature": "results.results_folder",
    "reliability": "metrics.calibration",
    "rms_calibration": "metrics.calibration",
    "rms_floor": "metrics.calibration",
    "run": "running.runs",
    "save_predictions": "results.archive",
    "stack": "results.predictions",
    "top5_distance": "metrics.consistency",
    "write_gradcam_sheet": "gradcam_maps.gradcam_sheet",
    "write_report": "reporting.report",
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
