"""A dataset to inspect, and what is known of it."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from layermix_gen import Manifest
from layermix_gen.inspection.shards import Shards, open_shards


@dataclass(frozen=True)
class Built:
    """A dataset, what its build said of it, and the source it was built from."""

    root: Path
    manifest: Manifest
    source: Path

    def open(self) -> Shards:
        """The dataset as `open_shards` gives it."""
        return open_shards(self.root)

    def copy(self, to: Path) -> Path:
        """A copy of it."""
        return shutil.copytree(self.root, to)
