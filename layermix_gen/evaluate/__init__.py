"""Evaluate any PyTorch classifier: corruption robustness, consistency, adversarial error, calibration, reports.

It has two halves, which files connect. Prediction runs a model on a suite and saves its predictions (`running`,
`results`); metrics read these and need neither model nor torch. The public names are listed in `__init__.pyi` and
imported on first use.
"""

from typing import Any

import lazy_loader

_attached, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    from layermix_gen.errors import extras_explained

    with extras_explained():
        return _attached(name)
