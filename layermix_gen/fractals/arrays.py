"""The arrays of this package: gray pictures, and the float32 fields that they are made of."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Pictures: TypeAlias = npt.NDArray[np.uint8]  # (N, S, S) or (N, S, S, 3), or one of them
Floats: TypeAlias = Any  # float32 arrays; a name for the reader, since numpy's stubs widen them in mixed arithmetic
