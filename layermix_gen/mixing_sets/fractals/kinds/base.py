"""The arrays that fractals are computed in."""

from typing import Any, TypeAlias

Floats: TypeAlias = Any  # float32 arrays; a name for the reader, since numpy's stubs widen them in mixed arithmetic
