"""Progress of long work: a bar on standard error where that is a terminal, nothing where it is not, or is closed."""

import sys
from typing import Any

from tqdm import tqdm


def progress_bar(total: int, unit: str, show: bool, **options: Any) -> "tqdm[Any]":
    """A bar that counts `unit`s up to `total`; `options` are tqdm's."""
    return tqdm(total=total, unit=unit, disable=None if show and sys.stderr else True, **options)
