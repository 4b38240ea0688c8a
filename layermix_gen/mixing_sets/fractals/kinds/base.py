"""The array type in which fractals are computed."""

from typing import Any, TypeAlias

Floats: TypeAlias = Any  # float32 arrays; a name for the reader, since numpy's stubs widen them in mixed arithmetic
