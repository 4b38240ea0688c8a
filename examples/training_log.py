"""The log of a training: lines of JSON, which a run that is resumed goes on with."""

import json
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


class Log:
    """Lines of JSON in `log.jsonl`, on one rank."""

    def __init__(self, folder: Path | None, every: int = 10) -> None:
        self.path, self.every, self.begin = folder and folder / "log.jsonl", every, time.perf_counter()
        self.losses: list[Tensor] = []

    def step(self, epoch: int, step: int, rate: float, loss: Tensor) -> None:
        """Tell the mean loss of some steps at a time: asking for it makes the GPU wait."""
        self.losses.append(loss)
        if step % self.every == 0:
            self.rest(epoch, step, rate)

    def rest(self, epoch: int, step: int, rate: float) -> None:
        """Tell the mean loss of the steps that nothing was told of yet, if there are any."""
        if self.losses:
            loss = torch.stack(self.losses).mean().item()
            self.write(epoch=epoch, step=step, rate=round(rate, 8), loss=round(loss, 5))
            self.losses.clear()

    def write(self, **facts: Any) -> None:
        """Append a line, and print it."""
        if self.path:
            line = json.dumps(facts | {"seconds": round(time.perf_counter() - self.begin, 1)})
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as file:
                print(line, file=file)
            print(line, flush=True)
