"""Evaluate any PyTorch classifier: corruption robustness, consistency, adversarial error, calibration, reports.

Two halves meet in files. Prediction runs a model on a suite and keeps its predictions (`running`, `results`); metrics
read those and need neither model nor torch. The public names are listed in `__init__.pyi` and imported on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
