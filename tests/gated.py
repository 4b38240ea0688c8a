"""A gate for tests that stop a build halfway, put up by an import of this file: see `tests.helpers.patched`.

Once $GATE_AFTER shards of $GATE_ROOT are finished, each process leaves its number in $GATE and waits before its next
image until there is a file `open`; then it goes on so slowly that anything under way ends before the build does.
"""

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from layermix_gen.dataset.samples import Drawn, Sample, SampleMaker
from layermix_gen.images import Image
from layermix_gen.sources import Item

GATE, ROOT, AFTER = Path(os.environ["GATE"]), Path(os.environ["GATE_ROOT"]), int(os.environ["GATE_AFTER"])
render = SampleMaker.render


def gated(
    self: SampleMaker, drawn: Iterable[Drawn], source: Image, item: Item, partner: Any = None
) -> Iterator[Sample]:
    """`SampleMaker.render` behind the gate."""
    if len(list(ROOT.glob("index/*.parquet"))) >= AFTER:
        (GATE / str(os.getpid())).touch()
        while not (GATE / "open").exists():
            time.sleep(0.01)
        time.sleep(0.05)
    return render(self, drawn, source, item, partner)


SampleMaker.render = gated  # type: ignore[method-assign]
