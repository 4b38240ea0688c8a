"""Images that kill the process that decodes them, from an import of this file on: see `tests.helpers.patched`.

The word that a file holds says how: abort, be killed as if memory had run out, or take CPU time for minutes.
"""

import hashlib
import os
import signal
from pathlib import Path

from layermix_gen.building import sizing
from layermix_gen.building.engines import parallel
from layermix_gen.images import Image
from layermix_gen.sources import Item, folder

DEATHS = {
    b"abort": os.abort,
    b"killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    b"for ever": lambda: hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1),  # C code, minutes long
}
read = folder.FolderSource.read


def deadly(self: folder.FolderSource, item: Item) -> Image:
    """`FolderSource.read`, which dies of some images."""
    path = Path(self.location) / item.id
    if death := DEATHS.get(path.read_bytes().rstrip(b"\0")):
        death()
    return read(self, item)


folder.FolderSource.read = deadly  # type: ignore[method-assign]
for module in (parallel, sizing):
    module.CPU_SECONDS = 0.25  # type: ignore[attr-defined]
