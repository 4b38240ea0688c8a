"""LayerMix training sets, computed offline and written as WebDataset shards.

`build` makes a dataset as the command line does; `LayerMix` mixes one image at a time; `render` runs a recipe. The
public names are listed in `__init__.pyi` and imported when they are first used, so importing the package costs nothing.
"""

from typing import Any

import lazy_loader

from layermix_gen._version import __version__ as __version__

_attached, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    from layermix_gen.errors import extras_explained

    with extras_explained():
        return _attached(name)
