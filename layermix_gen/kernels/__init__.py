"""The kernels: pixels of views and variants, in C and in NumPy, with the same bytes on every processor."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Image: TypeAlias = npt.NDArray[np.uint8]  # C-contiguous (H, W, 3) in RGB order; see `layermix_gen.images`
